// Strict mode on mapped memory: what nobody has is filled with a pattern, and whoever wrote to what he no longer had is
// found when it is taken again, or at the end.
import { Buffer } from "node:buffer";
import { ShoalError } from "../error.ts";
import { releasedByte } from "../slabs.ts";
import type { Region } from "./region.ts";
import type { Chunk } from "./space.ts";

export interface Strict {
  /** New space of the file system. */
  onReserve(from: number, to: number): void;
  /** Space that goes back: what was in it is not looked for any more. */
  onYield(from: number, to: number): void;
  /** Throws Corrupt where somebody wrote to it since it was given back. */
  onTake(chunk: Chunk): void;
  onGive(chunk: Chunk, id: string): void;
  /** What was found in all that was given back and not taken again. */
  close(): ShoalError[];
}

const pattern = Buffer.alloc(2 ** 16, releasedByte);
const rememberedMax = 4_096;

export const lenient: Strict = { onReserve() {}, onYield() {}, onTake() {}, onGive() {}, close: () => [] };

export function strict(data: Region): Strict {
  /** Whose a free place was last. */
  const former = new Map<number, { readonly chunk: Chunk; readonly id: string }>();

  function bytesOf({ offset, room }: Chunk): Buffer {
    const { buffer, offset: at } = data.memory(offset, room)!;
    return Buffer.from(buffer, at, room);
  }

  function isUntouched(bytes: Buffer): boolean {
    for (let at = 0; at < bytes.length; at += pattern.length) {
      const length = Math.min(pattern.length, bytes.length - at);
      if (bytes.compare(pattern, 0, length, at, at + length) !== 0) return false;
    }
    return true;
  }

  const damage = (id: string): ShoalError =>
    new ShoalError("Corrupt", `Tensor ${id} was written to after it was released`);

  return {
    onReserve(from, to) {
      for (let at = from; at < to; at += pattern.length) {
        data.write(at, pattern.subarray(0, Math.min(pattern.length, to - at)));
      }
    },
    onYield(from, to) {
      for (const [at, { chunk }] of former) if (at < to && at + chunk.room > from) former.delete(at);
    },
    onTake(chunk) {
      const bytes = bytesOf(chunk);
      const isSound = isUntouched(bytes);
      let id = "of an earlier size";
      for (const [at, { chunk: was, id: own }] of former) {
        if (at >= chunk.offset + chunk.room || at + was.room <= chunk.offset) continue;
        if (!isSound && !isUntouched(bytesOf(was))) id = own;
        former.delete(at);
      }
      if (isSound) return;
      // Found once, told once.
      bytes.fill(releasedByte);
      throw damage(id);
    },
    onGive(chunk, id) {
      bytesOf(chunk).fill(releasedByte);
      former.set(chunk.offset, { chunk, id });
      if (former.size > rememberedMax) former.delete(former.keys().next().value ?? 0);
    },
    close() {
      return [...former.values()].filter(({ chunk }) => !isUntouched(bytesOf(chunk))).map(({ id }) => damage(id));
    },
  };
}
