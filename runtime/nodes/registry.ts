// Who the nodes of a run are: each process says of itself what it is when it joins, and whoever leads the run checks it
// before anybody sends it mail.

import { ShoalError } from "../../stores/error.ts";
import { isTaken } from "../kinds.ts";
import type { Machine } from "../run/records.ts";

/** One node of a process, and where others of its host reach it. */
export interface Place {
  readonly node: string;
  /** Its socket; nothing where it is to be reached over the store only, empty while nobody knows. */
  readonly path: string | undefined;
  /** It was another process's, which was given up: it keeps its actors, and takes no new ones. */
  readonly isGuest?: boolean;
}

/** A process of the run, as it says of itself. */
export interface Member {
  readonly node: string;
  readonly epoch: number;
  /** Which start of it this is: the one that was asked for, and no other, is let in. */
  readonly ticket: string;
  readonly pid: number;
  readonly machine: Machine;
  /** The version of this package that it runs. */
  readonly version: string;
  /** Its clock, when it said so. */
  readonly at: number;
  /** Its nodes: that of its main thread first, then those of its other threads. */
  readonly places: readonly Place[];
  /** The kinds of task that it takes, "" for those without one; all of them unless said. */
  readonly takes?: readonly string[];
}

/** What became of a process of the run; all its nodes are told. */
export interface Change {
  readonly type: "here" | "gone";
  readonly member: Member;
  /** Of its nodes those that are others now than before: what was under way to them is settled. */
  readonly lost: readonly string[];
  /** From here on all are known: who is not is no node of the run. */
  readonly isAll?: boolean;
}

/** The nodes of a process that take actors for a kind of task: its other threads, where it has any. */
export function takers(
  { places, takes }: Pick<Member, "places" | "takes">,
  task: string | undefined,
): readonly string[] {
  if (!isTaken(takes, task)) return [];
  const nodes = places.filter(({ isGuest }) => isGuest !== true).map(({ node }) => node);
  return nodes.length > 1 ? nodes.slice(1) : nodes;
}

/** Two clocks that are further apart make a mess of whatever is read by time. */
const skewMsMax = 30_000;

/** What whoever leads a run knows of a process that it has asked for. */
export interface Expected {
  readonly version: string;
  readonly ticket: string;
  /** When it was asked for, and when it was heard of: its clock said something between the two. */
  readonly askedAt: number;
  readonly heardAt: number;
}

/** Why a process is not let in; nothing where it is. */
export function strangeness(member: Member, expected: Expected): ShoalError | undefined {
  const { node, version, ticket, at, pid, machine } = member;
  const what = `Cannot let ${node} join (process ${pid} on ${machine.host})`;
  if (version !== expected.version) {
    const text = `${what}: it runs shoal ${version}, and the run is led by ${expected.version}`;
    return new ShoalError("Incompatible", `${text}; install the same version everywhere`);
  }
  if (ticket !== expected.ticket) {
    return new ShoalError("Conflict", `${what}: another process was asked for in its place; it is to end`);
  }
  const off = at < expected.askedAt ? at - expected.askedAt : Math.max(0, at - expected.heardAt);
  if (Math.abs(off) > skewMsMax) {
    const text = `${what}: its clock is ${Math.round(Math.abs(off) / 1_000)} s ${off < 0 ? "behind" : "ahead"}`;
    return new ShoalError("Incompatible", `${text}; set the clocks of all hosts, as with chronyc makestep`);
  }
  return undefined;
}
