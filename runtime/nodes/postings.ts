// A message on its way out of a node: checked, weighed, and made what the delivery core takes.

import { ShoalError } from "../../stores/error.ts";
import type { Cell, Home } from "../cells/cell.ts";
import { isDurable, nodeOf } from "../cells/posted.ts";
import { copyMessage, isPrimitive } from "../messages/message.ts";
import type { Reference } from "../reference.ts";
import { bodyOf, type Found, leavingBody, pinsOf, plain } from "./body.ts";
import type { Posting } from "./calls.ts";

/** Makes a message what leaves; throws what is wrong with it. */
export type Write = (
  type: Posting["type"],
  from: Reference,
  method: string,
  message: unknown,
  token: number,
  credit: number,
) => Posting;

const noPins: readonly string[] = [];

/** `ended` says why nothing leaves any more, `knows` whether the run has such a node; unless given, it has any. */
export function postings(
  home: Home,
  ended: () => ShoalError | undefined,
  knows: ((node: string) => boolean) | undefined,
): Write {
  const here = nodeOf(`${home.node}/`);
  let latest = { id: "", node: "", isLasting: false };

  /** Most messages go to where the one before went to. */
  function reached(id: string): typeof latest {
    if (latest.id !== id) latest = { id, node: nodeOf(id), isLasting: isDurable(id) };
    return latest;
  }

  return (
    type: "tell" | "ask",
    from: Reference,
    method: string,
    message: unknown,
    token: number,
    credit: number,
  ): Posting => {
    const source = from.source as Cell;
    let passed = message;
    let passage: Found = plain(message);
    let bytes = 0;
    if (!isPrimitive(message)) {
      const passing = home.passage(source, source.life);
      passed = copyMessage(message, passing);
      passage = passing;
      bytes = passing.bytes;
    }
    const end = ended();
    if (end !== undefined) throw end;
    if (source.life !== from.life) {
      const text =
        `Cannot send ${method} to ${from.toString()}: its sender ${source.id} has ended its life ${from.life}`;
      throw new ShoalError("Fenced", text);
    }
    const to = from.id;
    const { node, isLasting } = reached(to);
    if (knows?.(node) === false) {
      const text = `Cannot send ${method} to ${from.toString()}: this run has no node ${node}`;
      throw new ShoalError("Ended", `${text}, or has it no more`);
    }
    const call = type === "ask" ? token : 0;
    const at = isLasting ? Math.trunc(home.environment.date()) : 0;
    // What stays here, or in a journal, may be opened more than once.
    const isKept = isLasting || source.terms.durable || node === here;
    const body = isKept
      ? bodyOf(method, passed, passage, call, credit, at)
      : leavingBody(method, passed, passage, call, credit);
    if (passage.tensors !== undefined) { for (const tensor of passage.tensors) bytes += tensor.bytes; }
    return {
      type,
      digest: "",
      from: source.id,
      node,
      to,
      body,
      // None is too heavy for ever: one that weighs more than a mailbox holds waits until that is empty.
      bytes: Math.min(bytes, home.limits.mailboxBytesMax),
      pins: passage.tensors === undefined ? noPins : pinsOf(passage.tensors),
      token,
    };
  };
}
