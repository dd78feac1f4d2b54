// Who has how much of what the processes of a run have: kept by the one that leads it, so that no core, GPU or byte is
// promised twice.

import { ShoalError } from "../../stores/error.ts";
import { addressOf } from "../cells/spawning.ts";
import { type Allotted, type Amounts, resourceNames, resourcesText, type Wanted } from "../resources.ts";

/** One process, as far as actors can live there. */
export interface Room {
  readonly node: string;
  readonly host: string;
  /** All its nodes. */
  readonly places: readonly string[];
  /** The kinds of task that it takes; nothing where it takes all. */
  readonly takes: readonly string[] | undefined;
  /** Those of them that take actors. */
  readonly takers: readonly string[];
  /** What it has: cores and memory are its host's, which others there share. */
  readonly has: Amounts;
}

/** A room, and the node of it that an actor would live on. */
export interface Candidate {
  readonly room: Room;
  readonly place: string;
}

export interface Accounts {
  /** Reserves what is wanted in the candidate that has most left of it. Throws where none has enough. */
  allot(wanted: Wanted, candidates: readonly Candidate[], rooms: readonly Room[]): Allotted;
  free(lease: number): void;
  /** The same for a durable actor, which may have been made again since. */
  ended(id: string): void;
  /** Nodes are lost: what was reserved there is free again, except for those that come back. */
  lost(nodes: readonly string[], kept: ReadonlySet<number>): void;
  /** Those of these leases, from the first on, for which there is room in a process that does not have them yet. */
  fitting(leases: readonly number[], room: Room, rooms: readonly Room[]): ReadonlySet<number>;
  /** What was reserved, and what there is, in words. */
  text(lease: number, rooms: readonly Room[]): string;
}

interface Lease {
  readonly place: string;
  readonly needs: Amounts;
  /** The address of a durable actor; empty for others. */
  readonly durable: string;
}

const nothing: Amounts = { cores: 0, gpus: 0, memoryBytes: 0 };
/** So many processes are named in an error. */
const namedMax = 8;
/** Parts of a core add up to less, or more, than they are. */
const least = 1e-9;

function sum(a: Amounts, b: Amounts, sign = 1): Amounts {
  const { cores, gpus, memoryBytes } = b;
  return {
    cores: a.cores + sign * cores,
    gpus: a.gpus + sign * gpus,
    memoryBytes: a.memoryBytes + sign * memoryBytes,
  };
}

const fits = (needs: Amounts, left: Amounts): boolean =>
  resourceNames.every((name) => needs[name] <= left[name] + least);
const asked = (needs: Amounts): (keyof Amounts)[] => resourceNames.filter((name) => needs[name] > 0);

export function accounts(): Accounts {
  const leases = new Map<number, Lease>();
  /** What is reserved on each node. */
  const used = new Map<string, Amounts>();
  const durables = new Map<string, number>();
  let last = 0;

  function put(place: string, needs: Amounts, sign: number): void {
    used.set(place, sum(used.get(place) ?? nothing, needs, sign));
  }

  function usedIn({ places }: Room): Amounts {
    return places.reduce((total, place) => sum(total, used.get(place) ?? nothing), nothing);
  }

  function leftIn(room: Room, rooms: readonly Room[]): Amounts {
    const { cores, memoryBytes } = rooms.filter(({ host }) => host === room.host).map(usedIn).reduce((a, b) =>
      sum(a, b)
    );
    const { gpus } = usedIn(room);
    return sum(room.has, { cores, gpus, memoryBytes }, -1);
  }

  /** What is left of the scarcest when this is taken: 1 is all, less than 0 is not enough. */
  function ease(needs: Amounts, { has }: Room, left: Amounts): number {
    return Math.min(1, ...asked(needs).map((name) => (left[name] - needs[name]) / (has[name] || 1)));
  }

  /** What of these names each process has, or has left. */
  function shown(rooms: readonly Room[], all: readonly Room[], needs: Amounts): string {
    const names = asked(needs);
    const said = rooms.slice(0, namedMax).map((room) => {
      const left = leftIn(room, all);
      return `${room.node} has ${resourcesText(room.has, names)}, of which ${resourcesText(left, names)} ${
        names.length === 1 ? "is" : "are"
      } free`;
    });
    const more = rooms.length - said.length;
    return `${said.join("; ")}${more > 0 ? `; and ${more} more` : ""}`;
  }

  function free(number: number): void {
    const lease = leases.get(number);
    if (lease === undefined) return;
    leases.delete(number);
    durables.delete(lease.durable);
    put(lease.place, lease.needs, -1);
  }

  return {
    allot({ what, needs, durable }, candidates, rooms) {
      const addressAt = (place: string): string => durable === "" ? "" : addressOf(place, durable);
      // One that is there has what it needs, in whatever process.
      const there = candidates.find(({ place }) => durables.has(addressAt(place)));
      if (there !== undefined) return { node: there.place, lease: 0 };
      let best: { readonly place: string; readonly ease: number } | undefined;
      for (const { room, place } of candidates) {
        const left = leftIn(room, rooms);
        if (!fits(needs, left)) continue;
        const found = { place, ease: ease(needs, room, left) };
        if (best === undefined || found.ease > best.ease + least) best = found;
      }
      if (best !== undefined) {
        const address = addressAt(best.place);
        leases.set(++last, { place: best.place, needs, durable: address });
        if (address !== "") durables.set(address, last);
        put(best.place, needs, 1);
        return { node: best.place, lease: last };
      }
      const here = candidates.map(({ room }) => room);
      const text = `${what}: it needs ${resourcesText(needs, asked(needs))}`;
      if (here.some(({ has }) => fits(needs, has))) {
        const cure = "wait until others have ended, ask for less, or give the run more nodes";
        throw new ShoalError(
          "CapacityExceeded",
          `${text}, and no node has that free: ${shown(here, rooms, needs)}; ${cure}`,
        );
      }
      const cure = "ask for less, or give the run larger nodes (GPUs are those of --gpus)";
      throw new ShoalError("BadInput", `${text}, and no node has as much: ${shown(here, rooms, needs)}; ${cure}`);
    },
    free,
    ended: (id) => free(durables.get(id) ?? 0),
    lost(nodes, kept) {
      for (const [number, { place, durable }] of leases) {
        if (nodes.includes(place) && durable === "" && !kept.has(number)) free(number);
      }
    },
    fitting(numbers, room, rooms) {
      const found = new Set<number>();
      let left = leftIn(room, rooms);
      for (const number of numbers) {
        const { needs = nothing } = leases.get(number) ?? {};
        if (!fits(needs, left)) continue;
        left = sum(left, needs, -1);
        found.add(number);
      }
      return found;
    },
    text(lease, rooms) {
      const { needs = nothing } = leases.get(lease) ?? {};
      return `it needs ${resourcesText(needs, asked(needs))}, and no node has that free: ${shown(rooms, rooms, needs)}`;
    },
  };
}
