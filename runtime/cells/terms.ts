// The terms on which an actor was spawned.

import { type Kind, kindOf } from "./kind.ts";
import type { TaskKind } from "../../stores/open.ts";
import type { Supervision } from "../supervision.ts";
import type { ActorClass } from "../system.ts";

/** How an actor was spawned: shared by all that were spawned alike. */
export interface Terms<Home> {
  readonly home: Home;
  readonly Class: ActorClass;
  readonly kind: Kind;
  readonly supervision: Supervision;
  /** What its tensors are about. */
  readonly task?: TaskKind | undefined;
  /** Its steps are commits, and all that it sends and gets is carried. */
  readonly durable: boolean;
  readonly mailboxMessagesMax: number;
  readonly mailboxBytesMax: number;
}

class Nobody {}

/** The terms of the program itself, and of actors that are gone: they take no messages. */
export function nobody<Home>(home: Home, name: string): Terms<Home> {
  const kind = kindOf({ name, prototype: Nobody.prototype }, Nobody.prototype);
  return {
    home,
    Class: Nobody,
    kind,
    supervision: noSupervision,
    durable: false,
    mailboxMessagesMax: 0,
    mailboxBytesMax: 0,
  };
}

const noSupervision: Supervision = {
  on: "stop",
  restartsMax: 0,
  windowMs: 0,
  backoffMs: 0,
  backoffMaxMs: 0,
  beyond: "stop",
};
