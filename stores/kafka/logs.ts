// Logs: each stream in the partition that its name says, read at any place by our own cursors. No consumer group, no
// rebalancing, and no offset that somebody else could reset.
import { createHash } from "node:crypto";
import { throwIfCancelled } from "../cancellation.ts";
import { isShoalError, ShoalError } from "../error.ts";
import { checkName } from "../names.ts";
import { checkAppend, checkPosition, checkRead, isAfter, lost } from "../requests.ts";
import type { Entry, Logs, Position, StoreEnvironment } from "../store.ts";
import { waiting as storeWaiting } from "../waiting.ts";
import type { Client } from "./client.ts";
import { type Control, named } from "./control.ts";
import { tidied } from "./janitor.ts";
import { type Ledger, ledger as ledgerOf } from "./ledger.ts";
import { packed } from "./record.ts";
import { sender as senderOf } from "./sender.ts";
import { appendHead, entriesOf, framesPacked, type Piece, type Streams, streams as streamsOf } from "./streams.ts";
import type { Topic } from "./topics.ts";

export interface KafkaLogsOptions {
  readonly client: Client;
  readonly control: Control;
  /** Once so much was trimmed of a partition, what it may give up is taken away. */
  readonly tidyBytes: number;
  /** What closing must wait for. */
  readonly track: <T>(work: Promise<T>) => Promise<T>;
  readonly topic: Topic;
  readonly space: string;
  readonly writer: string;
  readonly environment: StoreEnvironment;
  readonly frameBytesMax: number;
  readonly throwIfClosed: () => void;
}

export interface KafkaLogs extends Logs {
  close(): void;
}

interface Part {
  readonly book: Ledger;
  readonly streams: Streams;
  /** Where streams stand once what is built but not yet sent has come through. */
  readonly ahead: Map<string, Position>;
}

const fetchBytesMax = 4 * 2 ** 20;
/** Enough for one read: whoever wants more comes back. */
const readBytesMax = 64 * 2 ** 20;
const triesMax = 100;

