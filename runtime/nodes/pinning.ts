// What the delivery core has pinned of tensors, whose references are texts to it. Most are let go soon after they were
// pinned, and many are sent more than once: a reference is read once for all of that.

import type { TensorRef, Tensors } from "../../stores/store.ts";
import type { Command } from "../delivery/events.ts";

type Pinning = Extract<Command, { type: "pin" | "unpin" }>;

const referencesMax = 1_024;

export function pinning(tensors: Pick<Tensors, "pin" | "unpin">): (command: Pinning) => void {
  const references = new Map<string, TensorRef>();

  function referenceOf(pin: string): TensorRef {
    let reference = references.get(pin);
    if (reference !== undefined) return reference;
    if (references.size >= referencesMax) references.clear();
    references.set(pin, reference = Object.freeze(JSON.parse(pin) as TensorRef));
    return reference;
  }

  return (command) => {
    for (const pin of command.pins) {
      if (command.type === "pin") tensors.pin(referenceOf(pin), command.holder);
      else tensors.unpin(referenceOf(pin), command.holder, command.read);
    }
  };
}
