// Logs in segment files: what may be asked, reading along a stream's chain of openings, waiting for more, and trims.
import { throwIfCancelled } from "../cancellation.ts";
import { ShoalError } from "../error.ts";
import { checkName } from "../names.ts";
import { checkAppend, checkPosition, checkRead, isAfter, lost } from "../requests.ts";
import type { Entry, Logs, Position, StoreEnvironment } from "../store.ts";
import { waiting as storeWaiting } from "../waiting.ts";
import { type Disk, ifThere } from "./disk.ts";
import { framesIn } from "./frames.ts";
import { type Layout, numbered, numberedName } from "./layout.ts";
import { namesBelow } from "./listing.ts";
import { type Chain, type Opening, streams as fileStreams } from "./streams.ts";
import { type Edge, tail } from "./tails.ts";
import { troubleOf } from "./trouble.ts";
import type { Wholes } from "./whole.ts";
import { writers as fileWriters } from "./writers.ts";

export interface FileLogsOptions {
  readonly disk: Disk;
  readonly wholes: Wholes;
  readonly layout: Layout;
  readonly writer: string;
  readonly durable: boolean;
  readonly environment: StoreEnvironment;
  readonly pollMs: { readonly min: number; readonly max: number };
  readonly frameBytesMax: number;
  readonly throwIfClosed: () => void;
}

export interface FileLogs extends Logs {
  close(): Promise<void>;
}

const triesMax = 1_000;
const marksMax = 4_096;
/** A reader that waits looks for all that may have happened to its stream at least this often. */
const wholeLookMs = 50;

interface Found {
  readonly found: readonly Entry[];
  /** Where more would begin, if that is known. */
  readonly edge: Edge | undefined;
}

