// Where actors that need something of their machine find it: which processes of a run have what, seen from the one that
// leads it, and what becomes of what was reserved there.

import { ShoalError } from "../../stores/error.ts";
import { accounts, type Candidate, type Room } from "../nodes/accounts.ts";
import type { Recipe } from "../nodes/recipe.ts";
import { isTaken, noKind, untaken } from "../kinds.ts";
import { type Member, takers } from "../nodes/registry.ts";
import type { Services } from "../nodes/steward.ts";
import type { Allotted, Wanted } from "../resources.ts";
import type { ErrorRecord } from "../run/records.ts";
import type { Crew } from "./crews.ts";
import { gpuCount } from "./gpus.ts";
import type { Launcher } from "./launcher.ts";
import type { Slot } from "./slot.ts";

export interface AllotmentParts {
  /** All processes that take actors; the one that leads comes first. */
  rooms(): readonly Room[];
  /** Its other threads, once they are there. */
  threads(): Promise<readonly string[]>;
}

export interface Allotment {
  /** What nodes ask of the one that leads. */
  readonly services: Services;
  /** These nodes are lost: what was reserved there is free again, but for actors that are made again. */
  lost(nodes: readonly string[], again: readonly Recipe[]): void;
  /** Those of these actors for which there is room in the process of a node. */
  fitting(node: string, again: readonly Recipe[]): readonly Recipe[];
  /** A node lives on in the process of another: so does what was reserved there. */
  lodged(node: string, host: string): void;
  /** Why one is not made again for which there is none. Nothing is reserved for it any more. */
  refuse(recipe: Recipe): ShoalError;
}

/** What the nth process of a crew has. */
export function roomOf(
  member: Pick<Member, "node" | "machine" | "places">,
  { gpus, count, launcher, takes }: Pick<Crew, "gpus" | "count" | "takes"> & {
    readonly launcher: Pick<Launcher, "hosts">;
  },
  number: number,
): Room {
  const { node, machine: { host, cores, memoryBytes }, places } = member;
  const shown = gpuCount(gpus, { number, processes: count, hosts: launcher.hosts.length });
  const has = { cores, memoryBytes, gpus: shown };
  return { node, host, has, takes, places: places.map((place) => place.node), takers: takers({ places }, undefined) };
}

/** Those of the workers. */
export function roomsOf(slots: Iterable<Slot>): readonly Room[] {
  return [...slots].flatMap(({ member, crew, number }) => member === undefined ? [] : [roomOf(member, crew, number)]);
}

/** Of so many it is remembered why they were not made again. */
const refusedMax = 1_024;

export function allotment(parts: AllotmentParts): Allotment {
  const { threads } = parts;
  const book = accounts();
  const hosts = new Map<string, string>();
  /** Those that were not made again, and why: whoever waits for them may ask. */
  const refused = new Map<string, ErrorRecord>();
  let turns = 0;

  /** A process that is to take in a node may not say so yet. */
  function rooms(): readonly Room[] {
    return parts.rooms().map((room) => {
      const guests = [...hosts].filter(([, host]) => host === room.node).map(([node]) => node);
      return guests.length === 0 ? room : { ...room, places: [...new Set([...room.places, ...guests])] };
    });
  }

  /** Another one first each time. */
  const next = (nodes: readonly string[]): string | undefined => nodes[turns++ % nodes.length];

  function none({ what, on }: Wanted): ShoalError {
    const cure = on === "threads" ? "a number of threads" : "nodes: 2, or more, or the run --nodes 2";
    return new ShoalError("BadInput", `${what} on ${on}: this system has none; give launch ${cure}`);
  }

  async function candidates(from: string, wanted: Wanted, all: readonly Room[]): Promise<readonly Candidate[]> {
    const { what, on, node, durable } = wanted;
    const [leader] = all;
    // A durable actor is found again where its name is.
    const said = node === "" && durable !== "" ? from : node;
    if (said !== "") {
      const room = all.find(({ places }) => places.includes(said));
      if (room !== undefined) return [{ room, place: said }];
      throw new ShoalError("Ended", `${what} on ${said}: this run has no node ${said} that takes actors`);
    }
    const own = all.find(({ places }) => places.includes(from));
    if (on === "threads") {
      const place = own === leader ? next(await threads()) : next(own?.takers ?? []);
      if (own === undefined || place === undefined) throw none(wanted);
      return [{ room: own, place }];
    }
    const others = all.filter((room) => room !== own && (on === "" || room !== leader));
    const willing = (room: Room): boolean => isTaken(room.takes, wanted.task);
    const far = others.filter(willing).flatMap((room): Candidate[] => {
      const place = next(room.takers);
      return place === undefined ? [] : [{ room, place }];
    });
    const near = own === undefined || on === "processes" || !willing(own) ? [] : [{ room: own, place: from }];
    if (near.length + far.length > 0) return [...near, ...far];
    throw others.length > 0 ? untaken(what, wanted.task === noKind ? undefined : wanted.task) : none(wanted);
  }

  return {
    services: {
      async allot({ from, wanted }: { from: string; wanted: Wanted }): Promise<Allotted> {
        const found = await candidates(from, wanted, rooms());
        // Others may have come, or have got something, meanwhile.
        return book.allot(wanted, found, rooms());
      },
      freed: (lease: number) => book.free(lease),
      ended: (id: string) => book.ended(id),
      refused: (id: string) => refused.get(id) ?? null,
    },
    lost(nodes, again) {
      book.lost(nodes, new Set(again.map(({ lease }) => lease)));
    },
    fitting(node, again) {
      const all = rooms();
      const room = all.find((one) => one.node === node);
      if (room === undefined) return [];
      const leases = book.fitting(again.map(({ lease }) => lease).filter((lease) => lease !== 0), room, all);
      return again.filter(({ lease }) => lease === 0 || leases.has(lease));
    },
    lodged: (node, host) => void hosts.set(node, host),
    refuse({ id, class: named, lease }) {
      const text = `Cannot make ${named} ${id} again: ${book.text(lease, rooms())}`;
      book.free(lease);
      if (refused.size >= refusedMax) refused.delete(refused.keys().next().value ?? "");
      refused.set(id, { code: "CapacityExceeded", message: text });
      return new ShoalError("CapacityExceeded", text, { outcome: "unknown" });
    },
  };
}
