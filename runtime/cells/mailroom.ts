// Mailboxes go round: an actor that is idle has none, and the next that has mail gets it.

import { Mailbox } from "../mailbox.ts";
import type { Extras } from "./extras.ts";

/** An actor, as far as its mailbox goes. */
interface Owner {
  readonly extras: Pick<Extras<unknown>, "grown"> | undefined;
  readonly extra: Pick<Extras<unknown>, "grown" | "isFlooded">;
}

export interface Mailroom {
  take(owner: Owner): Mailbox;
  give(owner: Owner, mailbox: Mailbox): void;
}

const spareMax = 4_096;
const grownMax = 64;

export function mailroom(): Mailroom {
  const spare: Mailbox[] = [];
  const flooded: Owner[] = [];

  return {
    take({ extras }) {
      const grown = extras?.grown;
      if (extras === undefined || grown === undefined) return spare.pop() ?? new Mailbox();
      extras.grown = undefined;
      return grown;
    },

    give(owner, mailbox) {
      if (mailbox.isSmall) {
        if (spare.length < spareMax) spare.push(mailbox);
        return;
      }
      // A few that were flooded keep what they had: it may happen again.
      const { extra } = owner;
      extra.grown = mailbox;
      if (extra.isFlooded === true) return;
      extra.isFlooded = true;
      flooded.push(owner);
      if (flooded.length <= grownMax) return;
      const oldest = flooded.shift()!.extra;
      oldest.isFlooded = false;
      oldest.grown = undefined;
    },
  };
}
