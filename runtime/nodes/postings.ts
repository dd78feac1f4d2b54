// A message on its way out of a node: checked, weighed, and made what the delivery core takes.

import { ShoalError } from "../../stores/error.ts";
import type { Cell, Home } from "../cells/cell.ts";
import { isDurable, nodeOf } from "../cells/posted.ts";
import type { Question } from "../delivery/events.ts";
import { copyMessage, isPrimitive } from "../messages/message.ts";
import type { Reference } from "../reference.ts";
import { type Body, bodyOf as keptBody, digestOf, type Found, leavingBody, pinsOf, plain } from "./body.ts";
import { PostedTell } from "./sent.ts";
import { Single } from "./singles.ts";

/** Makes a message what leaves; throws what is wrong with it. */
export interface Postings {
  tell(from: Reference, method: string, message: unknown, token: number, timeoutMs: number): PostedTell;
  ask(from: Reference, method: string, message: unknown, token: number, credit: number): Question;
  /** The node that an actor of this address lives on. */
  nodeOf(id: string): string;
}

/** A message that may leave. */
interface Checked {
  readonly value: unknown;
  readonly found: Found;
  readonly bytes: number;
  /** When it is sent, where its receiver is durable. */
  readonly at: number;
  /** What stays here, or in a journal, may be opened more than once. */
  readonly isKept: boolean;
}

const noPins: readonly string[] = [];

/** `ended` says why nothing leaves any more, `knows` whether the run has such a node; unless given, it has any. */
export function postings(
  home: Home,
  ended: () => ShoalError | undefined,
  knows: ((node: string) => boolean) | undefined,
): Postings {
  const here = nodeOf(`${home.node}/`);
  let latest = { id: "", node: "", isLasting: false };

  /** Most messages go to where the one before went to. */
  function reached(id: string): typeof latest {
    if (latest.id !== id) latest = { id, node: nodeOf(id), isLasting: isDurable(id) };
    return latest;
  }

  function check(from: Reference, method: string, message: unknown): Checked {
    const source = from.source as Cell;
    let value = message;
    let found: Found = plain(message);
    let bytes = 0;
    if (!isPrimitive(message)) {
      const passing = home.passage(source, source.life);
      value = copyMessage(message, passing);
      found = passing;
      bytes = passing.bytes;
    }
    const end = ended();
    if (end !== undefined) throw end;
    if (source.life !== from.life) {
      const text =
        `Cannot send ${method} to ${from.toString()}: its sender ${source.id} has ended its life ${from.life}`;
      throw new ShoalError("Fenced", text);
    }
    const { node, isLasting } = reached(from.id);
    if (knows?.(node) === false) {
      const text = `Cannot send ${method} to ${from.toString()}: this run has no node ${node}`;
      throw new ShoalError("Ended", `${text}, or has it no more`);
    }
    if (found.tensors !== undefined) { for (const tensor of found.tensors) bytes += tensor.bytes; }
    return {
      value,
      found,
      // None is too heavy for ever: one that weighs more than a mailbox holds waits until that is empty.
      bytes: Math.min(bytes, home.limits.mailboxBytesMax),
      at: isLasting ? Math.trunc(home.environment.date()) : 0,
      isKept: isLasting || source.terms.durable || node === here,
    };
  }

  function bodyOf(method: string, { value, found, at, isKept }: Checked, call: number, credit: number): Body {
    return isKept ? keptBody(method, value, found, call, credit, at) : leavingBody(method, value, found, call, credit);
  }

  const isPlain = ({ found, isKept }: Checked): boolean => !isKept && !found.special && found.tensors === undefined;
  const pins = ({ tensors }: Found): readonly string[] => tensors === undefined ? noPins : pinsOf(tensors);

  return {
    nodeOf: (id) => reached(id).node,
    tell(from, method, message, token, timeoutMs) {
      const checked = check(from, method, message);
      const { value, found, bytes } = checked;
      const body = isPlain(checked) ? undefined : bodyOf(method, checked, 0, 0);
      return new PostedTell(from, method, token, timeoutMs, value, body, bytes, pins(found));
    },
    ask(from, method, message, token, credit) {
      const checked = check(from, method, message);
      const { value, found, bytes } = checked;
      if (credit === 0 && isPlain(checked)) return new Single(method, value, token, bytes);
      const body = bodyOf(method, checked, token, credit);
      const digest = (from.source as Cell).terms.durable ? digestOf(body) : "";
      return { body, bytes, pins: pins(found), token, digest };
    },
  };
}
