// The accelerator: maps files into memory, and reserves their space before anybody touches it, so that a full file
// system is an error and never a SIGBUS. koffi is an optional dependency: without it, or elsewhere than on Linux, the
// same files are read and written by calls.
import { constants } from "node:os";

export interface Mapping {
  readonly buffer: ArrayBuffer;
  /** Has the pages of a range at hand that is reserved: one by one, each costs more than the copy into it. */
  warm(offset: number, bytes: number): void;
  /** Lets the file's memory go. Whoever still looks at the buffer sees zeros of his own: nothing crashes. */
  close(): void;
}

export interface Native {
  /** Throws with the errno's name as `code`; what was not reserved before is not then. */
  reserve(descriptor: number, offset: number, bytes: number): void;
  /** Gives space back: the range reads as zeros, and takes none until it is reserved again. */
  yield(descriptor: number, offset: number, bytes: number): void;
  map(descriptor: number, offset: number, bytes: number, how: "read" | "change"): Mapping;
}

/** What koffi makes of the calls. A pointer is a bigint. */
interface Calls {
  readonly mmap: (
    at: bigint | null,
    bytes: number,
    protection: number,
    flags: number,
    fd: number,
    from: number,
  ) => bigint;
  readonly posixFallocate: (fd: number, offset: number, bytes: number) => number;
  readonly fallocate: (fd: number, mode: number, offset: number, bytes: number) => number;
  readonly madvise: (at: bigint, bytes: number, advice: number) => number;
  readonly errno: () => number;
  readonly view: (pointer: bigint, bytes: number) => ArrayBuffer;
}

const protection = { read: 1, change: 3 } as const;
const shared = 0x01;
const ofItsOwn = 0x02 | 0x20;
const fixed = 0x10;
const withoutSwap = 0x4000;
const punchHole = 0x01 | 0x02;
const populateWrite = 23;
const failed = 2n ** 64n - 1n;

let loading: Promise<Native | undefined> | undefined;

/** The accelerator, loaded once, or nothing where it is not to be had. */
export function loadNative(): Promise<Native | undefined> {
  return loading ??= callsOf().then((calls) => calls && nativeFrom(calls), () => undefined);
}

async function callsOf(): Promise<Calls | undefined> {
  // The numbers above are Linux's own.
  if (process.platform !== "linux") return undefined;
  const { default: koffi } = await import("koffi");
  const libc = koffi.load(null);
  return {
    mmap: libc.func("mmap", "void *", ["void *", "size_t", "int", "int", "int", "int64"]),
    posixFallocate: libc.func("posix_fallocate", "int", ["int", "int64", "int64"]),
    fallocate: libc.func("fallocate", "int", ["int", "int", "int64", "int64"]),
    madvise: libc.func("madvise", "int", ["void *", "size_t", "int"]),
    errno: () => koffi.errno(),
    view: (pointer, bytes) => koffi.view(pointer, bytes),
  };
}

function trouble(call: string, errno: number): Error {
  const [code = `E${errno}`] = Object.entries(constants.errno).find(([, number]) => number === errno) ?? [];
  return Object.assign(new Error(`Cannot ${call}: ${code}`), { code });
}

function nativeFrom({ mmap, posixFallocate, fallocate, madvise, errno, view }: Calls): Native {
  return {
    reserve(descriptor, offset, bytes) {
      let error = posixFallocate(descriptor, offset, bytes);
      while (error === constants.errno.EINTR) error = posixFallocate(descriptor, offset, bytes);
      if (error !== 0) throw trouble("reserve space", error);
    },
    yield(descriptor, offset, bytes) {
      if (fallocate(descriptor, punchHole, offset, bytes) !== 0) throw trouble("give space back", errno());
    },
    map(descriptor, offset, bytes, how) {
      const pointer = mmap(null, bytes, protection[how], shared | withoutSwap, descriptor, offset);
      if (pointer === failed) throw trouble("map memory", errno());
      let isClosed = false;
      return {
        buffer: view(pointer, bytes),
        warm(offset, bytes) {
          // Linux before 5.14 does not know it: then they come as they are touched.
          madvise(pointer + BigInt(offset), bytes, populateWrite);
        },
        close() {
          if (isClosed) return;
          isClosed = true;
          // In its place comes memory that costs nothing until it is touched.
          mmap(pointer, bytes, protection.change, ofItsOwn | fixed | withoutSwap, -1, 0);
        },
      };
    },
  };
}
