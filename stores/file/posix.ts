// The file system of the machine, through node:fs. Positional reads and writes only: no descriptor has a cursor that
// two calls could share.
import * as fs from "node:fs";
import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { type Direct, type DirectDisk, type Disk, type DiskFile, errnoOf, ifThere } from "./disk.ts";

const modes = { create: "wx+", read: "r", change: "r+" } as const;
const ownerOnly = 0o600;
const folderOwnerOnly = 0o700;
/** One call of the kernel takes no more than 2 GiB; smaller pieces let others have their turn. */
const pieceBytesMax = 2 ** 26;
/** What a page cache takes in less time than a thread needs to be woken. */
const directBytesMax = 2 ** 19;
/**
 * A direct call that took longer sends some of its kind after it to the pool, and each such call in a row twice as many:
 * nobody's turn is spent on a disk that is busy. One alone may have waited for the processor.
 */
const slowMs = 10;
const pooledCalls = { min: 4, max: 4_096 } as const;
const quickCalls = 64;
/** And after so many direct calls in a row others in this thread get their turn. */
const directCallsMax = 64;

/** File systems of Linux whose calls end in this machine's memory: ext, XFS, Btrfs, F2FS, ZFS, tmpfs, ramfs, overlay. */
const nearTypes: ReadonlySet<number> = new Set([
  0xef53,
  0x58465342,
  0x9123683e,
  0xf2f52010,
  0x2fc12fc1,
  0x01021994,
  0x858458f6,
  0x794c7630,
]);

type Done<T> = (error: Error | null, value: T) => void;

/** Makes a call in the pool of threads that every runtime has for files. */
function pooled<T>(call: (done: Done<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, value) => error === null || error === undefined ? resolve(value) : reject(error));
  });
}

/** How calls of one kind have gone lately. */
interface Pace {
  readonly isSlow: boolean;
  /** One goes to the pool. */
  passed(): void;
  /** One was made directly. */
  took(ms: number): void;
}

function pace(isNear: boolean): Pace {
  let pooledLeft = isNear ? 0 : Infinity;
  let pooledNext: number = pooledCalls.min;
  let quick = 0;
  return {
    get isSlow() {
      return pooledLeft > 0;
    },
    passed() {
      pooledLeft -= 1;
    },
    took(ms) {
      if (ms > slowMs) {
        pooledLeft = pooledNext;
        pooledNext = Math.min(2 * pooledNext, pooledCalls.max);
        quick = 0;
      } else if (++quick === quickCalls) pooledNext = pooledCalls.min;
    },
  };
}

