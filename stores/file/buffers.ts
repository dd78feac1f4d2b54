// Buffers that tensors are read into and drafted in, used again: a fresh page costs more than the copy into it.
import { classRoom, releasedByte } from "../slabs.ts";

export interface Buffers {
  readonly pooledBytes: number;
  take(bytes: number): ArrayBuffer;
  give(buffer: ArrayBuffer): void;
  clear(): void;
}

/** Keeps at most `keepBytesMax` for the next ones. In strict mode what comes back is filled with a pattern. */
export function buffers(keepBytesMax: number, strict: boolean): Buffers {
  const free = new Map<number, ArrayBuffer[]>();
  let pooledBytes = 0;
  return {
    get pooledBytes() {
      return pooledBytes;
    },
    take(bytes) {
      const room = classRoom(bytes);
      const found = free.get(room)?.pop();
      if (found === undefined) return new ArrayBuffer(room);
      pooledBytes -= room;
      return found;
    },
    give(buffer) {
      if (strict) new Uint8Array(buffer).fill(releasedByte);
      const room = buffer.byteLength;
      if (room > keepBytesMax) return;
      // Sizes change in the course of a campaign: what nobody takes makes room for what was used last.
      for (const [other, list] of free) {
        while (pooledBytes + room > keepBytesMax && list.pop() !== undefined) pooledBytes -= other;
      }
      const list = free.get(room) ?? [];
      free.set(room, list);
      list.push(buffer);
      pooledBytes += room;
    },
    clear() {
      free.clear();
      pooledBytes = 0;
    },
  };
}
