// The checksum that references and strict mode use: CRC-32, from node:zlib where that has it (Node 20.15, Deno 2).
import * as zlib from "node:zlib";

const table: Uint32Array = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value >>> 0;
});

/** The same by hand, four hundred times slower on large data: for Node before 20.15, and to check the other. */
export function crc32ByTable(data: string | Uint8Array, seed: number = 0): number {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
  let value = ~seed >>> 0;
  for (let index = 0; index < bytes.length; index++) value = table[(value ^ bytes[index]!) & 255]! ^ (value >>> 8);
  return ~value >>> 0;
}

/** CRC-32 of bytes, or of a text's UTF-8, going on from `seed`. */
export function crc32(data: string | Uint8Array, seed: number = 0): number {
  // Of nothing at no address, node:zlib answers 0 instead of the seed.
  if (data.length === 0) return seed;
  return typeof zlib.crc32 === "function" ? zlib.crc32(data, seed) : crc32ByTable(data, seed);
}

/** A checksum as references write it: eight hex digits. */
export const hex32 = (value: number): string => value.toString(16).padStart(8, "0");
