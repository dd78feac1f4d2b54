// The network of a simulation: packets take their time, in order unless something goes wrong, and what goes wrong is
// loss, repetition, delay, overtaking and partition, one-way ones too. What lies in it is bounded, and all is counted.

import type { Link, Packet, Receiver } from "../links/link.ts";
import type { Random } from "../random.ts";
import type { FaultPlan } from "./faults.ts";
import type { SimulatedProcess } from "./processes.ts";
import type { VirtualWorld } from "./world.ts";

export interface NetworkParts {
  readonly world: VirtualWorld;
  readonly chance: Random;
  readonly plan: FaultPlan;
  readonly latencyMs: Span;
  readonly packetsMax?: number;
  readonly bytesMax?: number;
  /** Told what happens to each packet, of which `number` is the name. */
  readonly trace: (happening: PacketHappening) => void;
}

export interface Span {
  readonly min: number;
  readonly max: number;
}

export interface PacketHappening {
  readonly type: "sent" | "arrived" | "dropped" | "repeated" | "delayed" | "overtaking" | "cut off" | "overflowed";
  readonly from: string;
  readonly to: string;
  readonly number: number;
  readonly packet: Packet;
}

export interface NetworkCounts {
  readonly sent: number;
  readonly arrived: number;
  readonly dropped: number;
  readonly repeated: number;
  readonly delayed: number;
  readonly overtaken: number;
  readonly cutOff: number;
  readonly overflowed: number;
}

export interface Network {
  readonly counts: NetworkCounts;
  /** The links of one process. */
  linking(process: SimulatedProcess): (receiver: Receiver) => Link;
  /** Cuts the way from some nodes to others; the answer mends this cut. */
  partition(from: readonly string[], to: readonly string[], isOneWay: boolean): () => void;
  /** Mends all that is cut. */
  heal(): void;
}

interface End {
  readonly process: SimulatedProcess;
  readonly receiver: Receiver;
}

/** Two that left one after the other do not arrive at once. */
const tickMs = 0.001;
const packetsMaxUnlessSaid = 100_000;
const bytesMaxUnlessSaid = 2 ** 28;
const packetFaults = ["drop", "repeat", "delay", "reorder"] as const;

export function network(parts: NetworkParts): Network {
  const { world, plan, latencyMs, trace } = parts;
  const { packetsMax = packetsMaxUnlessSaid, bytesMax = bytesMaxUnlessSaid } = parts;
  const ends = new Map<string, Set<End>>();
  const ways = new Map<string, { readonly chance: Random; sent: number; lastAt: number }>();
  const cuts = new Set<{ readonly from: readonly string[]; readonly to: readonly string[] }>();
  const counts = {
    sent: 0,
    arrived: 0,
    dropped: 0,
    repeated: 0,
    delayed: 0,
    overtaken: 0,
    cutOff: 0,
    overflowed: 0,
  };
  let packets = 0;
  let bytes = 0;

  const isCut = (from: string, to: string): boolean => {
    for (const cut of cuts) if (cut.from.includes(from) && cut.to.includes(to)) return true;
    return false;
  };

  function wayOf(from: string, to: string): { readonly chance: Random; sent: number; lastAt: number } {
    const name = `${from}>${to}`;
    let way = ways.get(name);
    if (way === undefined) ways.set(name, way = { chance: parts.chance.fork(name), sent: 0, lastAt: 0 });
    return way;
  }

  function send(from: string, to: string, packet: Packet): void {
    const number = counts.sent += 1;
    const way = wayOf(from, to);
    const at = way.sent += 1;
    const say = (type: PacketHappening["type"]): void => trace({ type, from, to, number, packet });
    say("sent");
    const fault = plan.strike(packetFaults, { at, node: from, to });
    const latency = latencyMs.min + way.chance.next() * (latencyMs.max - latencyMs.min);
    if (isCut(from, to)) {
      counts.cutOff += 1;
      return say("cut off");
    }
    if (packets >= packetsMax || bytes + packet.length > bytesMax) {
      counts.overflowed += 1;
      return say("overflowed");
    }
    if (fault?.kind === "drop") {
      counts.dropped += 1;
      return say("dropped");
    }
    const straight = Math.max(world.now() + latency, way.lastAt + tickMs);
    if (fault?.kind === "delay" || fault?.kind === "reorder") {
      counts[fault.kind === "delay" ? "delayed" : "overtaken"] += 1;
      say(fault.kind === "delay" ? "delayed" : "overtaking");
      const late = straight + (fault.delayMs ?? 0);
      // What is delayed holds up those behind it; what is overtaken does not.
      if (fault.kind === "delay") way.lastAt = late;
      return carry(from, to, number, packet, late);
    }
    way.lastAt = straight;
    carry(from, to, number, packet, straight);
    if (fault?.kind !== "repeat") return;
    counts.repeated += 1;
    say("repeated");
    // What takes a packet owns it.
    carry(from, to, number, packet.slice(), straight + (fault.delayMs ?? 0));
  }

  function carry(from: string, to: string, number: number, packet: Packet, at: number): void {
    packets += 1;
    bytes += packet.length;
    world.after(at - world.now(), () => {
      packets -= 1;
      bytes -= packet.length;
      const say = (type: PacketHappening["type"]): void => trace({ type, from, to, number, packet });
      if (isCut(from, to)) {
        counts.cutOff += 1;
        return say("cut off");
      }
      let isTaken = false;
      // A process that was paused and its successor both listen: nobody has told the one that it is not any more.
      for (const end of ends.get(to) ?? []) {
        const { process, receiver } = end;
        if (process.state === "dead") {
          ends.get(to)?.delete(end);
          continue;
        }
        const own = isTaken ? packet.slice() : packet;
        isTaken = true;
        process.environment.soon(() => receiver.packet(own));
      }
      if (!isTaken) return;
      counts.arrived += 1;
      say("arrived");
    });
  }

  function tell(one: string, other: string): void {
    if (one === other || isCut(one, other) || isCut(other, one)) return;
    for (const { process, receiver } of ends.get(one) ?? []) {
      process.environment.soon(() => receiver.linked(other));
    }
  }

  /** Who can reach each other again, learns of it. */
  function tellAll(): void {
    for (const one of ends.keys()) for (const other of ends.keys()) tell(one, other);
  }

  return {
    counts,
    linking: (process) => (receiver): Link => {
      const { node } = process;
      const end: End = { process, receiver };
      const own = ends.get(node) ?? new Set();
      ends.set(node, own.add(end));
      for (const other of ends.keys()) {
        tell(node, other);
        tell(other, node);
      }
      return {
        send: (to, packet) => send(node, to, packet),
        close: () => void own.delete(end),
      };
    },
    partition(from, to, isOneWay) {
      const made = isOneWay ? [{ from, to }] : [{ from, to }, { from: to, to: from }];
      for (const cut of made) cuts.add(cut);
      return () => {
        for (const cut of made) cuts.delete(cut);
        tellAll();
      };
    },
    heal() {
      cuts.clear();
      tellAll();
    },
  };
}
