// A store server that exists in memory: many processes open it, each with calls of its own way. It keeps what it
// declares to keep: a restart or a power cut takes the rest, and no more than the rest.
import { inlineStore } from "../inline.ts";
import { memoryStore } from "../memory.ts";
import type { Abilities, OpenOptions, StoreEnvironment, Survives, TensorRef } from "../store.ts";
import type { Part, SimulatedBackend } from "./backend.ts";
import { client } from "./client.ts";
import { kept as keptLogs } from "./logs.ts";
import { type Calls, calls as callsOf, direct } from "./way.ts";

export interface ServerOptions {
  /** The server's own clock. */
  readonly environment: StoreEnvironment;
  /** `power` unless said. */
  readonly survives?: Survives;
  /** How much of what was acknowledged an end that it survives may still take. Nothing unless said. */
  readonly lossWindowMs?: number;
  /** From 0 to below 1: how much of its window an end takes. */
  readonly chance?: () => number;
  readonly strict?: boolean;
  readonly capacityBytes?: number;
  readonly full?: "wait" | "reject";
  readonly waitMs?: number;
  readonly graceMs?: number;
  readonly logBytesMax?: number;
}

const frameBytesMax = 16 * 2 ** 20;
const order: readonly Survives[] = ["nothing", "thread", "process", "host", "server", "power"];

/** A server that has just been set up. */
export function simulatedServer(options: ServerOptions): SimulatedBackend {
  const { environment, survives = "power", lossWindowMs = 0, chance = () => 1, logBytesMax = 2 ** 30 } = options;
  const parts = new Map<string, Part & { lose(isAll: boolean): number }>();
  const connections = new Set<Calls>();

  function partOf(run: string): Part {
    const known = parts.get(run);
    if (known !== undefined) return known;
    const memory = memoryStore({ ...options, run });
    const standing = new Map<string, TensorRef>();
    let history: { readonly at: number; readonly undo: () => void }[] = [];

    function done(undo: () => void): void {
      if (lossWindowMs === 0) return;
      const now = environment.now();
      history.push({ at: now, undo });
      if (history[0]!.at < now - 2 * lossWindowMs) history = history.filter(({ at }) => at > now - lossWindowMs);
    }

    // Nobody hears of it: the tensor is gone, as it would be from a disk.
    const drop = (ref: TensorRef): void => {
      standing.delete(ref.id);
      memory.tensors.release(ref).catch(() => {});
    };
    const kept = keptLogs({ environment, frameBytesMax, logBytesMax, done });
    const part = {
      memory,
      kept,
      stands(ref: TensorRef): void {
        standing.set(ref.id, ref);
        done(() => drop(ref));
      },
      lose(isAll: boolean): number {
        const recent = history.filter(({ at }) => at > environment.now() - lossWindowMs);
        const taken = isAll ? [] : recent.slice(Math.floor(recent.length * (1 - chance())));
        history = recent.slice(0, recent.length - taken.length);
        for (const { undo } of taken.toReversed()) undo();
        if (!isAll) return taken.length;
        history = [];
        for (const ref of standing.values()) drop(ref);
        kept.clear();
        return Infinity;
      },
    };
    parts.set(run, part);
    return part;
  }

  const abilities: Abilities = {
    survives,
    lossWindowMs,
    shared: "network",
    zeroCopy: false,
    tensorBytesMax: Math.min(options.capacityBytes ?? Infinity, 2 ** 31),
    frameBytesMax,
  };

  return {
    abilities,
    mishaps: ["unavailable", "full", "slow", "lost", "unheard", "late"],
    open(opening: OpenOptions, way = direct) {
      const calls = callsOf(way);
      connections.add(calls);
      const closed = (): void => void connections.delete(calls);
      const store = client({ ...opening, abilities, part: partOf(opening.run), calls, closed });
      return Promise.resolve(inlineStore(store, opening));
    },
    end(level) {
      const isAll = order.indexOf(survives) < order.indexOf(level);
      const taken = [...parts.values()].reduce((sum, part) => sum + part.lose(isAll), 0);
      for (const calls of connections) calls.cut();
      return taken;
    },
  };
}
