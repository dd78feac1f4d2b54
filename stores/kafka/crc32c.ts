// CRC-32C (Castagnoli), which every batch of records carries and the broker checks. Sixteen bytes a step by tables, four
// words at a time: neither runtime brings it along.

const stepWords = 4;
/** What a byte comes to, and what it comes to with up to fifteen zeros behind it. */
const tables = new Int32Array(4 * stepWords * 256);
for (let byte = 0; byte < 256; byte++) {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  tables[byte] = value;
}
for (let at = 256; at < tables.length; at++) {
  const before = tables[at - 256]!;
  tables[at] = tables[before & 255]! ^ (before >>> 8);
}

/** Four bytes with so many tables' worth of zeros behind them. */
const far = (word: number, zeros: number): number =>
  tables[zeros + 768 + (word & 255)]! ^ tables[zeros + 512 + ((word >>> 8) & 255)]! ^
  tables[zeros + 256 + ((word >>> 16) & 255)]! ^ tables[zeros + (word >>> 24)]!;

/** The checksum of bytes, going on from `seed`. */
export function crc32c(bytes: Uint8Array, seed: number = 0): number {
  const { buffer, byteOffset, byteLength } = bytes;
  let value = ~seed;
  let at = 0;
  // Words are read where they may be.
  for (const lead = Math.min(byteLength, -byteOffset & 3); at < lead; at++) {
    value = tables[(value ^ bytes[at]!) & 255]! ^ (value >>> 8);
  }
  // Of fewer bytes than lead to a word, none is left.
  const words = new Int32Array(buffer, (byteOffset + at) & ~3, (byteLength - at) >>> 2);
  const end = words.length - words.length % stepWords;
  for (let word = 0; word < end; word += stepWords) {
    value = far(value ^ words[word]!, 3_072) ^ far(words[word + 1]!, 2_048) ^ far(words[word + 2]!, 1_024) ^
      far(words[word + 3]!, 0);
  }
  for (at += 4 * end; at < byteLength; at++) value = tables[(value ^ bytes[at]!) & 255]! ^ (value >>> 8);
  return ~value >>> 0;
}
