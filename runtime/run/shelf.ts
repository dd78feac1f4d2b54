// Tensors that recorded actors were given, beside the record: a file each, whoever got it first, so many bytes at most.

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ShoalError } from "../../stores/error.ts";
import type { Arrays, Dtype, TensorRef } from "../../stores/store.ts";
import { type ArrayName, arrayName, bytesOf, emptyArray } from "../messages/arrays.ts";
import { fileMode, folderMode } from "./layout.ts";

/** What a line says of a tensor. */
type Kept =
  | { readonly ref: TensorRef; readonly data: Arrays[Dtype] }
  | { readonly ref: TensorRef; readonly file: string; readonly array: ArrayName; readonly length: number }
  | { readonly ref: TensorRef; readonly lacks: string };

export interface Shelf {
  keep(ref: TensorRef, data: Arrays[Dtype]): unknown;
  /** Throws `Missing` where it was not kept. */
  load(kept: unknown): { readonly ref: TensorRef; readonly data: Arrays[Dtype] };
}

/** Smaller ones stand in the line itself. */
const ownFileBytesMin = 4_096;

export function shelf(folder: string, bytesMax: number): Shelf {
  let bytes = 0;
  const written = new Set<string>();

  function put(name: string, data: Arrays[Dtype]): string | undefined {
    if (written.has(name)) return undefined;
    const path = join(folder, name);
    if (statSync(path, { throwIfNoEntry: false })?.size !== data.byteLength) {
      if (bytes + data.byteLength > bytesMax) return `the record had no room for it (recording.tensorBytesMax)`;
      try {
        mkdirSync(folder, { recursive: true, mode: folderMode });
        writeFileSync(path, bytesOf(data).slice(), { mode: fileMode });
      } catch (error) {
        return error instanceof Error ? error.message : String(error);
      }
      bytes += data.byteLength;
    }
    written.add(name);
    return undefined;
  }

  return {
    keep(ref, data): Kept {
      const array = arrayName(data);
      if (data.byteLength < ownFileBytesMin || array === undefined) return { ref, data };
      const file = createHash("sha256").update(`${ref.run}/${ref.id}`).digest("hex").slice(0, 32);
      const lacks = put(file, data);
      return lacks === undefined ? { ref, file, array, length: data.length } : { ref, lacks };
    },
    load(kept) {
      const one = kept as Kept;
      if ("data" in one) return one;
      const { ref } = one;
      const what = `Cannot replay: tensor ${ref.id} of ${ref.bytes} bytes was not kept`;
      if ("lacks" in one) throw new ShoalError("Missing", `${what}: ${one.lacks}`);
      const data = emptyArray(one.array, one.length) as Arrays[Dtype];
      let read: Uint8Array;
      try {
        read = readFileSync(join(folder, one.file));
      } catch (cause) {
        throw new ShoalError("Missing", `${what}: ${cause instanceof Error ? cause.message : ""}`, { cause });
      }
      if (read.byteLength !== data.byteLength) throw new ShoalError("Missing", `${what} whole`);
      bytesOf(data).set(read);
      return { ref, data };
    },
  };
}
