// The bytes of tensors as records: few bytes lie in the tensor's own record, more in chunks that travel over all partitions
// at once; the tensor's record comes last, so that a half-written tensor does not exist. An id says where that record is.
import { Buffer } from "node:buffer";
import { crc32, hex32 } from "../checksum.ts";
import type { Landed, Landing } from "../copied/landing.ts";
import { isShoalError, ShoalError } from "../error.ts";
import { lifetimeOf } from "../lifetime.ts";
import { isSameTensor, tensorRef } from "../reference.ts";
import type { Dtype, Lifetime, TensorRef } from "../store.ts";
import type { Record } from "./batch.ts";
import type { Client } from "./client.ts";
import type { StandingRecord } from "./kafkajs.ts";
import { type Head, isCount, keyBelow, packed, unpacked } from "./record.ts";
import { type Sender, sender } from "./sender.ts";
import type { Topic } from "./topics.ts";

export interface BodiesOptions {
  readonly client: Client;
  readonly tensors: Topic;
  readonly chunks: Topic;
  readonly run: string;
  readonly where: string;
  readonly space: string;
  readonly writer: string;
  readonly chunkBytesMax: number;
  /** Where what is read lands. */
  readonly landing: Landing;
}

export interface Meta<D extends Dtype = Dtype> {
  readonly dtype: D;
  readonly shape: readonly number[];
  readonly bytes: number;
}

/** A tensor's bytes, in memory that its reader gives back. */
export interface Body {
  readonly landed: Landed;
  readonly lifetime: Lifetime;
}

export interface Bodies {
  write<D extends Dtype>(meta: Meta<D>, lifetime: Lifetime, bytes: Uint8Array): Promise<TensorRef<D>>;
  /** Throws Missing where there is none, and Corrupt where it is another than the reference says. */
  read(ref: TensorRef): Promise<Body>;
  /** Whether what stands under the id is what the reference says. */
  isThere(ref: TensorRef): Promise<boolean>;
}

/** Where a tensor's record is, by its id. */
export interface Place {
  readonly writer: string;
  readonly count: number;
  readonly partition: number;
  readonly offset: number;
}

/** Where a chunk lies. */
type Chunk = readonly [partition: number, offset: number];

interface Part {
  readonly index: number;
  readonly offset: number;
}

const number36 = "(0|[1-9a-z][0-9a-z]{0,10})";
const idPattern = new RegExp(`^([0-9a-f]{16})-${number36}\\.${number36}\\.${number36}$`);
/** A chunk that is younger may be of a tensor that is still being written. */
export const putMsMax: number = 600_000;
export const smallBytesMax: number = 65_536;
const fetchBytesMax = 4 * 2 ** 20;

export const idOf = ({ writer, count, partition, offset }: Place): string =>
  `${writer}-${count.toString(36)}.${partition.toString(36)}.${offset.toString(36)}`;

export function placeOf(id: string): Place | undefined {
  const [, writer = "", ...numbers] = idPattern.exec(id) ?? [];
  const [count, partition, offset] = numbers.map((text) => parseInt(text, 36));
  if (count === undefined || partition === undefined || offset === undefined) return undefined;
  return isCount(offset) ? { writer, count, partition, offset } : undefined;
}

const missing = (id: string): ShoalError => new ShoalError("Missing", `Cannot get tensor ${id}: there is none`);

