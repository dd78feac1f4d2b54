// Drives a node's delivery core in the world: events in when they happen, commands out as packets, commits and calls
// to those who know the actors. All that happens in one turn is one batch, so that a burst is one packet.

import { isShoalError, ShoalError } from "../../stores/error.ts";
import { advance, deliveryNode, type Node } from "../delivery/node.ts";
import type { Command, DeliveryLimits, Event } from "../delivery/events.ts";
import type { Epoch, Frame, NodeName, StepRecord } from "../delivery/protocol.ts";
import type { Environment } from "../environment.ts";
import type { Linking, Packet, Receiver } from "../links/link.ts";
import type { Journal } from "./journal.ts";
import { heldAcks } from "./acks.ts";
import { type Happenings, happenings } from "./happenings.ts";
import {
  headOf,
  type Letterhead,
  packetOf,
  reader,
  refusalOf,
  type Refused,
  refusedBy,
  type Stranger,
} from "./packets.ts";

/** The commands that are about actors; the others the driver does itself. */
export type Order = Exclude<
  Command,
  { type: "claim" | "open" | "read" | "commit" | "trim" | "ready" | "send" | "stop" }
>;

/** Whom a driver tells. */
export interface Orders {
  order(order: Order): void;
  /** Mail is about to be taken in for this address: whoever lives there is to be known by now. */
  expect(actor: string): void;
  /** A step of this actor is in the journal. */
  committed(record: StepRecord): void;
  /** A packet that was none, or of others: of this node, where that can be read. */
  refused(error: Error, node: NodeName | undefined): void;
  /** A node of which nothing was heard yet has said that this one is none of its run's. */
  strange(refused: Refused): void;
  /** A packet is about to be taken in: the event loop has turned. */
  turned(): void;
  /** All that was to be done for now is done. */
  settled(): void;
  /** The node has ended: another process is it, or its store has failed it. */
  stopped(error: Error): void;
}

export interface DriverParts {
  readonly run: string;
  /** What only the nodes of the run know. */
  readonly token: string;
  readonly name: NodeName;
  readonly limits: Partial<DeliveryLimits>;
  readonly environment: Environment;
  readonly journal: Journal;
  readonly link: Linking;
  readonly tickMs: number;
  readonly orders: Orders;
}

export interface Driver {
  /** What the core knows: for looking only. */
  readonly core: Pick<Node, "epoch" | "actors" | "peers">;
  /** Takes over the node, whose highest epoch was `standing`; settles when it runs, with its durable actors restored. */
  start(standing: Epoch): Promise<void>;
  /** Something happened; what follows from it is done before the next turn, or by `flush`. */
  happen(event: Event): void;
  /** The same of what happens most; what follows each other is one event. */
  readonly many: Pick<Happenings, "told" | "asked" | "applied" | "replied">;
  flush(): void;
  /** Settles when nothing waits for its commit any more, or after a while. */
  drained(): Promise<void>;
  close(): Promise<void>;
}

