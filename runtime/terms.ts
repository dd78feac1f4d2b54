// The terms on which an actor was spawned.

import type { Kind } from "./kind.ts";
import type { Supervision } from "./supervision.ts";
import type { ActorClass } from "./system.ts";

/** How an actor was spawned: shared by all that were spawned alike. */
export interface Terms {
  readonly Class: ActorClass;
  readonly kind: Kind;
  readonly supervision: Supervision;
  readonly mailboxMessagesMax: number;
  readonly mailboxBytesMax: number;
}
