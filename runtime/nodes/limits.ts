// What the limits of a system mean to the delivery core.

import type { DeliveryLimits } from "../delivery/events.ts";
import type { Limits } from "../system.ts";

/** Open calls of one actor to one other; the answers kept for them are twice as many. */
const callsMax = 65_536;

export function deliveryLimits(limits: Limits): Partial<DeliveryLimits> {
  const { mailboxMessagesMax, mailboxBytesMax, overflowMessagesMax } = limits;
  return {
    mailboxMessagesMax,
    mailboxBytesMax,
    outboxMessagesMax: overflowMessagesMax,
    outboxBytesMax: mailboxBytesMax,
    // A message was weighed when it was sent; this weighs what it references too, which may be much more.
    messageBytesMax: Number.MAX_SAFE_INTEGER,
    callsMax,
    answersMax: callsMax * 2,
  };
}
