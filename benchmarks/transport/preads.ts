// What files can give at most: a loop of pread over one that lies in the page cache, into one buffer, and nothing else but
// the checksum that `file:` promises to whoever reads, where it is asked for.

import { closeSync, existsSync, mkdirSync, openSync, readSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import * as zlib from "node:zlib";
import { secondsSince } from "../serve.ts";

const chunkBytes = 2 ** 20;

/** A file of so many bytes, in the page cache. */
export function fileOf(folder: string, bytes: number): string {
  const path = join(folder, "preads");
  if (existsSync(path) && statSync(path).size === bytes) return path;
  mkdirSync(folder, { recursive: true });
  const chunk = new Uint8Array(chunkBytes).fill(7);
  const file = openSync(path, "w");
  for (let at = 0; at < bytes;) at += writeSync(file, chunk, 0, Math.min(chunkBytes, bytes - at));
  closeSync(file);
  return path;
}

/** The seconds that it takes to read all of it. */
export function preads(path: string, bytes: number, isSummed: boolean): number {
  const chunk = new Uint8Array(chunkBytes);
  const file = openSync(path, "r");
  let sum = 0;
  const began = performance.now();
  for (let at = 0; at < bytes;) {
    const read = readSync(file, chunk, 0, chunkBytes, at);
    if (read === 0) throw new Error(`Cannot read ${path}: it ends at ${at}`);
    if (isSummed) sum = zlib.crc32(chunk.subarray(0, read), sum);
    at += read;
  }
  const seconds = secondsSince(began);
  closeSync(file);
  if (isSummed && sum === 0) throw new Error(`Cannot trust ${path}: its checksum is none`);
  return seconds;
}
