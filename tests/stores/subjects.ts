// The stores that the laws are tried on: each by its URL, and `file:` on the machine's disk with calls that fail.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { lateStore, type Subject } from "../../stores/conformance/mod.ts";
import { fileStore } from "../../stores/file.ts";
import { posixDiskAt } from "../../stores/file/posix.ts";
import { inlineStore } from "../../stores/inline.ts";
import { openStore } from "../../stores/open.ts";
import { type CutDisk, cutDisk } from "./cuts.ts";

/** A subject by its URL: how it is bounded, its options say. */
export const byUrl = (name: string, urlOf: (place: string) => string, others: Partial<Subject> = {}): Subject => ({
  name,
  open({ capacity, place, ...options }) {
    const bounds = capacity && `?capacity=${capacity.bytes}&full=${capacity.full}&waitMs=${capacity.waitMs}`;
    return openStore(`${urlOf(place)}${bounds ?? ""}`, options);
  },
  bounded: true,
  ...others,
});

export const memorySubject: Subject = byUrl("memory:", () => "memory:", {
  unbreakable: "behind memory: is nothing that could break by itself: its calls end in this process",
});

/** A folder for this process, gone with it. */
export function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), "laws-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export const fileSubject = (folder: string): Subject =>
  byUrl("file:", (place) => pathToFileURL(join(folder, place)).href, {
    remove: (place) => rmSync(join(folder, place), { recursive: true, force: true }),
    unbreakable: "tried on `file: with a disk that fails`",
  });

/** `file:` whose nth call to the disk fails, before it did anything, after it did all, or because the disk is full. */
export function cutFileSubject(folder: string, fsync: "always" | "never", errno: "EIO" | "ENOSPC" | "EDQUOT"): Subject {
  const disks = new Map<string, CutDisk>();
  return {
    name: `file:?fsync=${fsync} with a disk that fails by ${errno}`,
    bounded: true,
    async open({ place, capacity, ...options }) {
      const disk = disks.get(place) ?? cutDisk(await posixDiskAt(folder));
      disks.set(place, disk);
      const bounds = capacity === undefined ? {} : { ...capacity, capacityBytes: capacity.bytes };
      return inlineStore(
        await fileStore({ ...options, ...bounds, root: join(folder, place), fsync, disk }),
        options,
      );
    },
    remove(place) {
      disks.delete(place);
      rmSync(join(folder, place), { recursive: true, force: true });
    },
    faults: {
      kinds: errno === "EIO" ? ["before", "after"] : ["full"],
      requestsMax: 24,
      sizesBytes: [5, 2 ** 20 + 5],
      arm: (place, nth, kind) => disks.get(place)?.arm(nth, kind, errno),
      disarm: (place) => disks.get(place)?.disarm() ?? false,
    },
  };
}

/** A good store whose calls begin and end late, so that those made together overtake each other. */
export function lateSubject(inner: Subject): Subject {
  let state = 1;
  const chance = (): number => (state = (state * 48_271) % 0x7fffffff) / 0x7fffffff;
  return {
    ...inner,
    name: `${inner.name}, whose answers come late`,
    open: async (options) => lateStore(await inner.open(options), chance),
  };
}
