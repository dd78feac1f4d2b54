// Answers from other nodes, on their way to those who asked.

import { Parcel } from "../cells/call.ts";
import { Cell } from "../cells/cell.ts";
import type { Engine } from "../cells/engine.ts";
import { copyMessage } from "../messages/message.ts";
import type { Reference } from "../reference.ts";
import { type Body, openBody } from "./body.ts";

/** Whether it is a value that can be handed on as it came. */
export const isPlain = ({ text, special, tensors }: Body): boolean => text === undefined && !special && !tensors;

/** An answer, made its asker's own: the tensors in it are held until the handler that waits for it ends. */
export function receive({ home, locate }: Engine, from: Reference, body: Body): unknown {
  const { source, life } = from;
  const value = openBody(body, (id, className) => home.refer(locate(id, className), source, life));
  if (!body.tensors || !(source instanceof Cell) || source.life !== life || !source.busy) return value;
  const passage = home.passage(source, life);
  const passed = copyMessage(value, passage);
  const { tensors } = passage;
  if (tensors !== undefined) {
    const parcel = new Parcel(from, tensors, home.hold(tensors));
    parcel.countsRead = false;
    (source.extra.received ??= []).push(parcel);
  }
  return passed;
}
