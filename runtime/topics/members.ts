// Who publishes to a topic and who is waited for: a list that grows, one claim a member, so that to look for more is to
// look up one claim. That nobody publishes any more is its last member.

import { ShoalError } from "../../stores/error.ts";
import type { Claims } from "../../stores/store.ts";
import type { Environment } from "../environment.ts";
import { persistently } from "../nodes/patience.ts";
import type { TopicNames } from "./frames.ts";

export type Role = "publisher" | "reader";

export interface Member {
  readonly role: Role;
  readonly id: string;
}

export interface Members {
  /** In the order in which they came, as far as it is known here. */
  readonly list: readonly Member[];
  /** Nobody publishes any more, and all who have are in the list. */
  readonly isOver: boolean;
  /** Finds those who have come since. */
  look(): Promise<void>;
  /** Enters it, unless it is there. A publisher is refused where the topic is closed. */
  join(role: Role, id: string): Promise<void>;
  close(): Promise<void>;
}

const over = "over";

export function members(topic: string, names: TopicNames, claims: Claims, environment: Environment): Members {
  const list: Member[] = [];
  const known = new Set<string>();
  let count = 0;
  let isOver = false;
  let looking: Promise<void> | undefined;

  const ask = <T>(call: () => Promise<T>): Promise<T> => persistently(environment, `use topic ${topic}`, call);

  function enter(value: string): void {
    count++;
    if (value === over) {
      isOver = true;
      return;
    }
    if (known.has(value)) return;
    known.add(value);
    const at = value.indexOf(" ");
    list.push({ role: value.slice(0, at) as Role, id: value.slice(at + 1) });
  }

  async function lookOn(): Promise<void> {
    for (;;) {
      const at = count;
      const claimed = await ask(() => claims.claimed(`${names.members}${at + 1}`));
      if (claimed === undefined) return;
      if (at === count) enter(claimed.value);
    }
  }

  function look(): Promise<void> {
    return looking ??= lookOn().finally(() => looking = undefined);
  }

  async function add(value: string, isIn: () => boolean): Promise<void> {
    await look();
    while (!isIn()) {
      const at = count;
      const { held, value: stands } = await ask(() => claims.claim(`${names.members}${at + 1}`, 1, value));
      if (at === count) enter(held ? value : stands);
    }
  }

  return {
    list,
    get isOver() {
      return isOver;
    },
    look,
    async join(role, id) {
      const value = `${role} ${id}`;
      await add(value, () => known.has(value) || (isOver && role === "publisher"));
      if (known.has(value)) return;
      throw new ShoalError("Ended", `Cannot publish to ${topic}: it is closed; take another name`);
    },
    close: () => add(over, () => isOver),
  };
}
