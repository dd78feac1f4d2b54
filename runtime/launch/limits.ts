// What is bounded, and by how much, where nobody says otherwise.

import type { Limits } from "../system.ts";

/** What holds where nobody says otherwise. */
export const defaultLimits: Limits = {
  mailboxMessagesMax: 1_024,
  mailboxBytesMax: 4 * 2 ** 30,
  overflowMessagesMax: 16_384,
  messageBytesMax: 2 ** 20,
  sendTimeoutMs: 60_000,
  // A simulation may take hours. A node that dies is noticed in another way, long before this.
  replyTimeoutMs: 24 * 3_600_000,
  streamIdleTimeoutMs: 10 * 60_000,
  stopTimeoutMs: 30_000,
  timersMax: 100_000,
  deadLettersMax: 1_000,
  nameCharsMax: 200,
  leaseMs: 5_000,
  // A shared file system may take its time to hand out a package's files to many at once.
  joinTimeoutMs: 120_000,
  replaceTimeoutMs: 60_000,
};
