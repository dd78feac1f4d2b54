// Drives a node's delivery core in the world: events in when they happen, commands out as packets, commits and calls
// to those who know the actors. All that happens in one turn is one batch, so that a burst is one packet.

import { isShoalError, ShoalError } from "../../stores/error.ts";
import { advance, deliveryNode, type Node } from "../delivery/node.ts";
import type { Command, DeliveryLimits, Event } from "../delivery/events.ts";
import type { AckFrame, Epoch, Frame, NodeName, StepRecord } from "../delivery/protocol.ts";
import type { Environment } from "../environment.ts";
import type { Linking, Receiver } from "../links/link.ts";
import type { Journal } from "./journal.ts";
import { framesOf, packetOf } from "./packets.ts";

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
  /** A packet that was none, or of others. */
  refused(error: Error): void;
  /** All that was to be done for now is done. */
  settled(): void;
  /** The node has ended: another process is it, or its store has failed it. */
  stopped(error: Error): void;
}

export interface DriverParts {
  readonly run: string;
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
  flush(): void;
  /** Settles when nothing waits for its commit any more, or after a while. */
  drained(): Promise<void>;
  close(): Promise<void>;
}

export function driver(parts: DriverParts): Driver {
  const { run, name, environment, journal, orders, tickMs } = parts;
  const core = deliveryNode(name, parts.limits);
  let events: Event[] = [];
  let isFlushing = false;
  let isDue = false;
  let isOver = false;
  let cancelTick: (() => void) | undefined;
  let emptied: (() => void) | undefined;
  let ready: (() => void) | undefined;
  let failed: ((error: Error) => void) | undefined;
  let outgoing = new Map<NodeName, Frame[]>();
  const held = new Map<NodeName, Map<string, AckFrame>>();

  const receiver: Receiver = {
    packet(packet) {
      if (isOver) return;
      let frames: Frame[];
      try {
        frames = framesOf(packet, run);
      } catch (error) {
        return orders.refused(error as Error);
      }
      for (const frame of frames) takeIn(frame);
    },
    linked: (node) => happen({ type: "linked", node }),
  };
  const link = parts.link(receiver);

  function takeIn(frame: Frame): void {
    if (frame.type === "mail" && core.phase === "running" && !core.actors.has(frame.destination)) {
      orders.expect(frame.destination);
    }
    happen({ type: "frame", frame });
  }

  function happen(event: Event): void {
    if (isOver) return;
    events.push(event);
    if (isDue || isFlushing) return;
    isDue = true;
    environment.soon(flush);
  }

  function flush(): void {
    isDue = false;
    if (isFlushing || isOver) return;
    isFlushing = true;
    try {
      while (events.length > 0 && !isOver) {
        const batch = events;
        events = [];
        for (const command of advance(core, batch)) perform(command);
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
    return core.committing === undefined && core.sealed.length === 0 && events.length === 0;
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
        const frames = outgoing.get(command.node);
        if (frames === undefined) outgoing.set(command.node, [command.frame]);
        else frames.push(command.frame);
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
    if (batch.size === 0) return;
    outgoing = new Map();
    for (const [node, frames] of batch) {
      if (node === name) { for (const frame of frames) takeIn(frame); }
      else if (frames.every(isAck)) hold(node, frames);
      else link.send(node, packetOf(run, [...release(node, frames), ...frames]));
    }
  }

  /** What only acknowledges waits for a turn: the answer may be ready by then, and leaves with it as one packet. */
  function hold(node: NodeName, acks: readonly AckFrame[]): void {
    if (held.size === 0) environment.later(releaseAll);
    let standing = held.get(node);
    if (standing === undefined) held.set(node, standing = new Map());
    // The newest says all that those before it said.
    for (const ack of acks) standing.set(streamOf(ack), ack);
  }

  /** What waits for a node, without that which frames say anew. */
  function release(node: NodeName, frames: readonly Frame[]): readonly AckFrame[] {
    const standing = held.get(node);
    if (standing === undefined) return [];
    held.delete(node);
    for (const frame of frames) if (isAck(frame)) standing.delete(streamOf(frame));
    return [...standing.values()];
  }

  function releaseAll(): void {
    for (const node of isOver ? [] : [...held.keys()]) link.send(node, packetOf(run, release(node, [])));
    held.clear();
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
    events = [];
  }

  return {
    core,
    async start(standing) {
      await new Promise<void>((resolve, reject) => {
        ready = resolve;
        failed = reject;
        happen({ type: "started", standing });
      });
    },
    happen,
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

/** How long a node that closes waits for its store. */
const drainMsMax = 5_000;

const isAck = (frame: Frame): frame is AckFrame => frame.type === "ack";
const streamOf = ({ source, destination, streamEpoch, state }: AckFrame): string =>
  `${source} ${destination} ${streamEpoch} ${state}`;
