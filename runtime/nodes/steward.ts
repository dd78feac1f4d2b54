// The steward of a node: an actor that does for other nodes what only its own can do. It answers by messages of its
// own, so that nobody waits behind what takes long.

import { isShoalError, ShoalError } from "../../stores/error.ts";
import { Actor } from "../actor.ts";
import type { Cell } from "../cells/cell.ts";
import type { Engine } from "../cells/engine.ts";
import { kindOf } from "../cells/kind.ts";
import { Distant, nodeOf } from "../cells/posted.ts";
import type { Sender } from "../reference.ts";
import { defaultSupervision } from "../supervision.ts";

/** What one node asks of another, by name. */
export interface Services {
  readonly [what: string]: (argument: never) => unknown;
}

export interface Steward {
  readonly cell: Cell;
  /** Asks another node's steward. It may take as long as it takes; a node that is lost settles it. */
  request(node: string, what: string, argument: unknown): Promise<unknown>;
  /** Tells it, and expects nothing. */
  note(node: string, what: string, argument: unknown): void;
  /** A node's process is gone with all that it had been asked. What has not left yet is for its successor. */
  lost(node: string): void;
  /** Nobody there will answer: none is left, or it says so. */
  gone(node: string, why?: ShoalError): void;
  /** Says something to a node's next process: what was sent to the last one is known to be lost from then on. */
  greet(node: string): void;
  close(): void;
}

/** The name under which a node's steward is found. */
const stewardName = "@shoal";

export const stewardOf = (node: string): string => `${node}/${stewardName}`;

interface Request {
  readonly from: string;
  /** 0 where no answer is expected. */
  readonly id: number;
  readonly what: string;
  readonly argument: unknown;
}

interface Reply {
  readonly id: number;
  readonly value: unknown;
  readonly error: Fault | null;
}

interface Fault {
  readonly code: string;
  readonly outcome: string;
  readonly message: string;
}

interface Waiting {
  readonly node: string;
  readonly what: string;
  hasLeft: boolean;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** How often a node is asked for a sign of life while something is expected from it. */
const pingMs = 2_000;

/** `expecting` tells of nodes from which something is expected beside answers; `send` is of what must not be withdrawn. */
export function steward(
  engine: Engine,
  name: string,
  services: Services,
  parts: { expecting(): Iterable<string>; send(to: Sender, method: string, message: unknown): void },
): Steward {
  const { home } = engine;
  const waiting = new Map<number, Waiting>();
  const senders = new Map<string, Sender>();
  let isClosed = false;
  let isPinging = false;
  let cancelPing: (() => void) | undefined;
  // An answer to what a predecessor of this process has asked must not be taken for one to a request of its own.
  let ids = Number(/\.(\d+)$/.exec(home.node)?.[1] ?? 1) * 2 ** 32;

  class StewardActor extends Actor {
    request({ from, id, what, argument }: Request): void {
      const serve = Object.hasOwn(services, what) ? services[what] : undefined;
      if (serve === undefined) {
        return reply(from, id, undefined, new ShoalError("Incompatible", `Node ${name} knows of no ${what}`));
      }
      let value: unknown;
      try {
        value = serve(argument as never);
      } catch (error) {
        return reply(from, id, undefined, error);
      }
      if (!(value instanceof Promise)) return reply(from, id, value, undefined);
      value.then((result) => reply(from, id, result, undefined), (error: unknown) => reply(from, id, undefined, error));
    }

    /** That it is taken is what the other wants to know. */
    ping(): void {}

    reply({ id, value, error }: Reply): void {
      const asked = waiting.get(id);
      waiting.delete(id);
      if (error === null) asked?.resolve(value);
      else asked?.reject(errorFrom(error));
    }
  }

  const kind = kindOf(StewardActor, Actor.prototype);
  const { mailboxMessagesMax, mailboxBytesMax } = home.limits;
  const terms = {
    home,
    Class: StewardActor,
    kind,
    supervision: { ...defaultSupervision, on: "resume" as const },
    durable: false,
    mailboxMessagesMax,
    mailboxBytesMax,
  };
  const cell = engine.make(terms, undefined, undefined);
  // It is none of the program's actors, and ends with the node.
  engine.cells.delete(cell.serial);
  engine.counts.spawned--;
  cell.extra.address = stewardOf(name);
  engine.addresses.set(cell.extra.address, cell);
  void engine.life.begin(cell);

  function senderTo(node: string): Sender {
    const known = senders.get(node);
    if (known !== undefined) return known;
    const sender = home.refer(new Distant(stewardOf(node), "Steward"), cell, cell.life);
    senders.set(node, sender);
    return sender;
  }

  /** A process that took a request and died would be missed by nobody: its successor has never heard of it. */
  function ping(): void {
    if (isPinging || isClosed) return;
    isPinging = true;
    cancelPing = home.environment.after(pingMs, () => {
      isPinging = false;
      const nodes = new Set(parts.expecting());
      for (const { node } of waiting.values()) nodes.add(node);
      for (const node of nodes) void senderTo(node).tell("ping");
      if (nodes.size > 0) ping();
    });
  }

  function giveUp(id: number, { node, what, reject }: Waiting, why: ShoalError | undefined): void {
    waiting.delete(id);
    const text = `Cannot ${what} on node ${node}: ${why?.message ?? "the process that was asked is gone"}`;
    reject(new ShoalError(why?.code ?? "Lost", text, { outcome: "unknown" }));
  }

  function reply(node: string, id: number, value: unknown, error: unknown): void {
    if (id === 0) return;
    const fault = error === undefined ? null : faultOf(error);
    parts.send(senderTo(node), "reply", { id, value: value ?? null, error: fault });
  }

  return {
    cell,
    request(node, what, argument) {
      if (isClosed) return Promise.reject(closing(node, what));
      const id = ++ids;
      return new Promise((resolve, reject) => {
        const asked = { node, what, hasLeft: false, resolve, reject };
        waiting.set(id, asked);
        ping();
        const sent = senderTo(node).tell("request", { from: name, id, what, argument });
        sent.then(() => void (asked.hasLeft = true), (error: unknown) => {
          waiting.delete(id);
          reject(error);
        });
      });
    },
    note: (node, what, argument) => parts.send(senderTo(node), "request", { from: name, id: 0, what, argument }),
    lost(node) {
      for (const [id, asked] of waiting) if (asked.node === node && asked.hasLeft) giveUp(id, asked, undefined);
    },
    gone(node, why) {
      for (const [id, asked] of waiting) if (asked.node === node) giveUp(id, asked, why);
    },
    greet: (node) => parts.send(senderTo(node), "ping", undefined),
    close() {
      isClosed = true;
      cancelPing?.();
      for (const { node, what, reject } of waiting.values()) reject(closing(node, what));
      waiting.clear();
    },
  };
}

function closing(node: string, what: string): ShoalError {
  return new ShoalError("ShuttingDown", `Cannot ${what} on node ${node}: the system is closing`, {
    outcome: "unknown",
  });
}

function faultOf(error: unknown): Fault {
  if (isShoalError(error)) return { code: error.code, outcome: error.outcome, message: error.message };
  return { code: "HandlerError", outcome: "unknown", message: error instanceof Error ? error.message : String(error) };
}

function errorFrom({ code, outcome, message }: Fault): ShoalError {
  return new ShoalError(code as ShoalError["code"], message, { outcome: outcome as ShoalError["outcome"] });
}

/** The node that an actor's steward speaks for. */
export const nodeOfSteward = (id: string): string | undefined =>
  id.endsWith(`/${stewardName}`) ? nodeOf(id) : undefined;
