// Small tensors, one after the other in files that this process alone appends to: a file each would hurt the metadata
// server. What waits while a write is under way goes out together in the next.
import { crc32 } from "../checksum.ts";
import { ShoalError } from "../error.ts";
import type { Lifetime } from "../store.ts";
import { type Disk, type DiskFile, ifThere, writeAll } from "./disk.ts";
import { idOf, type Layout, type Place } from "./layout.ts";
import { headFor, type Meta, padded, setSum } from "./record.ts";
import type { Wholes } from "./whole.ts";

/** Tensors of fewer bytes are packed. */
export const packedBytesMax: number = 2 ** 20;
const segmentBytesMax = 64 * 2 ** 20;
const batchBytesMax = 4 * 2 ** 20;
const headRoom = 1_024;

export interface Packed {
  readonly meta: Omit<Meta, "id">;
  readonly lifetime: Lifetime;
  readonly bytes: Uint8Array;
}

interface Waiting extends Packed {
  settle(place: Place | undefined, error?: unknown): void;
}

export interface Segments {
  /** Answers the place once its bytes are there, as durably as declared. */
  append(packed: Packed): Promise<Place>;
  /** Counts a tensor out. A segment with none left goes. */
  leave(place: Place): Promise<void>;
  close(): Promise<void>;
}

interface Segment {
  readonly number: number;
  readonly file: DiskFile;
  end: number;
}

export interface SegmentsOptions {
  readonly disk: Disk;
  readonly wholes: Wholes;
  readonly layout: Layout;
  readonly writer: string;
  readonly durable: boolean;
}

export function segments({ disk, wholes, layout, writer, durable }: SegmentsOptions): Segments {
  const folder = layout.writer(writer).segments;
  const queue: Waiting[] = [];
  const living = new Map<number, number>();
  const staging = new Uint8Array(batchBytesMax + packedBytesMax + headRoom);
  let current: Segment | undefined;
  let next = 0;
  let running: Promise<void> | undefined;

  async function segment(): Promise<Segment> {
    if (current !== undefined && current.end < segmentBytesMax) return current;
    await retire();
    await wholes.makeFolder(folder);
    const number = next++;
    const file = await disk.open(layout.tensor({ kind: "packed", writer, segment: number, offset: 0 }), "create");
    current = { number, file, end: 0 };
    living.set(number, 0);
    if (durable) await disk.syncFolder(folder);
    return current;
  }

  async function retire(): Promise<void> {
    const old = current;
    current = undefined;
    if (old === undefined) return;
    await old.file.close();
    if (living.get(old.number) === 0) await drop(old.number);
  }

  async function drop(number: number): Promise<void> {
    living.delete(number);
    await ifThere(disk.remove(layout.tensor({ kind: "packed", writer, segment: number, offset: 0 })));
  }

  /** Lays out as many as fit in one write from a segment's end. */
  function stage({ number, end }: Segment): { readonly places: Place[]; readonly length: number } {
    const places: Place[] = [];
    let length = 0;
    for (const { meta, lifetime, bytes } of queue) {
      if (length >= batchBytesMax) break;
      // Handed away while its turn came: refused in the next round.
      if (bytes.byteLength !== meta.bytes) break;
      const place: Place = { kind: "packed", writer, segment: number, offset: end + length };
      const { head, seed } = headFor({ ...meta, id: idOf(place) }, lifetime);
      staging.set(bytes, length + head.byteLength);
      // Over the copy: the array may be changed by its owner before this write has come back.
      const copy = staging.subarray(length + head.byteLength, length + head.byteLength + bytes.byteLength);
      setSum(head, crc32(copy, seed));
      staging.set(head, length);
      staging.fill(0, length + head.byteLength + bytes.byteLength, length + head.byteLength + padded(bytes.byteLength));
      length += head.byteLength + padded(bytes.byteLength);
      places.push(place);
    }
    return { places, length };
  }

  async function flush(): Promise<void> {
    while (queue.length > 0) {
      let batch: Waiting[] = [];
      try {
        for (let index = 0; index < queue.length; index++) {
          const waiting = queue[index]!;
          if (waiting.bytes.byteLength === waiting.meta.bytes) continue;
          queue.splice(index--, 1);
          waiting.settle(undefined, changed());
        }
        const to = await segment();
        const { places, length } = stage(to);
        if (places.length === 0) continue;
        batch = queue.splice(0, places.length);
        await writeAll(to.file, staging.subarray(0, length), to.end);
        if (durable) await to.file.sync();
        to.end += length;
        living.set(to.number, (living.get(to.number) ?? 0) + places.length);
        for (const [index, waiting] of batch.entries()) waiting.settle(places[index]);
      } catch (error) {
        if (batch.length === 0) batch = queue.splice(0);
        await abandon().catch(() => {});
        for (const waiting of batch) waiting.settle(undefined, error);
      }
    }
    running = undefined;
  }

  /** After a write that failed, nobody knows what lies behind the end: no id points there, and none ever will. */
  async function abandon(): Promise<void> {
    const old = current;
    current = undefined;
    if (old === undefined) return;
    try {
      await old.file.truncate(old.end);
    } finally {
      await old.file.close();
      if (living.get(old.number) === 0) await drop(old.number);
    }
  }

  return {
    append(packed) {
      return new Promise((resolve, reject) => {
        queue.push({
          ...packed,
          settle(place, error) {
            if (place === undefined) reject(error instanceof Error ? error : new ShoalError("Unavailable", "no place"));
            else resolve(place);
          },
        });
        running ??= flush();
      });
    },
    async leave(place) {
      if (place.kind !== "packed" || place.writer !== writer) return;
      const left = (living.get(place.segment) ?? 0) - 1;
      if (!living.has(place.segment)) return;
      living.set(place.segment, left);
      if (left === 0 && current?.number !== place.segment) await drop(place.segment);
    },
    async close() {
      await running;
      await retire();
    },
  };
}

const changed = (): ShoalError =>
  new ShoalError("BadInput", "Cannot put tensor: its array changed its length meanwhile");
