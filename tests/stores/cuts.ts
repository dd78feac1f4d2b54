// A file system whose nth call from now on fails, once: before it did anything, after it did all, or because there is
// no room, with part of a large write done. And folders for a case each on the machine's own.
import type { FaultKind } from "../../stores/conformance/mod.ts";
import type { Disk, DiskFile } from "../../stores/file/disk.ts";

export interface CutDisk extends Disk {
  arm(nth: number, kind: FaultKind, errno: string): void;
  /** Takes the fault back, and answers whether it had struck. */
  disarm(): boolean;
}

/** What takes room on a disk. */
type Taking = "room" | "none";

/** No block is written in part. */
const blockBytes = 512;

export function cutDisk(inner: Disk): CutDisk {
  let left = 0;
  let armed: { readonly kind: FaultKind; readonly errno: string } | undefined;
  let hasStruck = false;

  /** Whether the fault strikes this call, and how. */
  function struck(taking: Taking): { readonly kind: FaultKind; readonly error: Error } | undefined {
    left -= 1;
    if (armed === undefined || left > 0 || (armed.kind === "full" && taking === "none")) return undefined;
    const { kind, errno } = armed;
    armed = undefined;
    hasStruck = true;
    return { kind, error: Object.assign(new Error(`${errno}: by the test`), { code: errno }) };
  }

  async function through<T>(taking: Taking, call: () => Promise<T>): Promise<T> {
    const strike = struck(taking);
    if (strike === undefined) return await call();
    if (strike.kind === "after") await call();
    throw strike.error;
  }

  const fileOf = (file: DiskFile): DiskFile => ({
    read: (into, position) => through("none", () => file.read(into, position)),
    async write(bytes, position) {
      const strike = struck("room");
      if (strike === undefined) return await file.write(bytes, position);
      if (strike.kind === "after") await file.write(bytes, position);
      const half = Math.floor(bytes.byteLength / 2 / blockBytes) * blockBytes;
      if (strike.kind === "full" && half > 0) return await file.write(bytes.subarray(0, half), position);
      throw strike.error;
    },
    size: () => through("none", () => file.size()),
    truncate: (bytes) => through("none", () => file.truncate(bytes)),
    sync: () => through("room", () => file.sync()),
    close: () => file.close(),
  });

  return {
    ...inner,
    makeFolder: (path) => through("room", () => inner.makeFolder(path)),
    open: async (path, how) => fileOf(await through(how === "create" ? "room" : "none", () => inner.open(path, how))),
    link: (from, to) => through("room", () => inner.link(from, to)),
    rename: (from, to) => through("room", () => inner.rename(from, to)),
    remove: (path) => through("none", () => inner.remove(path)),
    list: (path) => through("none", () => inner.list(path)),
    exists: (path) => through("none", () => inner.exists(path)),
    syncFolder: (path) => through("room", () => inner.syncFolder(path)),
    arm(nth, kind, errno) {
      left = nth;
      armed = { kind, errno };
      hasStruck = false;
    },
    disarm() {
      armed = undefined;
      return hasStruck;
    },
  };
}
