// The reader's side of a topic: it finds the publishers, follows each one's log, and hands out what they published, of
// each in order and once.

import { ShoalError } from "../../stores/error.ts";
import type { Entry } from "../../stores/store.ts";
import { persistently } from "../nodes/patience.ts";
import { follow } from "../signals.ts";
import type { TopicCursor, TopicEntry, TopicLoss, TopicPosition, TopicReading } from "../topic.ts";
import { type Finding, finding } from "./finding.ts";
import type { Head, Standing } from "./frames.ts";
import type { ReadingParts } from "./parts.ts";
import { type Progress, progress } from "./progress.ts";
import type { Held } from "./retained.ts";
import { type Track, track } from "./track.ts";

/** What waits to be handed out. */
type Waiting =
  | { readonly track: Track; readonly entry: Entry; readonly head: Head; readonly loss?: undefined }
  | { readonly track: Track; readonly loss: TopicLoss; readonly behind: TopicPosition };

const aheadMaxDefault = 256;
/** How long the last word of a publisher may take whose actor has ended. */
const lastWordMs = 10_000;

export interface OpenReading extends TopicReading<unknown> {
  /** How far it is; nothing when it was closed. */
  progress(): { readonly [publisher: string]: number } | null;
  committed(read: { readonly [publisher: string]: number } | null): void;
  /** Its life has ended; whoever waits for it still does. Settles when it has said its last. */
  detach(): Promise<void>;
}