export function fileLogs(options: FileLogsOptions): FileLogs {
  const { disk, wholes, layout, writer, durable, environment, pollMs, frameBytesMax, throwIfClosed } = options;
  const streams = fileStreams({ disk, wholes, durable, frameBytesMax });
  const writers = fileWriters({ disk, wholes, streams, writer, durable });
  const turns = new Map<string, Promise<unknown>>();
  const waiting = storeWaiting(environment);
  /** Where a sequence stands in its segment, for who reads on from there. */
  const marks = new Map<string, number>();

  /** One after the other in a stream. */
  function inTurn<T>(folder: string, call: () => Promise<T>): Promise<T> {
    const result = (turns.get(folder) ?? Promise.resolve()).then(call);
    const turn = result.then(() => {}, () => {}).then(() => {
      if (turns.get(folder) === turn) turns.delete(folder);
    });
    turns.set(folder, turn);
    return result;
  }

  /** Reads an opening from a sequence on; answers where it came to, and where more would begin. */
  async function readOpening(
    folder: string,
    { n, epoch, firsts, cut = Infinity }: Opening,
    after: number,
    into: Entry[],
    entriesMax: number,
  ): Promise<{ readonly came: number; readonly edge: Edge | undefined }> {
    let edge: Edge | undefined;
    let last = after;
    const start = firsts.findLastIndex((first) => first <= after + 1);
    for (const first of firsts.slice(Math.max(0, start))) {
      if (first > last + 1 || last >= cut || into.length >= entriesMax) break;
      const path = `${folder}/${numberedName("log", n, first)}`;
      const file = await ifThere(disk.open(path, "read"));
      if (file === undefined) break;
      try {
        const from = marks.get(`${path} ${last}`) ?? 0;
        let reached = from;
        for await (const { entry, end } of framesIn(file, streams.saltOf(folder, n), frameBytesMax, from)) {
          if (entry.epoch !== epoch || entry.sequence > last + 1 || entry.sequence > cut) break;
          if (entry.sequence < last) continue;
          reached = end;
          if (entry.sequence === last) continue;
          into.push(entry);
          last = entry.sequence;
          if (into.length >= entriesMax || last >= cut) break;
        }
        if (reached > from) {
          if (marks.size >= marksMax) marks.delete(marks.keys().next().value ?? "");
          marks.set(`${path} ${last}`, reached);
        }
        edge = { path, at: reached };
      } finally {
        await file.close();
      }
    }
    return { came: last, edge };
  }

  const sameTrim = (a: Chain, b: Chain): boolean =>
    a.trimmed?.epoch === b.trimmed?.epoch && a.trimmed?.sequence === b.trimmed?.sequence;

  async function entriesAfter(name: string, after: Position, entriesMax: number): Promise<Found> {
    const folder = layout.stream(name);
    again: for (let tries = 0; tries < triesMax; tries++) {
      const chain = await streams.load(folder);
      const { openings, trimmed } = chain;
      if (trimmed !== undefined && isAfter(trimmed, after)) {
        throw lost(name, after, trimmed);
      }
      const found: Entry[] = [];
      let edge: Edge | undefined;
      for (const opening of openings) {
        const { n, epoch, base, cut, firsts } = opening;
        if (epoch < after.epoch || found.length >= entriesMax) continue;
        const from = epoch === after.epoch ? Math.max(base, after.sequence) : base;
        if (cut !== undefined && from >= cut) continue;
        const { came, edge: behind } = await readOpening(folder, opening, from, found, entriesMax);
        if (cut === undefined) edge = behind;
        if (cut === undefined) {
          // Written before the next opening, or perhaps after it: then the cut will say.
          if (came > from && !await streams.isLast(folder, n)) continue again;
          // A bad frame is a torn tail only where nothing follows it.
          if ((firsts.at(-1) ?? 0) <= came + 1 || found.length >= entriesMax) continue;
        } else if (came >= cut || found.length >= entriesMax) continue;
        if (!sameTrim(chain, await streams.load(folder))) continue again;
        throw new ShoalError("Corrupt", `Cannot read ${name}: ${epoch}-${came + 1} is damaged or gone`);
      }
      return { found, edge };
    }
    throw new ShoalError("Unavailable", `Cannot read ${name}: it was opened anew each time that it was read`);
  }

  async function trim(folder: string, through: Position): Promise<void> {
    for (let tries = 0; tries < triesMax; tries++) {
      const { openings, trimmed } = await streams.load(folder);
      let point: Position | undefined;
      for (const opening of openings) {
        if (opening.epoch > through.epoch) continue;
        const end = opening.cut ?? await streams.scan(folder, opening);
        const sequence = opening.epoch === through.epoch ? Math.min(end, through.sequence) : end;
        if (sequence > opening.base) point = { epoch: opening.epoch, sequence };
      }
      const last = openings.at(-1);
      if (point === undefined || (trimmed !== undefined && !isAfter(point, trimmed))) return;
      if (last !== undefined && !await streams.isLast(folder, last.n)) continue;
      const { epoch, sequence } = point;
      await wholes.place(folder, numberedName("trim", epoch, sequence), "");
      for (const [at, of] of numbered(await disk.list(folder), "trim", 2).slice(0, -1)) {
        await ifThere(disk.remove(`${folder}/${numberedName("trim", at!, of!)}`));
      }
      for (const { n, epoch: own, firsts, cut } of openings) {
        for (const [index, first] of firsts.entries()) {
          const next = firsts[index + 1];
          const ends = next === undefined ? cut : next - 1;
          const isBehind = own < epoch || (own === epoch && ends !== undefined && ends <= sequence);
          if (ends === undefined || !isBehind) continue;
          await ifThere(disk.remove(`${folder}/${numberedName("log", n, first)}`));
        }
      }
      return;
    }
    throw new ShoalError("Unavailable", "Cannot trim: the stream was opened anew each time");
  }

  return {
    async append(name, epoch, frames) {
      throwIfClosed();
      checkAppend(name, epoch, frames, frameBytesMax);
      const folder = layout.stream(name);
      try {
        const position = await inTurn(folder, () => writers.append(folder, name, epoch, frames));
        if (frames.length > 0) waiting.wake(name);
        return position;
      } catch (error) {
        throw troubleOf(error, `append to ${name}`, true);
      }
    },

    async read(name, after, options = {}) {
      const { signal, pollMsMax = pollMs.max } = options;
      throwIfClosed();
      throwIfCancelled(signal);
      const { from, entriesMax, waitMs } = checkRead(name, after, options);
      const deadline = environment.now() + waitMs;
      const behind = tail(disk);
      let edge: Edge | undefined;
      let lookedAt = -Infinity;
      try {
        for (let delayMs = Math.min(pollMs.min, pollMsMax);; delayMs = Math.min(2 * delayMs, pollMsMax)) {
          let found: readonly Entry[] = [];
          const now = environment.now();
          if (edge === undefined || now - lookedAt >= wholeLookMs || now >= deadline || await behind.hasGrown(edge)) {
            lookedAt = now;
            try {
              ({ found, edge } = await entriesAfter(name, from, entriesMax));
            } catch (error) {
              throw troubleOf(error, `read ${name}`);
            }
          }
          throwIfClosed();
          throwIfCancelled(signal);
          const leftMs = deadline - environment.now();
          if (found.length > 0 || now >= deadline) return found;
          await waiting.appended(name, Math.min(Math.max(0, leftMs), delayMs), signal);
          throwIfClosed();
          throwIfCancelled(signal);
        }
      } finally {
        await behind.close();
      }
    },

    async trim(name, through) {
      throwIfClosed();
      checkName("stream", name);
      const position = checkPosition(through);
      try {
        await trim(layout.stream(name), position);
      } catch (error) {
        throw troubleOf(error, `trim ${name}`, true);
      }
    },

    async streams(prefix) {
      throwIfClosed();
      return await namesBelow(disk, wholes, layout.logs, prefix, "open");
    },

    async close() {
      waiting.wakeAll();
      await Promise.all(turns.values());
      await writers.close();
    },
  };
}