export function driver(parts: DriverParts): Driver {
  const { run, name, token, environment, journal, orders, tickMs } = parts;
  const letterhead: Letterhead = { run, token, node: name };
  const read = reader(letterhead);
  let head = "";
  const core = deliveryNode(name, parts.limits);
  const happened = happenings(goOn);
  const happen = happened.add;
  let isFlushing = false;
  let isDue = false;
  let isOver = false;
  let cancelTick: (() => void) | undefined;
  let emptied: (() => void) | undefined;
  let ready: (() => void) | undefined;
  let failed: ((error: Error) => void) | undefined;
  /** What leaves, by node: most often there is but one. */
  let outgoing: { readonly node: NodeName; readonly frames: Frame[] }[] = [];
  const acks = heldAcks({ environment, mailboxMessagesMax: core.limits.mailboxMessagesMax, release: releaseAll });

  const receiver: Receiver = {
    packet(packet) {
      if (isOver) return;
      const frames = read(packet);
      if ("error" in frames) return stranger(packet, frames);
      isDue = true;
      orders.turned();
      for (const frame of frames) takeIn(frame);
      // Nobody else is at work in the moment in which a packet comes.
      flush();
    },
    linked: (node) => happen({ type: "linked", node }),
  };
  const link = parts.link(receiver, { epoch: () => core.epoch });

  function stranger(packet: Packet, { error, node, run: other }: Stranger): void {
    const refusal = refusedBy(packet);
    if (refusal !== undefined) {
      // Whoever has been heard of as a node of this run is one.
      if (!core.peers.has(refusal.node)) orders.strange(refusal);
      return;
    }
    orders.refused(error, node);
    if (node !== undefined) link.send(node, refusalOf(letterhead, error, other));
  }

  function takeIn(frame: Frame): void {
    if (frame.type === "mail" && core.phase === "running" && !core.actors.has(frame.destination)) {
      orders.expect(frame.destination);
    }
    if (frame.type === "mail") acks.heard(frame);
    happen({ type: "frame", frame });
  }

  function goOn(): void {
    if (isOver) return void happened.taken();
    if (isFlushing) return;
    if (happened.count() >= batchMax) return flush();
    if (isDue) return;
    isDue = true;
    environment.soon(flush);
  }

  function flush(): void {
    isDue = false;
    if (isFlushing || isOver) return;
    isFlushing = true;
    try {
      while (happened.count() > 0 && !isOver) {
        for (const command of advance(core, happened.taken())) perform(command);
        send();
      }
      orders.settled();
    } finally {
      isFlushing = false;
    }
    if (isEmpty()) emptied?.();
    if (cancelTick === undefined && !isOver && isWaiting()) cancelTick = environment.after(tickMs, tick);
  }

  /** Whether all that was done is in the journal, and those who are to hear of it have. */
  function isEmpty(): boolean {
    return core.committing === undefined && core.sealed.length === 0 && happened.count() === 0;
  }

  function isWaiting(): boolean {
    return core.active.size > 0 || core.committing?.isUnknown === true;
  }

  function tick(): void {
    cancelTick = undefined;
    happen({ type: "tick" });
  }

  function perform(command: Command): void {
    switch (command.type) {
      case "send": {
        const { node, frame } = command;
        const known = outgoing.find((one) => one.node === node);
        if (known === undefined) outgoing.push({ node, frames: [frame] });
        else known.frames.push(frame);
        return;
      }
      case "commit":
        return void commit(command);
      case "claim":
        return following(journal.claim(command.epoch), (held) => happen({ type: "claimed", held }));
      case "open":
        return following(
          journal.open(command.epoch),
          (opened) => happen({ type: "opened", fenced: opened === "fenced" }),
        );
      case "read":
        return following(
          journal.read((records) => happen({ type: "read", records, end: false })),
          () => happen({ type: "read", records: [], end: true }),
        );
      case "trim":
        // What is not trimmed now is trimmed with the next.
        return void journal.trim(command.epoch, command.through).catch(() => {});
      case "ready":
        ready?.();
        return;
      case "stop":
        return stop(new ShoalError("Fenced", `Node ${name} of run ${run} has ended: another process has its place`));
      default:
        return orders.order(command);
    }
  }

  async function commit({ number, epoch, records }: Extract<Command, { type: "commit" }>): Promise<void> {
    const outcome = await journal.commit(epoch, number, records);
    if (isOver) return;
    happen({ type: "committed", number, outcome });
    if (outcome !== "held") return;
    flush();
    for (const record of records) orders.committed(record);
  }

  /** A part of the takeover: what it cannot do ends the node. */
  function following<T>(promise: Promise<T>, then: (value: T) => void): void {
    promise.then((value) => isOver || then(value), (error: unknown) => {
      stop(isShoalError(error) ? error : new Error(`Cannot start node ${name}`, { cause: error }));
    });
  }

  function send(): void {
    const batch = outgoing;
    if (batch.length === 0) return;
    outgoing = [];
    for (const { node, frames } of batch) {
      if (node === name) { for (const frame of frames) takeIn(frame); }
      else if (!acks.hold(node, frames)) post(node, acks.joined(node, frames));
    }
  }

  function post(node: NodeName, frames: readonly Frame[]): void {
    if (head === "") head = headOf(letterhead, core.epoch);
    link.send(node, packetOf(head, frames));
  }

  function releaseAll(): void {
    for (const [node, frames] of acks.taken()) if (!isOver) post(node, frames);
  }

  function stop(error: Error): void {
    if (isOver) return;
    end();
    failed?.(error);
    orders.stopped(error);
  }

  function end(): void {
    isOver = true;
    emptied?.();
    cancelTick?.();
    happened.taken();
  }

  return {
    core,
    start: (standing) =>
      new Promise<void>((resolve, reject) => {
        ready = resolve;
        failed = reject;
        happen({ type: "started", standing });
      }),
    happen,
    many: happened,
    flush,
    async drained() {
      flush();
      if (isOver || isEmpty()) return;
      await new Promise<void>((resolve) => {
        const cancel = environment.after(drainMsMax, resolve);
        emptied = () => {
          cancel();
          resolve();
        };
      });
      emptied = undefined;
    },
    async close() {
      flush();
      releaseAll();
      end();
      await link.close();
    },
  };
}

/** Of what happens in one turn so much leaves together: whoever gets it begins while the rest is made. */
const batchMax = 256;
/** How long a node that closes waits for its store. */
const drainMsMax = 5_000;
