// What can go wrong in a simulation, drawn from its seed or given as a list, and the tensors that it goes wrong with.

import { ShoalError } from "../../stores/error.ts";
import type { Tensors } from "../../stores/store.ts";
import type { Random } from "../random.ts";

/** How often things go wrong, as chances from 0 to 1, and how long the longest of them take. */
export interface FaultRates {
  /** An actor crashes, at any step: before, after, or in the middle of a handler. */
  readonly crash: number;
  /** A store call fails, and says that the store cannot be reached. */
  readonly unavailable: number;
  /** The store is full for a call that wants room. */
  readonly full: number;
  /** A store call takes its time. */
  readonly slow: number;
  /** A store call gets no answer, and nothing happened; only with nodes, as all that follow. */
  readonly lost: number;
  /** A store call gets no answer, and it happened. */
  readonly unheard: number;
  /** A store call gets no answer, and it happens later, when nobody reckons with it any more. */
  readonly late: number;
  /** A packet between nodes is lost, comes twice, holds up those behind it, or is overtaken by them. */
  readonly drop: number;
  readonly repeat: number;
  readonly delay: number;
  readonly reorder: number;
  /** At any step: nothing comes through from one node to another, or not in either direction. */
  readonly partition: number;
  /** At any step: a node's process dies, and a successor is started a while later. */
  readonly kill: number;
  /** At any step: a node's process holds still for a while. */
  readonly pause: number;
  /** The same, and when it wakes its successor has long taken over. */
  readonly zombie: number;
  /** At any step: the store server is restarted, and keeps what it declares to survive that. */
  readonly server: number;
  /** At any step: the power goes, and with it all processes but the program's own. */
  readonly power: number;
  /** At any step: the program's own process dies, and a while later another begins the program from its first line. */
  readonly head: number;
  /** The same, but the first only holds still, and goes on when the second has long begun. */
  readonly rival: number;
  /** A process starts with a clock that is wrong, and goes wrong. */
  readonly skew: number;

  readonly slowMsMax: number;
  readonly delayMsMax: number;
  readonly partitionMsMax: number;
  readonly downMsMax: number;
  readonly pauseMsMax: number;
  readonly skewMsMax: number;
  /** From then on nothing goes wrong any more. */
  readonly calmAfterMs: number;
}

export const noFaults: FaultRates = {
  crash: 0,
  unavailable: 0,
  full: 0,
  slow: 0,
  lost: 0,
  unheard: 0,
  late: 0,
  drop: 0,
  repeat: 0,
  delay: 0,
  reorder: 0,
  partition: 0,
  kill: 0,
  pause: 0,
  zombie: 0,
  server: 0,
  power: 0,
  head: 0,
  rival: 0,
  skew: 0,
  slowMsMax: 60_000,
  delayMsMax: 2_000,
  partitionMsMax: 30_000,
  downMsMax: 5_000,
  pauseMsMax: 30_000,
  skewMsMax: 3_600_000,
  calmAfterMs: Number.POSITIVE_INFINITY,
};

const lasting = {
  slow: "slowMsMax",
  late: "slowMsMax",
  repeat: "delayMsMax",
  delay: "delayMsMax",
  reorder: "delayMsMax",
  partition: "partitionMsMax",
  kill: "downMsMax",
  pause: "pauseMsMax",
  zombie: "pauseMsMax",
  server: "downMsMax",
  power: "downMsMax",
  head: "downMsMax",
  rival: "pauseMsMax",
  skew: "skewMsMax",
} as const;

export type FaultKind = Exclude<keyof FaultRates, `${string}Ms` | `${string}MsMax`>;

export const faultKinds: readonly FaultKind[] = Object.keys(noFaults).filter((key): key is FaultKind =>
  !/Ms(Max)?$/.test(key)
);

/** One thing that went wrong: enough to make it go wrong again. */
export interface Fault {
  /** The step; for a store call, a packet or a clock: which of its node. */
  readonly at: number;
  readonly kind: FaultKind;
  /** Who crashes. */
  readonly actor?: string;
  /** Whose process, call or packet; where there is one node, none is named. */
  readonly node?: string;
  /** Where a packet was going; whom a partition keeps from hearing. */
  readonly to?: string;
  /** Of a partition: the other direction is open. */
  readonly isOneWay?: boolean;
  readonly delayMs?: number;
}

/** To whom something may happen. */
export type Victim = Pick<Fault, "actor" | "node" | "to" | "isOneWay">;

/** Decides what goes wrong. */
export interface FaultPlan {
  /**
   * What goes wrong here, of these kinds, if anything. What happens to somebody, rather than at a place, happens to one
   * of those that could suffer it.
   */
  strike(
    kinds: readonly FaultKind[],
    place: Pick<Fault, "at" | "node" | "to">,
    victims?: (kind: FaultKind) => readonly Victim[],
  ): Fault | undefined;
  /** What went wrong so far. */
  readonly happened: readonly Fault[];
  /** Before that nothing goes wrong: what is simulated is still being set up. */
  begin(): void;
}

/** Faults drawn from a seed, in a world whose time this is. */
export function drawnFaults(chance: Random, rates: FaultRates, now: () => number): FaultPlan {
  const happened: Fault[] = [];
  let hasBegun = false;
  return {
    happened,
    begin: () => void (hasBegun = true),
    strike(kinds, place, victims) {
      if (!hasBegun) return undefined;
      for (const kind of kinds) {
        if (rates[kind] === 0 || now() >= rates.calmAfterMs || chance.next() >= rates[kind]) continue;
        const candidates = victims?.(kind);
        if (candidates?.length === 0) continue;
        const victim = candidates?.[chance.below(candidates.length)];
        const delayMs = kind in lasting ? Math.ceil(chance.next() * rates[lasting[kind as keyof typeof lasting]]) : 0;
        const fault = { ...place, kind, ...victim, ...(delayMs === 0 ? {} : { delayMs }) };
        happened.push(fault);
        return fault;
      }
      return undefined;
    },
  };
}

/** The faults of a list, and no others. */
export function listedFaults(list: readonly Fault[]): FaultPlan {
  const happened: Fault[] = [];
  const byStep = new Map<number, Fault[]>();
  for (const fault of list) byStep.set(fault.at, [...byStep.get(fault.at) ?? [], fault]);
  const isSame = (one: Victim, other: Victim): boolean =>
    one.actor === other.actor && one.node === other.node && one.to === other.to;
  let hasBegun = false;
  return {
    happened,
    begin: () => void (hasBegun = true),
    strike(kinds, place, victims) {
      if (!hasBegun) return undefined;
      for (const fault of byStep.get(place.at) ?? []) {
        if (!kinds.includes(fault.kind)) continue;
        const candidates = victims?.(fault.kind) ?? [place];
        if (!candidates.some((victim) => isSame(victim, fault))) continue;
        happened.push(fault);
        return fault;
      }
      return undefined;
    },
  };
}

const tensorFaults = ["unavailable", "slow"] as const;
const roomFaults = ["unavailable", "full", "slow"] as const;

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
    const fault = plan.strike(wantsRoom ? roomFaults : tensorFaults, { at: ++calls });
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
