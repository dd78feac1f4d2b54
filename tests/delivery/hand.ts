// One or two cores that are driven by hand: what they are told, and all that they are told to do.
import { type Command, type Deliver, type DeliveryLimits, type Event } from "../../runtime/delivery/events.ts";
import { advance, deliveryNode } from "../../runtime/delivery/node.ts";
import { type Input, type StepRecord } from "../../runtime/delivery/protocol.ts";
import { rules } from "../../runtime/delivery/rules.ts";
import { singly } from "./singly.ts";

export type Of<T extends Command["type"]> = Extract<Command, { type: T }>;

export interface ByHand {
  readonly core: ReturnType<typeof deliveryNode>;
  tell(...events: Event[]): void;
  /** All commands of a kind so far. */
  all<T extends Command["type"]>(type: T): Of<T>[];
}

/** A running node; everything it is told to do is kept, and frames to itself come back at once. */
export function start(
  name: string,
  limits: Partial<DeliveryLimits> = {},
  journal: StepRecord[] = [],
  standing = 0,
): ByHand {
  const core = deliveryNode(name, limits, rules);
  const done: Command[] = [];
  const records = [...journal];
  const tell = (...events: Event[]): void => {
    for (const command of advance(core, events).flatMap(singly)) {
      done.push(command);
      if (command.type === "send" && command.node === name) tell({ type: "frame", frame: command.frame });
      if (command.type !== "commit") continue;
      journal.push(...command.records);
      tell({ type: "committed", number: command.number, outcome: "held" });
    }
  };
  tell({ type: "started", standing }, { type: "claimed", held: true }, { type: "opened", fenced: false });
  tell({ type: "read", records, end: true });
  const all = <T extends Command["type"]>(type: T): Of<T>[] => done.filter((one): one is Of<T> => one.type === type);
  return { core, tell, all };
}

export interface Sent {
  readonly from: string;
  readonly node: string;
  readonly to: string;
  readonly body: string;
  readonly bytes: number;
  readonly pins: readonly [];
  readonly token: number;
}

export const send = (from: string, to: string, token: number, bytes = 1, node = "n0"): Sent => {
  return { from, node, to, body: `${from}>${to}`, bytes, pins: [], token };
};

export const tell = (...parts: Parameters<typeof send>): Event => ({ type: "tell", ...send(...parts) });

export const ask = (...parts: Parameters<typeof send>): Event => ({ type: "ask", digest: "ask", ...send(...parts) });

export const spawned = (actor: string, durable = false): Event => ({ type: "spawned", actor, durable });

export const finished = (actor: string, input: Input, body?: unknown): Event => {
  return { type: "finished", actor, input, threw: false, body, discard: false };
};

export const outcome = (node: { all(type: "settle"): Of<"settle">[] }, token: number): string | undefined => {
  const found = node.all("settle").find((settled) => settled.token === token);
  return found === undefined ? undefined : `${found.outcome}${found.code === undefined ? "" : ` ${found.code}`}`;
};

export const inHandler = (delivery: Deliver | undefined): Event => {
  return { type: "began", actor: delivery!.actor, input: delivery!.input, chain: delivery!.entry?.chain ?? [] };
};