export function kafkaLogs(options: KafkaLogsOptions): KafkaLogs {
  const { client, topic, space, writer, environment, frameBytesMax, throwIfClosed } = options;
  const { control, tidyBytes, track } = options;
  const waiting = storeWaiting(environment);
  const parts = new Map<number, Part>();
  const turnBytesMax = Math.min(2 ** 19, Math.floor(topic.batchBytesMax / 8));
  const recordBytesMax = Math.floor(topic.batchBytesMax * 3 / 4);
  let count = 0;

  const partitionOf = (name: string): number =>
    createHash("sha256").update(`${space}\n${name}`).digest().readUInt32BE(0) % topic.partitions;

  function partOf(partition: number): Part {
    const known = parts.get(partition);
    if (known !== undefined) return known;
    const streams = streamsOf(`${space}\n`, writer, topic.name);
    const { batchBytesMax } = topic;
    const ahead = new Map<string, Position>();
    const book = ledgerOf({
      client,
      sender: senderOf({ client, topic: topic.name, partition, batchBytesMax }),
      topic: topic.name,
      partition,
      turnBytesMax,
      fold: streams.fold,
      changed: waiting.wakeAll,
      begin: () => ahead.clear(),
      async origin(first) {
        const base = await control.base(partition);
        streams.seed(base?.remains ?? []);
        if ((base?.offset ?? 0) >= first) return base?.offset ?? 0;
        const what =
          `Cannot read ${topic.name}: what stood before ${first} is gone, and somebody else than shoal took it`;
        throw new ShoalError("Lost", `${what}; look at the topic's retention`);
      },
    });
    const part = { book, streams, ahead };
    parts.set(partition, part);
    return part;
  }

  /** One record's worth; answers where it ends. */
  async function appended(name: string, epoch: number, frames: readonly Uint8Array[]): Promise<Position> {
    const { book, streams, ahead } = partOf(partitionOf(name));
    const bytes = framesPacked(frames);
    for (let tries = 0; tries < triesMax; tries++) {
      const own = count++;
      let last: Position = { epoch, sequence: 0 };
      const build = (): ReturnType<typeof packed>[] => {
        const before = ahead.get(name) ?? streams.all.get(name);
        if (before !== undefined && before.epoch > epoch) throw fenced(name, epoch, before.epoch);
        const first = before?.epoch === epoch ? before.sequence + 1 : 1;
        last = { epoch, sequence: first + frames.length - 1 };
        ahead.set(name, last);
        return [packed(`${space}\n${name}`, { ...appendHead(epoch, first, frames.length, writer, own) }, bytes)];
      };
      try {
        await book.append(build);
      } catch (error) {
        // Nobody heard the answer, and it came through all the same.
        if (streams.outcome(own) !== true) throw named(error, `append to ${name}`);
        return last;
      }
      const counts = streams.outcome(own);
      if (counts === true) return last;
      if (counts === undefined) throw vanished(name);
      // Somebody was there before: a newer epoch, or another of this one. It is looked at again.
    }
    throw new ShoalError("Conflict", `Cannot append to ${name}: others write to it in epoch ${epoch} each time`);
  }

  async function append(name: string, epoch: number, frames: readonly Uint8Array[]): Promise<Position> {
    const all: Promise<Position>[] = [];
    let some: Uint8Array[] = [];
    let bytes = 0;
    const flush = (): void => {
      all.push(appended(name, epoch, some));
      [some, bytes] = [[], 0];
    };
    for (const frame of frames) {
      if (bytes > 0 && bytes + 4 + frame.byteLength > recordBytesMax) flush();
      some.push(frame);
      bytes += 4 + frame.byteLength;
    }
    flush();
    // What is left of one that failed in the middle may stand: nobody says that it does not.
    const ends = await Promise.allSettled(all);
    const bad = ends.find((end) => end.status === "rejected");
    if (bad === undefined) return await all.at(-1)!;
    const stands = ends.some((end) => end.status === "fulfilled");
    if (!stands || !isShoalError(bad.reason)) throw bad.reason;
    throw new ShoalError(bad.reason.code, bad.reason.message, { outcome: "unknown", cause: bad.reason });
  }

  /** What stands behind a position, as far as it is folded. */
  async function found(name: string, after: Position, entriesMax: number): Promise<Entry[] | undefined> {
    const { streams } = partOf(partitionOf(name));
    const stream = streams.all.get(name);
    if (stream === undefined) return [];
    if (stream.trimmed !== undefined && isAfter(stream.trimmed, after)) throw lost(name, after, stream.trimmed);
    const isBehind = ({ epoch, first, count }: Piece): boolean =>
      isAfter({ epoch, sequence: first + count - 1 }, after);
    const pieces = stream.pieces.filter(isBehind);
    let last = 0;
    for (let count = 0; last < pieces.length && count < entriesMax; last++) {
      const { epoch, first } = pieces[last]!;
      const skipped = epoch === after.epoch ? Math.max(0, after.sequence + 1 - first) : 0;
      count += pieces[last]!.count - skipped;
    }
    const wanted = pieces.slice(0, last);
    let bytes = 0;
    const entries: Entry[] = [];
    const fetched = new Map<number, readonly Uint8Array[]>();
    for (const piece of wanted) {
      if (!fetched.has(piece.offset)) {
        const recent = streams.recent(piece.offset);
        if (recent !== undefined) fetched.set(piece.offset, recent);
        else if (!await fetch(name, piece.offset, streams, fetched)) return undefined;
      }
      for (const entry of entriesOf(piece, fetched.get(piece.offset) ?? [], after)) {
        entries.push(entry);
        bytes += entry.frame.byteLength;
      }
      fetched.delete(piece.offset);
      if (bytes > readBytesMax) break;
    }
    return entries.slice(0, entriesMax);
  }

  /** Reads the frames at an offset, and what comes along; answers whether they are still there. */
  async function fetch(
    name: string,
    offset: number,
    streams: Streams,
    into: Map<number, readonly Uint8Array[]>,
  ): Promise<boolean> {
    const one = { topic: topic.name, partition: partitionOf(name), offset, bytesMax: fetchBytesMax };
    const answer = await client.fetch("fetch", one, 0);
    for (const record of answer.records) {
      const frames = streams.frames(record, name);
      if (frames.length > 0) into.set(record.offset, frames);
    }
    return into.has(offset);
  }

  return {
    async append(name, epoch, frames) {
      throwIfClosed();
      checkAppend(name, epoch, frames, frameBytesMax);
      return await append(name, epoch, frames);
    },

    async read(name, after, options = {}) {
      throwIfCancelled(options.signal);
      throwIfClosed();
      const { from, entriesMax, waitMs } = checkRead(name, after, options);
      const deadline = environment.now() + waitMs;
      const { book } = partOf(partitionOf(name));
      let stop = (): void => {};
      try {
        // Who may wait need not ask first where the answer is being waited for already: who comes back for more does.
        let isStale = waitMs === 0 || !book.isFollowed;
        for (;;) {
          if (isStale) await synced(book, name);
          throwIfClosed();
          throwIfCancelled(options.signal);
          const { folded } = book;
          const entries = await found(name, from, entriesMax);
          // It was taken away while it was looked for: then what has been trimmed says so.
          isStale = entries === undefined;
          if (entries === undefined) continue;
          const leftMs = deadline - environment.now();
          if (entries.length > 0 || leftMs <= 0) return entries;
          if (book.folded !== folded) continue;
          stop();
          stop = book.watch();
          await waiting.appended(name, leftMs, options.signal);
          // What came in the last moment is looked for once more: a server has its own pace.
          isStale = book.trouble !== undefined || environment.now() >= deadline;
        }
      } finally {
        stop();
      }
    },

    async trim(name, through) {
      throwIfClosed();
      checkName("stream", name);
      const { epoch, sequence } = checkPosition(through);
      const { book, streams } = partOf(partitionOf(name));
      await synced(book, name);
      const first = streams.all.get(name)?.pieces[0];
      if (first === undefined || isAfter({ epoch: first.epoch, sequence: first.first }, { epoch, sequence })) return;
      try {
        await book.append(() => [packed(`${space}\n${name}`, { k: "trim", e: epoch, s: sequence })]);
      } catch (error) {
        throw named(error, `trim ${name}`);
      }
      if (streams.freedBytes < tidyBytes) return;
      streams.freedBytes = 0;
      // Where it fails, what is there stays there until the next time.
      track(tidied({ client, control, topic, partition: partitionOf(name) })).catch(() => {});
    },

    async streams(prefix) {
      throwIfClosed();
      const all = Array.from({ length: topic.partitions }, (_, partition) => partOf(partition));
      await Promise.all(all.map(({ book }) => book.sync()));
      return all.flatMap(({ streams }) => [...streams.all.keys()]).filter((name) => name.startsWith(prefix)).sort();
    },

    close() {
      for (const { book } of parts.values()) book.close();
      waiting.wakeAll();
    },
  };
}

async function synced(book: Ledger, name: string): Promise<void> {
  try {
    await book.sync();
  } catch (error) {
    throw named(error, `read ${name}`);
  }
}

const vanished = (name: string): ShoalError =>
  new ShoalError("Unavailable", `Cannot append to ${name}: what was appended is not there`, { outcome: "unknown" });

const fenced = (name: string, epoch: number, open: number): ShoalError =>
  new ShoalError("Fenced", `Cannot append to ${name} in epoch ${epoch}: epoch ${open} is open`);