export function reading(parts: ReadingParts): OpenReading {
  const { topic, names, claims, environment, options } = parts;
  const { from = "start", publishers = Number.POSITIVE_INFINITY, aheadMax = aheadMaxDefault, signal } = options;
  const cursor: { [publisher: string]: TopicCursor[string] } = typeof from === "object" ? { ...from } : {};
  const tracks = new Map<string, Track>();
  const stops = new Set<() => void>();
  let queue: Waiting[] = [];
  let first = 0;
  const held: Held[] = [];
  let isDone = false;
  let isClosed = false;
  let begun = false;
  let error: Error | undefined;
  let wake: (() => void) | undefined;
  let isTaking = false;
  let isLeaving = false;
  const told = new Set<string>();

  const ask = <T>(what: string, call: () => Promise<T>): Promise<T> =>
    persistently(environment, `read topic ${topic}: ${what}`, call);
  const word: Progress = progress({
    ...parts,
    ask,
    read: () => parts.isDurable ? forGood : numbers(),
    failed,
  });

  let forGood = numbers();

  function numbers(): { readonly [publisher: string]: number } {
    return Object.fromEntries(Object.entries(cursor).map(([publisher, { number }]) => [publisher, number]));
  }

  const finder: Finding = finding({
    names,
    members: parts.members,
    claims,
    environment,
    ask,
    onPublisher: parts.onPublisher,
    found: follows,
    over() {
      for (const one of tracks.values()) one.look();
    },
    looked: () => wake?.(),
    failed,
  });

  function failed(why: Error): void {
    error ??= why;
    wake?.();
  }

  function follows(publisher: string, name: string, { log, credit }: Standing, isFirst: boolean): void {
    const known = cursor[publisher];
    const made = track({
      topic,
      publisher,
      name,
      log,
      logs: parts.logs,
      // Another log that has its name has nothing that was read before.
      from: known?.log === log ? known : undefined,
      aheadMax,
      ask,
      entry: (of, entry, head) => push({ track: of, entry, head }),
      lost: (of, loss, behind) => push({ track: of, loss, behind }),
      stands: () => wake?.(),
      failed,
    }, isFirst && from === "now");
    tracks.set(publisher, made);
    if (credit) word.begin();
    stops.add(parts.watch(publisher, (why, isLost) => {
      const give = (): void => {
        made.ended(why);
        made.look();
      };
      // Whoever ended in order has said so, or is about to.
      if (isLost) give();
      else stops.add(environment.after(lastWordMs, give));
    }));
  }

  function push(waiting: Waiting): void {
    queue.push(waiting);
    wake?.();
  }

  async function begin(): Promise<void> {
    if (begun) return;
    begun = true;
    if (signal !== undefined) {
      const cancel = (): void => failed(new ShoalError("Cancelled", `Cannot read topic ${topic}: it was cancelled`));
      if (signal.aborted) cancel();
      else stops.add(follow(signal, cancel));
    }
    await finder.begin();
  }

  /** Whether all that there will be was handed out. */
  function isAll(): boolean {
    let ended = 0;
    for (const one of tracks.values()) {
      if (one.waiting > 0) return false;
      if (finder.isOver ? !one.isAtEnd : one.end === undefined) return false;
      ended++;
    }
    return finder.isOver || ended >= publishers;
  }

  function tellEnds(): void {
    for (const { publisher, end, waiting } of tracks.values()) {
      if (end === undefined || waiting > 0 || told.has(publisher)) continue;
      told.add(publisher);
      options.ended?.(publisher, end);
    }
  }

  /** Waits until there is something; false where nothing comes any more, or not in time. */
  async function comes(waitMs: number | undefined): Promise<boolean> {
    const idleMs = waitMs ?? parts.idleTimeoutMs;
    let isLate = false;
    let cancel: (() => void) | undefined;
    try {
      for (;;) {
        parts.alive();
        if (first < queue.length) return true;
        if (error !== undefined) throw error;
        tellEnds();
        if (isClosed || isDone) return false;
        if (isAll()) {
          isDone = true;
          await close();
          return false;
        }
        if (isLate) {
          if (waitMs !== undefined) return false;
          const text = `Cannot read topic ${topic}: nothing came for ${idleMs} ms from ${
            [...tracks.keys()].join(", ")
          }`;
          throw new ShoalError("Timeout", tracks.size === 0 ? `${text}any publisher: none has come` : text);
        }
        if (idleMs < Number.POSITIVE_INFINITY) {
          cancel ??= environment.after(idleMs, () => {
            isLate = true;
            wake?.();
          });
        }
        word.waits();
        await new Promise<void>((resolve) => wake = resolve);
        wake = undefined;
      }
    } finally {
      cancel?.();
    }
  }

  async function take(entriesMax = aheadMax, { waitMs }: { waitMs?: number } = {}): Promise<TopicEntry<unknown>[]> {
    parts.alive();
    if (isTaking) throw new ShoalError("BadInput", `Cannot read topic ${topic}: another take waits; await it first`);
    isTaking = true;
    try {
      letGo(true);
      await begin();
      return await gather(entriesMax, waitMs);
    } finally {
      isTaking = false;
    }
  }

  async function gather(entriesMax: number, waitMs: number | undefined): Promise<TopicEntry<unknown>[]> {
    const taken: TopicEntry<unknown>[] = [];
    while (taken.length === 0 && await comes(waitMs)) {
      while (first < queue.length && taken.length < entriesMax) {
        const next = queue[first]!;
        if (next.loss !== undefined && taken.length > 0 && options.lost === undefined) break;
        first++;
        if (next.loss !== undefined) missed(next.loss, next.behind);
        else taken.push(hand(next.track, next.entry, next.head));
      }
      if (first === queue.length || first > 1_024) {
        queue = queue.slice(first);
        first = 0;
      }
    }
    if (!parts.isDurable) word.moved();
    return taken;
  }

  function hand(of: Track, { epoch, sequence, frame }: Entry, head: Head): TopicEntry<unknown> {
    const { number } = head;
    const { publisher } = of;
    const opened = parts.open(frame, head);
    if (opened.held !== undefined) held.push(opened.held);
    cursor[publisher] = { number, epoch, sequence, log: of.log };
    of.taken();
    return { publisher, number, value: opened.value };
  }

  function missed(loss: TopicLoss, behind: TopicPosition): void {
    cursor[loss.publisher] = behind;
    if (options.lost !== undefined) return options.lost(loss);
    const { publisher, from: start, through } = loss;
    const text = `Cannot read topic ${topic}: ${publisher}'s entries ${start} to ${through} are kept no more`;
    throw new ShoalError("Lost", `${text}; read on from reading.cursor, or raise retainBytes`, { cause: loss });
  }

  function letGo(isRead: boolean): void {
    for (const one of held.splice(0)) parts.release(one, isRead);
  }

  function detach(): void {
    if (isClosed) return;
    isClosed = true;
    finder.close();
    for (const stop of stops) stop();
    for (const one of tracks.values()) one.close();
    letGo(true);
    queue = [];
    first = 0;
    wake?.();
    parts.closed();
  }

  async function leave(): Promise<void> {
    detach();
    await word.leave().finally(parts.left);
  }

  async function close(): Promise<void> {
    if (isClosed) return;
    detach();
    // What a step has read is read when it is committed.
    isLeaving = true;
    if (!parts.isDurable) await leave();
  }

  async function* entries(): AsyncGenerator<TopicEntry<unknown>, void, undefined> {
    try {
      for (;;) {
        const [entry] = await take(1);
        if (entry === undefined) return;
        yield entry;
      }
    } finally {
      await close();
    }
  }

  return {
    get cursor() {
      return { ...cursor };
    },
    take,
    close,
    progress: () => isLeaving ? null : numbers(),
    committed(read) {
      if (read === null) return void leave().catch(() => {});
      forGood = read;
      word.moved();
    },
    async detach() {
      detach();
      await word.stop();
    },
    [Symbol.asyncIterator]: entries,
  };
}
