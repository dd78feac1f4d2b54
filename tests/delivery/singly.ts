// Commands that are about several messages as if each had come by itself: what the laws and the tests look at.

import type { Command } from "../../runtime/delivery/events.ts";

export function singly(command: Command): readonly Command[] {
  if (command.type === "left") {
    return command.tokens.map((token) => {
      return { type: "settle", token, outcome: "done", threw: false, code: undefined, body: undefined };
    });
  }
  if (command.type === "answered") {
    return command.tokens.map((token, index) => {
      const body = command.bodies[index];
      return { type: "settle", token, outcome: "done", threw: false, code: undefined, body };
    });
  }
  if (command.type !== "deliverAll") return [command];
  const { actor, source, epoch, entries } = command;
  return entries.map((entry) => {
    const { sequence, bytes } = entry;
    const input = { source, epoch, sequence, identity: "", bytes, timer: "" };
    return { type: "deliver", actor, input, entry };
  });
}
