// Why the delivery core refused or gave up a message, in words.

import type { Refusal } from "../delivery/protocol.ts";

/** Why the core refuses or gives up a message. */
export const reasons: Readonly<Record<Refusal, string>> = {
  BadInput: "a durable actor sends while it handles a message; this was outside of one",
  CapacityExceeded: "too many messages of this sender wait for their receiver; await a tell now and then",
  Cancelled: "its handler ended without waiting for the answer",
  Conflict: "its handler ran twice, and asked something else this time; let it depend on its message and state alone",
  Ended: "it has ended, or never was",
  Lost: "it was lost with the process that had it",
  ShuttingDown: "the system is closing",
  Suspended: "its node shows no sign of life",
  Timeout: "it had no room in time",
  TooLarge: "it weighs more than a message may",
};
