// The checksum that references and strict mode use: CRC-32, from node:zlib where that has it (Node 20.15, Deno 2).
import * as zlib from "node:zlib";

/** Eight tables of 256: what a byte comes to, and what it comes to with up to seven zeros behind it. */
const tables: Int32Array = new Int32Array(8 * 256);
for (let byte = 0; byte < 256; byte++) {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  tables[byte] = value;
}
for (let at = 256; at < tables.length; at++) {
  const before = tables[at - 256]!;
  tables[at] = tables[before & 255]! ^ (before >>> 8);
}

/** The same by hand, eight bytes at a time and some times slower: for Node before 20.15, and to check the other. */
export function crc32ByTable(data: string | Uint8Array, seed: number = 0): number {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
  const of = (zeros: number, byte: number): number => tables[256 * zeros + (byte & 255)]!;
  let value = ~seed;
  let at = 0;
  for (; at + 8 <= bytes.length; at += 8) {
    value ^= bytes[at]! | bytes[at + 1]! << 8 | bytes[at + 2]! << 16 | bytes[at + 3]! << 24;
    value = of(7, value) ^ of(6, value >>> 8) ^ of(5, value >>> 16) ^ of(4, value >>> 24) ^
      of(3, bytes[at + 4]!) ^ of(2, bytes[at + 5]!) ^ of(1, bytes[at + 6]!) ^ of(0, bytes[at + 7]!);
  }
  for (; at < bytes.length; at++) value = of(0, value ^ bytes[at]!) ^ (value >>> 8);
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
