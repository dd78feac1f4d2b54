// A partition as everybody's account of what happened, in one order: its records are folded into a state as they come, and
// what is appended here is known to count only once all that stands before it was folded too.
import { Buffer } from "node:buffer";
import { isShoalError, ShoalError } from "../error.ts";
import { type Record, weightOf } from "./batch.ts";
import type { Fetched, StandingRecord } from "./kafkajs.ts";
import type { Client } from "./client.ts";
import { beginning } from "./requests.ts";
import type { Sender } from "./sender.ts";
import { errors } from "./trouble.ts";

export interface LedgerOptions {
  readonly client: Client;
  readonly sender: Sender;
  readonly topic: string;
  readonly partition: number;
  /** No more is built in a turn once it holds so much. */
  readonly turnBytesMax: number;
  /** Takes a record into account. Its bytes are those of an answer: what stays is copied. */
  readonly fold: (record: StandingRecord) => void;
  /** Called where more was folded, or may be. */
  readonly changed?: () => void;
  /**
   * Where the account begins, given what the partition still holds: asked once, and again where what stood there was
   * taken away meanwhile. Without it, nothing may ever be taken away.
   */
  readonly origin?: (first: number) => Promise<number>;
  /** Called before the records of a turn are built. */
  readonly begin?: () => void;
}

export interface Ledger {
  /** Resolves once all that stood when it was called is folded. */
  sync(): Promise<void>;
  /**
   * Appends what `build` answers once it is its turn, and resolves once that is folded. What it builds on is folded up to
   * there but for what was built just before it, in the same turn.
   */
  append(build: () => readonly Record[]): Promise<void>;
  /** Folds what comes from now on as it comes, until it is told to stop. */
  watch(): () => void;
  /** Changes where anything was folded. */
  readonly folded: number;
  /** Whether what comes is being waited for at the leader's already: who watches from now on misses nothing. */
  readonly isFollowed: boolean;
  /** Why what comes cannot be watched at the moment. */
  readonly trouble: unknown;
  close(): void;
}

interface Turn {
  readonly build: () => readonly Record[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

const fetchBytesMax = 4 * 2 ** 20;
const watchMs = 1_000;
const pauseMs = 250;

export function ledger(options: LedgerOptions): Ledger {
  const { client, sender, topic, partition, turnBytesMax, fold, changed = () => {}, begin = () => {}, origin } =
    options;
  const turns: Turn[] = [];
  let next = -1;
  let pulling: Promise<void> | undefined;
  let following: Promise<void> | undefined;
  let isTurning = false;
  let watchers = 0;
  let isWatching = false;
  let isClosed = false;
  let trouble: unknown;

  function take({ error, start, end, records, next: behind }: Fetched): void {
    if (error === errors.offsetOutOfRange) {
      const was = next;
      next = -1;
      if (origin !== undefined) return;
      const what = `Cannot read ${topic}: what stood at ${was} is gone, and somebody else than shoal took it away`;
      throw new ShoalError("Lost", `${what}; look at the topic's retention`, { cause: { was, start, end } });
    }
    // An answer from before the account begins anew.
    if (next < 0) return;
    const before = next;
    for (const record of records) {
      // Two may have asked at once: what both were told counts once.
      if (record.offset < next) continue;
      fold(record);
      next = record.offset + 1;
    }
    next = Math.max(next, behind ?? next);
    if (next !== before) changed();
  }

  async function fetched(waitMs: number): Promise<Fetched> {
    const purpose = waitMs === 0 ? "sync" : `wait ${topic}/${partition}` as const;
    const wanted = { topic, partition, offset: next, bytesMax: fetchBytesMax };
    return await client.fetch(purpose, wanted, waitMs);
  }

  async function start(): Promise<void> {
    if (next >= 0) return;
    const first = await client.leading(topic, partition, "sync", () => beginning(topic, partition));
    const from = await origin?.(first) ?? first;
    if (next < 0) next = from;
  }

  async function pull(): Promise<void> {
    let end = -1;
    do {
      await start();
      const found = await fetched(0);
      take(found);
      if (end < 0 && next >= 0) end = found.end;
    } while (next < end || end < 0);
  }

  function sync(): Promise<void> {
    if (pulling === undefined) {
      const own = pull().finally(() => pulling = undefined);
      pulling = own;
      return own;
    }
    // What is under way may have left before this call: the next one has not.
    following ??= pulling.then(() => {}, () => {}).then(() => {
      following = undefined;
      return sync();
    });
    return following;
  }

  async function turn(): Promise<void> {
    isTurning = true;
    try {
      while (turns.length > 0) await together();
    } finally {
      isTurning = false;
    }
  }

  async function together(): Promise<void> {
    const records: Record[] = [];
    const taken: Turn[] = [];
    let bytes = 0;
    try {
      if (next < 0) await sync();
    } catch (error) {
      for (const { reject } of turns.splice(0)) reject(error);
      return;
    }
    begin();
    while (turns.length > 0 && bytes < turnBytesMax) {
      const one = turns.shift()!;
      try {
        const built = one.build();
        records.push(...built);
        bytes += built.reduce((sum, record) => sum + weightOf(record), 0);
        taken.push(one);
      } catch (error) {
        one.reject(error);
      }
    }
    try {
      if (records.length > 0) await stand(records, await sender.send(records));
      for (const { resolve } of taken) resolve();
    } catch (error) {
      // Whether they stand, the others' account of it says, where it can be read.
      if (isShoalError(error) && error.outcome === "unknown") await sync().catch(() => {});
      for (const { reject } of taken) reject(error);
    }
  }

  /** What was sent stands: where nobody came in between it need not be read to be known. */
  async function stand(records: readonly Record[], base: number): Promise<void> {
    const end = base + records.length;
    if (next === base) {
      for (const [index, { key, value, more }] of records.entries()) {
        const whole = value === undefined ? undefined : Buffer.concat([value, ...(more === undefined ? [] : [more])]);
        fold({
          offset: base + index,
          key: key && Buffer.from(key.buffer, key.byteOffset, key.byteLength),
          value: whole,
        });
      }
      next = end;
      changed();
    }
    try {
      while (next < end) await sync();
    } catch (cause) {
      if (!isShoalError(cause)) throw cause;
      throw new ShoalError(cause.code, cause.message, { outcome: "unknown", cause });
    }
  }

  async function follow(): Promise<void> {
    isWatching = true;
    while (watchers > 0 && !isClosed) {
      try {
        await start();
        take(await fetched(watchMs));
        trouble = undefined;
      } catch (error) {
        trouble = error;
        // Whoever waits asks again, and is told why it fails.
        changed();
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    }
    isWatching = false;
  }

  return {
    sync,
    append(build) {
      return new Promise((resolve, reject) => {
        turns.push({ build, resolve, reject });
        if (!isTurning) void turn();
      });
    },
    watch() {
      watchers += 1;
      if (!isWatching) void follow();
      let isOver = false;
      return () => {
        if (!isOver) watchers -= 1;
        isOver = true;
      };
    },
    get folded() {
      return next;
    },
    get isFollowed() {
      return isWatching && trouble === undefined && next >= 0;
    },
    get trouble() {
      return trouble;
    },
    close() {
      isClosed = true;
    },
  };
}
