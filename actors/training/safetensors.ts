// Named arrays as a safetensors file: eight bytes of length, a header in JSON, and the numbers, little-endian.

import { ShoalError } from "../../runtime/mod.ts";

export interface NamedArray {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

export interface Archive {
  readonly arrays: ReadonlyMap<string, NamedArray>;
  /** Words about the whole. */
  readonly words: { readonly [name: string]: string };
}

const isLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** The bytes of an archive. */
export function pack({ arrays, words }: Archive): Uint8Array {
  const header: { [name: string]: object } = {};
  if (Object.keys(words).length > 0) header["__metadata__"] = words;
  let bytes = 0;
  for (const [name, { shape, data }] of arrays) {
    header[name] = { dtype: "F32", shape, data_offsets: [bytes, bytes + data.byteLength] };
    bytes += data.byteLength;
  }
  const plain = JSON.stringify(header);
  // Numbers begin at a multiple of eight, as the format advises.
  const text = new TextEncoder().encode(plain + " ".repeat((8 - new TextEncoder().encode(plain).length % 8) % 8));
  const result = new Uint8Array(8 + text.length + bytes);
  new DataView(result.buffer).setBigUint64(0, BigInt(text.length), true);
  result.set(text, 8);
  let at = 8 + text.length;
  for (const { data } of arrays.values()) {
    result.set(swapped(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)), at);
    at += data.byteLength;
  }
  return result;
}

/** The archive in some bytes; what is none, or is cut off, is `Corrupt`. */
export function unpack(bytes: Uint8Array): Archive {
  try {
    return read(bytes);
  } catch (error) {
    throw new ShoalError("Corrupt", "Cannot read weights: this is no safetensors file, or not all of it", {
      cause: error,
    });
  }
}

interface Entry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

function read(bytes: Uint8Array): Archive {
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(0, true));
  if (length > bytes.length - 8) throw new RangeError("the header is cut off");
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length))) as { [name: string]: unknown };
  const arrays = new Map<string, NamedArray>();
  let words: { [name: string]: string } = {};
  for (const [name, value] of Object.entries(header)) {
    if (name === "__metadata__") {
      words = value as { [name: string]: string };
      continue;
    }
    const { dtype, shape, data_offsets: [from, to] } = value as Entry;
    const count = shape.reduce((a, b) => a * b, 1);
    if (dtype !== "F32" || to - from !== count * 4 || to > bytes.length - 8 - length || from < 0) {
      throw new RangeError(`${name} is not what its header says`);
    }
    const copy = swapped(bytes.slice(8 + length + from, 8 + length + to));
    arrays.set(name, { shape, data: new Float32Array(copy.buffer, copy.byteOffset, count) });
  }
  return { arrays, words };
}

function swapped(bytes: Uint8Array): Uint8Array {
  if (isLittleEndian) return bytes;
  const result = bytes.slice();
  for (let i = 0; i < result.length; i += 4) result.subarray(i, i + 4).reverse();
  return result;
}
