// What can go wrong in a simulation, drawn from its seed or given as a list, and the store that it goes wrong in.

import { ShoalError } from "../../stores/error.ts";
import type { Tensors } from "../../stores/store.ts";
import type { Random } from "../random.ts";

/** How often things go wrong, as chances from 0 to 1. */
export interface FaultRates {
  /** An actor crashes, at any step: before, after, or in the middle of a handler. */
  readonly crash: number;
  /** A store call fails, and says that the store cannot be reached. */
  readonly unavailable: number;
  /** The store is full for a call that wants room. */
  readonly full: number;
  /** A store call takes its time, up to `slowMsMax`. */
  readonly slow: number;
  readonly slowMsMax: number;
}

export const noFaults: FaultRates = { crash: 0, unavailable: 0, full: 0, slow: 0, slowMsMax: 60_000 };

/** One thing that went wrong: enough to make it go wrong again. */
export interface Fault {
  /** The step, for a crash; the store call, for the others. */
  readonly at: number;
  readonly kind: "crash" | "unavailable" | "full" | "slow";
  /** Who crashes; nobody in particular for a store. */
  readonly actor?: string;
  readonly delayMs?: number;
}

/** Decides what goes wrong. */
export interface FaultPlan {
  /** Who crashes before this step, of those that could. */
  crash(step: number, actors: () => readonly string[]): string | undefined;
  store(call: number, wantsRoom: boolean): Fault | undefined;
  /** What went wrong so far. */
  readonly happened: readonly Fault[];
}

/** Faults drawn from a seed. */
export function drawnFaults(chance: Random, rates: FaultRates): FaultPlan {
  const happened: Fault[] = [];
  return {
    happened,
    crash(step, actors) {
      if (rates.crash === 0 || chance.next() >= rates.crash) return undefined;
      const candidates = actors();
      if (candidates.length === 0) return undefined;
      const actor = candidates[chance.below(candidates.length)]!;
      happened.push({ at: step, kind: "crash", actor });
      return actor;
    },
    store(call, wantsRoom) {
      let fault: Fault | undefined;
      if (chance.next() < rates.unavailable) fault = { at: call, kind: "unavailable" };
      else if (wantsRoom && chance.next() < rates.full) fault = { at: call, kind: "full" };
      else if (chance.next() < rates.slow) {
        fault = { at: call, kind: "slow", delayMs: Math.ceil(chance.next() * rates.slowMsMax) };
      }
      if (fault !== undefined) happened.push(fault);
      return fault;
    },
  };
}

/** The faults of a list, and no others. */
export function listedFaults(list: readonly Fault[]): FaultPlan {
  const happened: Fault[] = [];
  const take = (isIt: (fault: Fault) => boolean): Fault | undefined => {
    const fault = list.find(isIt);
    if (fault !== undefined) happened.push(fault);
    return fault;
  };
  return {
    happened,
    crash(step, actors) {
      const fault = take(({ at, kind }) => kind === "crash" && at === step);
      return fault?.actor !== undefined && actors().includes(fault.actor) ? fault.actor : undefined;
    },
    store: (call) => take(({ at, kind }) => kind !== "crash" && at === call),
  };
}

export interface FaultyParts {
  readonly plan: FaultPlan;
  after(delayMs: number, call: () => void): () => void;
  /** Told what went wrong. */
  trace(what: string): void;
}

/** A store that goes wrong as planned, before it does what it was asked: its errors say "failed" and mean it. */
export function faultyTensors(store: Tensors, { plan, after, trace }: FaultyParts): Tensors {
  let calls = 0;

  async function meddle(what: string, wantsRoom: boolean): Promise<void> {
    const fault = plan.store(++calls, wantsRoom);
    if (fault === undefined) return;
    trace(`store ${fault.kind} at call ${fault.at} (${what})`);
    if (fault.kind === "slow") await new Promise<void>((resolve) => after(fault.delayMs ?? 0, resolve));
    else if (fault.kind === "full") throw new ShoalError("CapacityExceeded", `Cannot ${what}: the store is full`);
    else throw new ShoalError("Unavailable", `Cannot ${what}: the store cannot be reached`);
  }

  return {
    ...store,
    async allocate(dtype, shape, options) {
      await meddle("allocate", true);
      return await store.allocate(dtype, shape, options);
    },
    async put(item, options) {
      await meddle("put", true);
      return await store.put(item, options);
    },
    async putMany(items, options) {
      await meddle("put", true);
      return await store.putMany(items, options);
    },
    async get(ref, options) {
      await meddle("get", false);
      return await store.get(ref, options);
    },
    async *getMany(refs) {
      for await (const tensor of store.getMany(refs)) {
        await meddle("get", false);
        yield tensor;
      }
    },
    async release(ref) {
      await meddle("release", false);
      await store.release(ref);
    },
  };
}
