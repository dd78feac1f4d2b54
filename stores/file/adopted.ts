// Tensors that lie in files of others: not copied, only recorded, with what tells later whether the file is still as
// it was. A reference never names a path: the record does, which only the owner of the store can write.
import { Buffer } from "node:buffer";
import { realpath, stat } from "node:fs/promises";
import { dirname, resolve, sep } from "node:path";
import { ShoalError } from "../error.ts";
import type { TensorRef } from "../store.ts";
import type { Body } from "./bodies.ts";
import type { Buffers } from "../copied/buffers.ts";
import { type Disk, errnoOf, ifThere } from "./disk.ts";
import { readSummed } from "./pieces.ts";

export interface Adopted {
  /** What is recorded of a part of a file, its bytes summed up. Throws BadInput where it may not be adopted. */
  describe(path: string, offset: number, bytes: number): Promise<Uint8Array>;
  /** The bytes that a record describes, verified. Throws Missing, Corrupt or Unavailable. */
  follow(ref: TensorRef, record: Uint8Array): Promise<Omit<Body, "lifetime">>;
}

export interface AdoptedOptions {
  readonly disk: Disk;
  readonly buffers: Buffers;
  /** The folder whose files may be adopted. */
  readonly tree: string | undefined;
}

interface Seen {
  readonly path: string;
  readonly size: number;
  /** In nanoseconds, as text: more than a number holds. */
  readonly changed: string;
}

interface Recorded extends Seen {
  readonly offset: number;
  readonly sum: number;
}

const refused = (path: string, why: string): ShoalError =>
  new ShoalError("BadInput", `Cannot adopt ${JSON.stringify(path.slice(0, 200))}: ${why}`);
const corrupt = (id: string, why: string): ShoalError => new ShoalError("Corrupt", `Cannot get tensor ${id}: ${why}`);
const beginning = { seed: 0, headBytes: 0 };

async function seen(path: string): Promise<Seen & { readonly isFile: boolean }> {
  const { size, mtimeNs, isFile } = await stat(path, { bigint: true }).then((found) => ({
    size: Number(found.size),
    mtimeNs: found.mtimeNs,
    isFile: found.isFile(),
  }));
  return { path, size, changed: `${mtimeNs}`, isFile };
}

function recorded(record: Uint8Array, id: string): Recorded {
  const value: { readonly [Key in keyof Recorded]?: unknown } = JSON.parse(Buffer.from(record).toString()) as object;
  const { path, size, changed, offset, sum } = value;
  if (
    typeof path !== "string" || typeof size !== "number" || typeof changed !== "string" ||
    typeof offset !== "number" || typeof sum !== "number"
  ) throw corrupt(id, "its record is none");
  return { path, size, changed, offset, sum };
}

export function adopted({ disk, buffers, tree }: AdoptedOptions): Adopted {
  async function bytesAt(path: string, offset: number, bytes: number): Promise<{ buffer: ArrayBuffer; sum?: number }> {
    const file = await disk.open(path, "read");
    try {
      const buffer = buffers.take(bytes);
      try {
        const into = new Uint8Array(buffer, 0, bytes);
        const { sum } = await readSummed(file, into, offset, disk.isNear === true, () => beginning);
        return sum === undefined ? { buffer } : { buffer, sum };
      } catch (error) {
        buffers.give(buffer);
        throw error;
      }
    } finally {
      await file.close();
    }
  }

  return {
    async describe(path, offset, bytes) {
      if (tree === undefined) {
        throw refused(
          path,
          "no folder was named whose files may be; add ?adopt=/path/of/the/folder to the store's URL",
        );
      }
      if (!Number.isSafeInteger(offset) || offset < 0) throw refused(path, `${offset} is no place in it`);
      if (typeof path !== "string" || path.includes("\0")) throw refused(String(path), "it is no path");
      const base = await realpath(tree);
      const real = await realpath(resolve(base, path)).catch((error: unknown) => {
        throw errnoOf(error) === "ENOENT" ? refused(path, "there is no such file") : error;
      });
      // After all links were followed: neither `..` nor a link leads out.
      if (!real.startsWith(base.endsWith(sep) ? base : base + sep)) throw refused(path, `it lies outside of ${tree}`);
      const before = await seen(real);
      if (!before.isFile) throw refused(path, "it is not a file");
      if (offset + bytes > before.size) {
        throw refused(path, `it has ${before.size} bytes, and ${bytes} from ${offset} on are wanted`);
      }
      const { buffer, sum } = await bytesAt(real, offset, bytes);
      buffers.give(buffer);
      const after = await seen(real);
      if (sum === undefined || after.size !== before.size || after.changed !== before.changed) {
        throw refused(path, "it changed while it was read; adopt it when nobody writes to it any more");
      }
      const { size, changed } = after;
      return Buffer.from(JSON.stringify({ path: real, size, changed, offset, sum } satisfies Recorded));
    },
    async follow(ref, record) {
      const { path, size, changed, offset, sum } = recorded(record, ref.id);
      const now = await ifThere(seen(path));
      if (now === undefined) {
        // A file system that is not mounted has not lost its files.
        const isMounted = await disk.exists(dirname(path));
        const code = isMounted ? "Missing" : "Unavailable";
        throw new ShoalError(code, `Cannot get tensor ${ref.id}: the file that it was adopted from is not there`);
      }
      const isSame = now.isFile && now.size === size && now.changed === changed && await realpath(path) === path;
      if (!isSame) throw corrupt(ref.id, "the file that it was adopted from has changed since");
      const found = await bytesAt(path, offset, ref.bytes);
      if (found.sum === sum) return { buffer: found.buffer, offset: 0, bytes: ref.bytes, sum, seed: 0 };
      buffers.give(found.buffer);
      throw corrupt(ref.id, "its bytes in the file that it was adopted from and their checksum disagree");
    },
  };
}
