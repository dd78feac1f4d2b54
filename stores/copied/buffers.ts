// Buffers that tensors are read into and drafted in, used again: a fresh page costs more than the copy into it.
import { classRoom, releasedByte } from "../slabs.ts";

export interface Buffers {
  readonly pooledBytes: number;
  take(bytes: number): ArrayBuffer;
  give(buffer: ArrayBuffer): void;
  /** Lets go what nobody needed since the last call, and says whether anything is left. */
  tidy(): boolean;
  clear(): void;
}

/** Keeps at most `keepBytesMax` for the next ones. In strict mode what comes back is filled with a pattern. */
export function buffers(keepBytesMax: number, strict: boolean, touched: () => void): Buffers {
  const free = new Map<number, ArrayBuffer[]>();
  /** By room, how many were free at all times since the last tidying. */
  const idle = new Map<number, number>();
  let pooledBytes = 0;
  return {
    get pooledBytes() {
      return pooledBytes;
    },
    take(bytes) {
      const room = classRoom(bytes);
      const list = free.get(room);
      const found = list?.pop();
      if (list === undefined || found === undefined) return new ArrayBuffer(room);
      pooledBytes -= room;
      idle.set(room, Math.min(idle.get(room) ?? 0, list.length));
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
      touched();
    },
    tidy() {
      for (const [room, list] of free) {
        pooledBytes -= room * list.splice(0, idle.get(room) ?? 0).length;
        idle.set(room, list.length);
      }
      return pooledBytes > 0;
    },
    clear() {
      free.clear();
      idle.clear();
      pooledBytes = 0;
    },
  };
}