function posix(isNear: boolean): Disk {
  // A disk that is slow to take what is written gives what lies in the page cache as fast as ever.
  const [reading, changing] = [pace(isNear), pace(isNear)];
  const paceOf = (how: keyof typeof modes): Pace => how === "read" ? reading : changing;
  let inRow = 0;

  function timed<T>(calls: Pace, direct: () => T): T {
    const start = performance.now();
    try {
      return direct();
    } finally {
      inRow += 1;
      calls.took(performance.now() - start);
    }
  }

  /** A call that the page cache answers is over before the pool has begun: it is made at once, while that holds. */
  function made<T>(calls: Pace, direct: () => T, inPool: (done: Done<T>) => void): Promise<T> {
    if (calls.isSlow) {
      calls.passed();
      return pooled(inPool);
    }
    if (inRow >= directCallsMax) {
      inRow = 0;
      return new Promise((resolve) => setImmediate(resolve)).then(() => timed(calls, direct));
    }
    try {
      return Promise.resolve(timed(calls, direct));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  const isQuick = (calls: Pace): boolean => !calls.isSlow && inRow < directCallsMax;

  function fileOf(fd: number, how: keyof typeof modes): DiskFile {
    const calls = paceOf(how);
    const length = (bytes: Uint8Array): number => Math.min(bytes.byteLength, pieceBytesMax);
    const direct: Direct = {
      read: (into, position) => timed(reading, () => fs.readSync(fd, into, 0, length(into), position)),
      write: (bytes, position) => timed(changing, () => fs.writeSync(fd, bytes, 0, length(bytes), position)),
      close: () => timed(calls, () => fs.closeSync(fd)),
    };
    return {
      get direct() {
        return isQuick(calls) ? direct : undefined;
      },
      read(into, position) {
        const inPool = (done: Done<number>): void => fs.read(fd, into, 0, length(into), position, done);
        if (into.byteLength > directBytesMax) return pooled(inPool);
        return made(reading, () => fs.readSync(fd, into, 0, into.byteLength, position), inPool);
      },
      write(bytes, position) {
        const inPool = (done: Done<number>): void => fs.write(fd, bytes, 0, length(bytes), position, done);
        if (bytes.byteLength > directBytesMax) return pooled(inPool);
        return made(changing, () => fs.writeSync(fd, bytes, 0, bytes.byteLength, position), inPool);
      },
      async size() {
        return (await made(reading, () => fs.fstatSync(fd), (done: Done<fs.Stats>) => fs.fstat(fd, done))).size;
      },
      truncate: (bytes) =>
        made(
          changing,
          () => fs.ftruncateSync(fd, bytes),
          (done: Done<void>) => fs.ftruncate(fd, bytes, done as fs.NoParamCallback),
        ),
      sync: () => pooled((done: Done<void>) => fs.fsync(fd, done as fs.NoParamCallback)),
      close: () => made(calls, () => fs.closeSync(fd), (done: Done<void>) => fs.close(fd, done as fs.NoParamCallback)),
    };
  }

  type Bare = (done: fs.NoParamCallback) => void;
  const bare = (direct: () => void, inPool: Bare): Promise<void> => made(changing, direct, inPool);

  /** Step by step: where a folder takes none, as /proc does, Node 20 itself would try for ever. */
  async function makeFolder(path: string): Promise<void> {
    const make = (): Promise<void> =>
      bare(() => fs.mkdirSync(path, folderOwnerOnly), (done) => fs.mkdir(path, folderOwnerOnly, done));
    try {
      await make().catch(async (error: unknown) => {
        const above = dirname(path);
        if (errnoOf(error) !== "ENOENT" || above === path) throw error;
        await makeFolder(above);
        await make();
      });
    } catch (error) {
      if (errnoOf(error) !== "EEXIST" || !fs.statSync(path).isDirectory()) throw error;
    }
  }

  const opened = (path: string, how: keyof typeof modes): DiskFile =>
    fileOf(fs.openSync(path, modes[how], ownerOnly), how);
  const direct: DirectDisk = {
    open: (path, how) => timed(paceOf(how), () => opened(path, how)),
    rename: (from, to) => timed(changing, () => fs.renameSync(from, to)),
  };

  return {
    isNear,
    direct: (how) => isQuick(paceOf(how)) ? direct : undefined,
    makeFolder,
    open(path, how) {
      const mode = modes[how];
      return made<DiskFile>(
        paceOf(how),
        () => opened(path, how),
        (done) =>
          fs.open(path, mode, ownerOnly, (error, fd) => done(error, error === null ? fileOf(fd, how) : undefined!)),
      );
    },
    link: (from, to) => bare(() => fs.linkSync(from, to), (done) => fs.link(from, to, done)),
    rename: (from, to) => bare(() => fs.renameSync(from, to), (done) => fs.rename(from, to, done)),
    remove: (path) => bare(() => fs.unlinkSync(path), (done) => fs.unlink(path, done)),
    list: (path) => made(reading, () => fs.readdirSync(path), (done: Done<string[]>) => fs.readdir(path, done)),
    exists: async (path) => {
      const look = (done: Done<void>): void => fs.access(path, done as fs.NoParamCallback);
      const there = made(reading, () => fs.accessSync(path), look);
      return await ifThere(there.then(() => true)) ?? false;
    },
    async syncFolder(path) {
      const fd = await pooled((done: Done<number>) => fs.open(path, "r", done));
      try {
        await pooled((done: Done<void>) => fs.fsync(fd, done as fs.NoParamCallback));
      } finally {
        await pooled((done: Done<void>) => fs.close(fd, done as fs.NoParamCallback));
      }
    },
  };
}

/** Any file system, each call in the pool: one that hangs holds up nobody else. */
export const posixDisk: Disk = posix(false);

/** One of which it is known whether it is near. */
export const posixDiskOf = (isNear: boolean): Disk => isNear ? posix(true) : posixDisk;

/** The file system of a folder that answers at once, as memory does. */
export const posixDiskNow = (folder: string): Disk => posixDiskOf(nearTypes.has(fs.statfsSync(folder).type >>> 0));

/** The file system that a path lies on, or will lie on once it is made: a near one is called directly. */
export async function posixDiskAt(path: string): Promise<Disk> {
  for (let at = path;; at = at.slice(0, at.lastIndexOf("/")) || "/") {
    try {
      return posixDiskOf(nearTypes.has((await statfs(at)).type >>> 0));
    } catch (error) {
      // What cannot even be asked for its kind is not near.
      if (errnoOf(error) !== "ENOENT" || at === "/" || at === "") return posixDisk;
    }
  }
}