export function bodies(options: BodiesOptions): Bodies {
  const { client, tensors, chunks, run, where, space, writer, chunkBytesMax, landing } = options;
  const prefix = Buffer.from(`${space}\n`);
  const senders = new Map<string, Sender>();
  let count = 0;
  let turn = 0;

  function senderTo(topic: Topic, partition: number): Sender {
    const key = `${topic.name}/${partition}`;
    const known = senders.get(key);
    if (known !== undefined) return known;
    const made = sender({
      client,
      topic: topic.name,
      partition,
      batchBytesMax: Math.min(topic.batchBytesMax, 2 ** 20),
    });
    senders.set(key, made);
    return made;
  }

  /** One chunk under way to each partition, whichever is free next. */
  async function sent(name: string, bytes: Uint8Array): Promise<Chunk[]> {
    const all: Chunk[] = [];
    let next = 0;
    const count = Math.ceil(bytes.byteLength / chunkBytesMax);
    const first = turn++;
    async function lane(partition: number): Promise<void> {
      for (let index = next++; index < count; index = next++) {
        const piece = bytes.subarray(index * chunkBytesMax, (index + 1) * chunkBytesMax);
        const record: Record = packed(`${space}\n${name}`, { k: "chunk", n: index }, piece);
        all[index] = [partition, await senderTo(chunks, partition).send([record])];
      }
    }
    const lanes = Array.from(
      { length: Math.min(count, chunks.partitions) },
      (_, at) => (first + at) % chunks.partitions,
    );
    const ends = await Promise.allSettled(lanes.map(lane));
    for (const end of ends) if (end.status === "rejected") throw end.reason;
    return all;
  }

  async function write<D extends Dtype>(meta: Meta<D>, lifetime: Lifetime, bytes: Uint8Array): Promise<TensorRef<D>> {
    const { dtype, shape } = meta;
    const own = count++;
    const name = `${writer}-${own.toString(36)}`;
    const head = { k: "tensor", w: writer, i: own, d: dtype, s: shape, b: meta.bytes, l: lifetime };
    let record: Record;
    try {
      const began = performance.now();
      const isSmall = bytes.byteLength <= smallBytesMax;
      const parts = isSmall ? undefined : { c: chunkBytesMax, p: await sent(name, bytes) };
      record = packed(`${space}\n${name}`, { ...head, ...parts }, isSmall ? bytes.slice() : undefined);
      // What is so late may be taken for the remains of one that died.
      if (performance.now() - began > putMsMax / 2) {
        throw new ShoalError("Timeout", "Cannot put tensor: its chunks took too long to arrive; is the network up?");
      }
    } catch (error) {
      // Chunks alone are nothing: there is no tensor.
      if (!isShoalError(error)) throw error;
      throw new ShoalError(error.code, error.message, { outcome: "failed", cause: error });
    }
    const partition = turn++ % tensors.partitions;
    const offset = await senderTo(tensors, partition).send([record]);
    return tensorRef({
      run,
      id: idOf({ writer, count: own, partition, offset }),
      dtype,
      shape,
      bytes: meta.bytes,
      where,
    });
  }

  /** The record of a tensor, compared with what the reference says. */
  async function look(ref: TensorRef): Promise<{ head: Head; body: Buffer; lifetime: Lifetime }> {
    const place = placeOf(ref.id);
    if (place === undefined || place.partition >= tensors.partitions) throw missing(ref.id);
    const { partition, offset } = place;
    const wanted = { topic: tensors.name, partition, offset, bytesMax: 2 * smallBytesMax };
    const { records: [record] } = await client.fetch("fetch", wanted, 0);
    if (record?.offset !== offset || record.value === undefined) throw missing(ref.id);
    if (keyBelow(prefix, record) === undefined) throw missing(ref.id);
    const { head, body } = unpacked(record.value, tensors.name);
    if (head["k"] !== "tensor" || head["w"] !== place.writer || head["i"] !== place.count) throw missing(ref.id);
    const { d: dtype, s: shape, b: bytes } = head as { readonly d: Dtype; readonly s: number[]; readonly b: number };
    if (!isSameTensor(ref, tensorRef({ run, id: ref.id, dtype, shape, bytes, where }))) {
      throw new ShoalError("Corrupt", `Cannot get tensor ${ref.id}: it is another than the reference says`);
    }
    return { head, body, lifetime: lifetimeOf({ lifetime: head["l"] as Lifetime }) };
  }

  async function gather(ref: TensorRef, head: Head, into: Uint8Array): Promise<void> {
    const { p: parts, c: size } = head;
    if (!Array.isArray(parts) || !isCount(size) || size === 0 || parts.length !== Math.ceil(ref.bytes / size)) {
      throw torn(ref.id);
    }
    const lanes = new Map<number, Part[]>();
    for (const [index, part] of (parts as unknown[]).entries()) {
      const [partition, offset] = Array.isArray(part) ? part as unknown[] : [];
      if (!isCount(partition) || partition >= chunks.partitions || !isCount(offset)) throw torn(ref.id);
      const lane = lanes.get(partition) ?? [];
      lanes.set(partition, lane);
      lane.push({ index, offset });
    }
    await Promise.all([...lanes].map(async ([partition, lane]) => {
      lane.sort((a, b) => a.offset - b.offset);
      for (let at = 0; at < lane.length;) {
        const { offset } = lane[at]!;
        const wanted = { topic: chunks.name, partition, offset, bytesMax: fetchBytesMax };
        const { records } = await client.fetch("fetch", wanted, 0);
        const before = at;
        at = taken(ref, records, lane, at, size, into);
        if (at === before) throw lostChunk(ref.id);
      }
    }));
  }

  /** Copies what came to its place; answers which chunk of the lane is wanted next. */
  function taken(
    ref: TensorRef,
    records: readonly StandingRecord[],
    lane: readonly Part[],
    at: number,
    size: number,
    into: Uint8Array,
  ): number {
    const name = ref.id.slice(0, ref.id.indexOf("."));
    for (const record of records) {
      const { index, offset } = lane[at]!;
      if (record.offset < offset) continue;
      if (record.offset > offset) throw lostChunk(ref.id);
      if (record.value === undefined || keyBelow(prefix, record) !== name) throw torn(ref.id);
      const { head, body } = unpacked(record.value, chunks.name);
      const from = index * size;
      if (head["n"] !== index || body.byteLength !== Math.min(size, ref.bytes - from)) throw torn(ref.id);
      into.set(body, from);
      at += 1;
      if (at === lane.length) break;
    }
    return at;
  }

  return {
    write,
    async read(ref) {
      const { head, body, lifetime } = await look(ref);
      const { id, bytes } = ref;
      // Where its chunks lie is said nowhere twice.
      const landed = await landing.land({ id, bytes, sum: hex32(crc32(JSON.stringify(head))) }, async (into) => {
        if (head["p"] !== undefined) await gather(ref, head, into);
        else if (body.byteLength !== bytes) throw torn(id);
        else into.set(body);
      });
      return { landed, lifetime };
    },
    async isThere(ref) {
      try {
        await look(ref);
        return true;
      } catch (error) {
        if (isShoalError(error, "Missing") || isShoalError(error, "Corrupt")) return false;
        throw error;
      }
    },
  };
}

const torn = (id: string): ShoalError =>
  new ShoalError("Corrupt", `Cannot get tensor ${id}: its chunks are not what was written`);

const lostChunk = (id: string): ShoalError =>
  new ShoalError(
    "Lost",
    `Cannot get tensor ${id}: some of its chunks are gone, and somebody else than shoal took them`,
  );
