// What becomes of streams between actors, told to people: a message may be lost, a node shows no sign of life. Those of
// the nodes' own stewards are for the node itself.

import type { LogSink } from "../log.ts";
import type { Order } from "./driver.ts";
import { nodeOfSteward } from "./steward.ts";

export type Tiding = Extract<Order, { type: "gap" | "suspended" | "resumed" }>;

export interface TidingsParts {
  readonly log: LogSink;
  /** A node's process is gone. */
  lost(node: string): void;
  /** Whom nobody answers may have been replaced. */
  look(): void;
}

export function tidings({ log, lost, look }: TidingsParts): (tiding: Tiding) => void {
  return (tiding) => {
    const { type, source, destination } = tiding;
    const node = nodeOfSteward(destination);
    if (node !== undefined) return type === "gap" ? lost(node) : undefined;
    if (type === "suspended") look();
    const text = textOf(tiding);
    if (text !== "") log({ type: "MessageLogged", level: "warn", text: `from ${source} to ${destination}: ${text}` });
  };
}

function textOf(tiding: Tiding): string {
  if (tiding.type === "resumed") return "its node shows signs of life again";
  if (tiding.type === "suspended") return "its node shows no sign of life; what is not waited for is sent when it does";
  const { acknowledged, through, tells } = tiding;
  return tells ? `messages ${acknowledged + 1} to ${through} may be lost, and are not sent again` : "";
}
