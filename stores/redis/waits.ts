// Readers that wait for the next entry of a stream: all of one server share one blocked XREAD on a connection of its
// own. A reader that comes while it is blocked rings a bell, a stream of this process's own that is read with the rest.
import type { Keys } from "./keys.ts";
import { idOf, listOf, streamEntries, type StreamEntry, textOf } from "./replies.ts";
import type { Asked, Servers } from "./servers.ts";

export interface Waits {
  /** Resolves with what has come after an id, or with nothing where that must be looked up. `cancel` ends the wait. */
  arrived(name: string, stream: string, after: string): { readonly found: Promise<StreamEntry[]>; cancel(): void };
  close(): void;
}

export interface WaitsOptions {
  readonly servers: Servers;
  readonly keys: Keys;
  /** Tells this process's bells from others'. */
  readonly token: string;
}

/** A bell that cannot ring, since the server has no room for it, keeps a new reader waiting for no longer. */
const blockMs = 1_000;
const entriesAtOnce = 64;
/** A bell of a process that died is gone after a while. */
const bellKeptMs = 600_000;
const retryMs = 50;

interface Waiter {
  readonly stream: string;
  readonly after: string;
  resolve(found: StreamEntry[]): void;
}

interface Lane {
  readonly waiters: Set<Waiter>;
  /** Whether anybody reads for them, and whether what is read for was said already: then a new one has to ring. */
  isRunning: boolean;
  isBlocked: boolean;
  rung: number;
  heard: number;
}

const isBefore = (a: string, b: string): boolean => {
  const [one, other] = [idOf(a), idOf(b)];
  return one.major < other.major || (one.major === other.major && one.minor < other.minor);
};

export function waits({ servers, keys, token }: WaitsOptions): Waits {
  const lanes = new Map<number, Lane>();
  const waitAsked: Asked = { what: "wait for entries", role: "wait", writes: false };
  const bellAsked: Asked = { what: "ring", role: "control", writes: true };
  let isClosed = false;

  const bellOf = (lane: number): string => keys.lane(lane, "b", token);

  async function ring(number: number, lane: Lane): Promise<void> {
    const bell = bellOf(number);
    lane.rung += 1;
    // Refused where there is no room, or the server is away: the block ends by itself soon enough.
    await servers.calls(bellAsked, bell, [
      ["XADD", bell, "MAXLEN", 1, `${lane.rung}-0`, "r", ""],
      ["PEXPIRE", bell, bellKeptMs],
    ]).catch(() => {});
  }

  /** Reads for all who wait, until nobody does. */
  async function run(number: number, lane: Lane): Promise<void> {
    lane.isRunning = true;
    const bell = bellOf(number);
    while (lane.waiters.size > 0 && !isClosed) {
      const from = new Map<string, string>();
      for (const { stream, after } of lane.waiters) {
        const known = from.get(stream);
        if (known === undefined || isBefore(after, known)) from.set(stream, after);
      }
      const streams = [...from.keys(), bell];
      const ids = [...from.values(), `${lane.heard}-0`];
      lane.isBlocked = true;
      try {
        const reply = await servers.call(
          waitAsked,
          bell,
          "XREAD",
          "COUNT",
          entriesAtOnce,
          "BLOCK",
          blockMs,
          "STREAMS",
          ...streams,
          ...ids,
        );
        for (const pair of reply === null ? [] : listOf(reply)) {
          const [name, entries] = listOf(pair);
          answer(lane, bell, textOf(name), streamEntries(entries));
        }
      } catch {
        // Whoever waits looks by itself at the end of its time, and is told what is in the way.
        await new Promise((resolve) => setTimeout(resolve, retryMs));
      }
      lane.isBlocked = false;
      // Readers that were just served come back for more: they are part of the next round.
      await new Promise((resolve) => setImmediate(resolve));
    }
    lane.isRunning = false;
  }

  function answer(lane: Lane, bell: string, key: string, found: StreamEntry[]): void {
    const last = found.at(-1);
    if (last === undefined) return;
    if (key === bell) {
      lane.heard = last.major;
      return;
    }
    for (const waiter of lane.waiters) {
      if (waiter.stream !== key) continue;
      const { major, minor } = idOf(waiter.after);
      const own = found.filter((entry) => entry.major > major || (entry.major === major && entry.minor > minor));
      if (own.length === 0) continue;
      lane.waiters.delete(waiter);
      waiter.resolve(own);
    }
  }

  return {
    arrived(name, stream, after) {
      const number = keys.laneOf(name);
      const lane = lanes.get(number) ??
        { waiters: new Set<Waiter>(), isRunning: false, isBlocked: false, rung: 0, heard: 0 };
      lanes.set(number, lane);
      let waiter: Waiter | undefined;
      const found = new Promise<StreamEntry[]>((resolve) => {
        waiter = { stream, after, resolve };
        lane.waiters.add(waiter);
      });
      if (!lane.isRunning) void run(number, lane);
      else if (lane.isBlocked) void ring(number, lane);
      return {
        found,
        cancel() {
          if (waiter !== undefined && lane.waiters.delete(waiter)) waiter.resolve([]);
        },
      };
    },
    close() {
      isClosed = true;
      for (const { waiters } of lanes.values()) {
        for (const waiter of waiters) waiter.resolve([]);
        waiters.clear();
      }
    },
  };
}
