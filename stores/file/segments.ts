// Small tensors, one after the other in files that this process alone appends to: a file each would hurt the metadata
// server. What waits while a write is under way goes out together in the next.
import { ShoalError } from "../error.ts";
import type { Lifetime } from "../store.ts";
import type { Descriptors } from "./descriptors.ts";
import { type Disk, type DiskFile, ifThere, writeAll } from "./disk.ts";
import { idOf, type Layout, type Place } from "./layout.ts";
import { type Meta, padded, seal, writeHead } from "./record.ts";
import type { Wholes } from "./whole.ts";

/** Tensors of fewer bytes are packed. */
export const packedBytesMax: number = 2 ** 20;
/** Where there is no metadata server that a file each would hurt, only what is small beside a file's own cost. */
export const packedNearBytesMax: number = 2 ** 17;
const segmentBytesMax = 64 * 2 ** 20;
const batchBytesMax = 4 * 2 ** 20;
const stagingBytesMin = 2 ** 16;
const headRoom = 1_024;

export interface Packed {
  readonly meta: Omit<Meta, "id">;
  readonly lifetime: Lifetime;
  readonly bytes: Uint8Array;
}

interface Waiting extends Packed {
  resolve(place: Place): void;
  reject(error: unknown): void;
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
  readonly descriptors: Descriptors;
}

export function segments({ disk, wholes, layout, writer, durable, descriptors }: SegmentsOptions): Segments {
  const folder = layout.writer(writer).segments;
  let queue: Waiting[] = [];
  const living = new Map<number, number>();
  let staging = new Uint8Array(0);
  let stagingView = new DataView(staging.buffer);
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
    const path = layout.tensor({ kind: "packed", writer, segment: number, offset: 0 });
    await ifThere(disk.remove(path));
    await descriptors.forget(path);
  }

  /** As large as the largest write so far: who packs little, or nothing, takes little memory for it. */
  function provide(wanted: number, length: number): void {
    if (wanted <= staging.length) return;
    const larger = new Uint8Array(Math.max(wanted, 2 * staging.length, stagingBytesMin));
    larger.set(staging.subarray(0, length));
    staging = larger;
    stagingView = new DataView(larger.buffer);
  }

  /** Lays out as many as fit in one write from a segment's end, and takes them out of the queue. */
  function stage({ number, end }: Segment, batch: Waiting[], places: Place[]): number {
    let length = 0;
    let count = 0;
    for (; count < queue.length && length < batchBytesMax; count++) {
      const waiting = queue[count]!;
      const { meta, lifetime, bytes } = waiting;
      // Handed away while its turn came.
      if (bytes.byteLength !== meta.bytes) {
        waiting.reject(changed());
        continue;
      }
      const place: Place = { kind: "packed", writer, segment: number, offset: end + length };
      provide(length + headRoom + padded(meta.bytes), length);
      const body = length + writeHead(staging, stagingView, length, { ...meta, id: idOf(place) }, lifetime);
      staging.set(bytes, body);
      // Over the copy: the array may be changed by its owner before this write has come back.
      seal(staging, stagingView, length, body + meta.bytes);
      length = body + padded(meta.bytes);
      staging.fill(0, body + meta.bytes, length);
      places.push(place);
      batch.push(waiting);
    }
    queue = queue.slice(count);
    return length;
  }

  async function flush(): Promise<void> {
    while (queue.length > 0) {
      let batch: Waiting[] = [];
      const places: Place[] = [];
      try {
        const to = await segment();
        const length = stage(to, batch, places);
        if (batch.length === 0) continue;
        await writeAll(to.file, staging.subarray(0, length), to.end);
        if (durable) await to.file.sync();
        to.end += length;
        living.set(to.number, (living.get(to.number) ?? 0) + batch.length);
        for (let index = 0; index < batch.length; index++) batch[index]!.resolve(places[index]!);
      } catch (error) {
        if (batch.length === 0) [batch, queue] = [queue, []];
        await abandon().catch(() => {});
        for (const waiting of batch) waiting.reject(error);
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
        const { meta, lifetime, bytes } = packed;
        queue.push({ meta, lifetime, bytes, resolve, reject });
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
