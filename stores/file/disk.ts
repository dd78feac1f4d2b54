// The seam between the store and a file system: the few calls that it makes, so that a simulated disk may stand in.
// Calls reject with an error whose `code` is the errno's name. Types, and how to read that name.

/** Calls that answer at once, on a disk that is near and quick just now. They may come short as the others. */
export interface Direct {
  read(into: Uint8Array, position: number): number;
  write(bytes: Uint8Array, position: number): number;
  close(): void;
}

/** The same of a disk. */
export interface DirectDisk {
  open(path: string, how: "create" | "read" | "change"): DiskFile;
  rename(from: string, to: string): void;
}

export interface DiskFile {
  readonly direct?: Direct | undefined;
  /** Answers how many bytes came, which may be fewer than were asked for; 0 at the end. */
  read(into: Uint8Array, position: number): Promise<number>;
  /** Answers how many bytes went, which may be fewer than were given: a full disk shows so first. */
  write(bytes: Uint8Array, position: number): Promise<number>;
  size(): Promise<number>;
  truncate(bytes: number): Promise<void>;
  /** Its data is on the disk from here on. One that fails must not be tried again: the data may be gone. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

export interface Disk {
  /** Its calls end in this machine's memory: nothing is saved by keeping files few. */
  readonly isNear?: boolean;
  /** Its calls that answer at once, while it is near and quick: a turn of the loop may cost as much as such a call. */
  readonly direct?: ((how: "read" | "change") => DirectDisk | undefined) | undefined;
  /** With all above it, for the owner alone. What is there already stays as it is. */
  makeFolder(path: string): Promise<void>;
  /** `create` where nothing stands yet (EEXIST), for the owner alone; `read` and `change` what stands. */
  open(path: string, how: "create" | "read" | "change"): Promise<DiskFile>;
  /** A second name for a file, where none stands yet (EEXIST): the one step that only one of many can win. */
  link(from: string, to: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  list(path: string): Promise<string[]>;
  exists(path: string): Promise<boolean>;
  /** The names in a folder are on the disk from here on. */
  syncFolder(path: string): Promise<void>;
}

/** The errno's name of a call that failed, or an empty text. */
export function errnoOf(error: unknown): string {
  if (typeof error !== "object" || error === null || !("code" in error)) return "";
  return typeof error.code === "string" ? error.code : "";
}

/** Answers nothing where a call finds nothing there. */
export async function ifThere<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** The same of a call that is made at once. */
export function ifThereNow<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** Closes a file: at once, where the disk does. */
export function closed(file: DiskFile): Promise<void> | void {
  const { direct } = file;
  if (direct === undefined) return file.close();
  direct.close();
}

const full = (): Error => Object.assign(new Error("Cannot write: the disk took nothing"), { code: "ENOSPC" });

/** The same as `writeAll`, at once. */
export function writeNow(file: Direct, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.byteLength;) {
    const count = file.write(done === 0 ? bytes : bytes.subarray(done), position + done);
    if (count === 0) throw full();
    done += count;
  }
}

/** The same as `readAll`, at once. */
export function readNow(file: Direct, into: Uint8Array, position: number): number {
  let done = 0;
  while (done < into.byteLength) {
    const count = file.read(done === 0 ? into : into.subarray(done), position + done);
    if (count === 0) break;
    done += count;
  }
  return done;
}

/** Writes all of some bytes, however many calls it takes. */
export async function writeAll(file: DiskFile, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.byteLength;) {
    const count = await file.write(bytes.subarray(done), position + done);
    if (count === 0) throw full();
    done += count;
  }
}

/** Reads until a buffer is full or the file ends; answers how many bytes came. */
export async function readAll(file: DiskFile, into: Uint8Array, position: number): Promise<number> {
  let done = 0;
  while (done < into.byteLength) {
    const count = await file.read(into.subarray(done), position + done);
    if (count === 0) break;
    done += count;
  }
  return done;
}
