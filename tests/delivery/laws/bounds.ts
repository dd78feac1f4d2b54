// L2 and L6 as they can be asked at any time: what is acknowledged is committed, and nothing exceeds its limit. These
// two alone read the core's own account of itself.

import type { Node } from "../../../runtime/delivery/node.ts";
import type { ActorName, Epoch } from "../../../runtime/delivery/protocol.ts";
import type { Must } from "./law.ts";
import { isDurable } from "./message.ts";

interface Facts {
  cursorOf(receiver: ActorName, source: ActorName): { readonly epoch: Epoch; readonly sequence: number } | undefined;
  /** It has ended, or a store that did not declare to keep it may have lost what was acknowledged. */
  isExempt(receiver: ActorName): boolean;
}

export function watchBounds(must: Must, core: Node, facts: Facts): void {
  const { mailboxMessagesMax, mailboxBytesMax, outboxMessagesMax, outboxBytesMax, answersMax } = core.limits;
  for (const actor of core.actors.values()) {
    for (const out of actor.outbounds.values()) {
      const { destination, acked } = out;
      const held = out.items.length - out.head;
      must(held <= outboxMessagesMax, "L6", () => `outbox to ${destination} holds ${held} of ${outboxMessagesMax}`);
      const bytes = out.lastOffset - out.ackedOffset;
      must(bytes <= outboxBytesMax, "L6", () => `outbox to ${destination} holds ${bytes} bytes of ${outboxBytesMax}`);
      if (!isDurable(destination) || core.phase !== "running" || facts.isExempt(destination)) continue;
      const cursor = facts.cursorOf(destination, actor.name);
      const through = cursor === undefined || (!actor.durable && cursor.epoch < core.epoch) ? 0 : cursor.sequence;
      const isOlder = cursor !== undefined && cursor.epoch > core.epoch;
      must(
        acked <= through || isOlder,
        "L2",
        () => `${destination} acknowledged ${acked} of ${actor.name} and committed ${through}`,
      );
    }
    for (const { kept } of actor.inbounds.values()) {
      must(kept.length <= answersMax, "L6", () => `${actor.name} keeps ${kept.length} answers of ${answersMax}`);
    }
    const { mailMessages, mailBytes, name } = actor;
    must(
      mailMessages <= mailboxMessagesMax && mailBytes <= mailboxBytesMax,
      "L6",
      () => `mailbox of ${name} holds ${mailMessages} messages, ${mailBytes} bytes`,
    );
  }
}
