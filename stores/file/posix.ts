// The file system of the machine, through node:fs. Positional reads and writes only: no descriptor has a cursor that
// two calls could share.
import { access, type FileHandle, link, mkdir, open, readdir, rename, unlink } from "node:fs/promises";
import { type Disk, type DiskFile, ifThere } from "./disk.ts";

const modes = { create: "wx+", read: "r", change: "r+" } as const;
const ownerOnly = 0o600;
/** One call of the kernel takes no more than 2 GiB; smaller pieces let others have their turn. */
const pieceBytesMax = 2 ** 26;

function fileOf(handle: FileHandle): DiskFile {
  const piece = (bytes: Uint8Array): number => Math.min(bytes.byteLength, pieceBytesMax);
  return {
    async read(into, position) {
      return (await handle.read(into, 0, piece(into), position)).bytesRead;
    },
    async write(bytes, position) {
      return (await handle.write(bytes, 0, piece(bytes), position)).bytesWritten;
    },
    async size() {
      return (await handle.stat()).size;
    },
    truncate: (bytes) => handle.truncate(bytes),
    sync: () => handle.sync(),
    close: () => handle.close(),
  };
}

export const posixDisk: Disk = {
  async makeFolder(path) {
    await mkdir(path, { recursive: true, mode: 0o700 });
  },
  open: async (path, how) => fileOf(await open(path, modes[how], ownerOnly)),
  link,
  rename,
  remove: unlink,
  list: (path) => readdir(path),
  exists: async (path) => await ifThere(access(path).then(() => true)) ?? false,
  async syncFolder(path) {
    const handle = await open(path, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
};
