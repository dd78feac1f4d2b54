// Finds the publishers of a topic as they come, and learns when there will be no more: by looking, quickly at first.

import { ShoalError } from "../../stores/error.ts";
import type { Claims } from "../../stores/store.ts";
import type { Environment } from "../environment.ts";
import { type Standing, type TopicNames, writerName } from "./frames.ts";
import type { Members } from "./members.ts";
import { standingIn } from "./writer.ts";

export interface FindingParts {
  readonly names: TopicNames;
  readonly members: Members;
  readonly claims: Claims;
  readonly environment: Pick<Environment, "after">;
  ask<T>(what: string, call: () => Promise<T>): Promise<T>;
  /** Calls back when a publisher of this thread has begun; the answer stops that. */
  onPublisher(look: () => void): () => void;
  /** A publisher, by its claim; `isFirst` where it was there before the first look. */
  found(publisher: string, name: string, standing: Standing, isFirst: boolean): void;
  /** There will be no others, and none publishes any more. */
  over(): void;
  looked(): void;
  failed(error: Error): void;
}

export interface Finding {
  readonly isOver: boolean;
  /** Looks for the first time. */
  begin(): Promise<void>;
  close(): void;
}

const lookMs = { first: 4, max: 250 };

export function finding(parts: FindingParts): Finding {
  const { names, members, claims, environment, ask } = parts;
  let seen = 0;
  let isOver = false;
  let isClosed = false;
  let isLooking = false;
  let delayMs = lookMs.first;
  let cancel: (() => void) | undefined;
  let stopListening: (() => void) | undefined;

  async function look(isFirst: boolean): Promise<void> {
    await members.look();
    for (; seen < members.list.length; seen++) {
      const { role, id } = members.list[seen]!;
      if (role !== "publisher") continue;
      const name = writerName(names.publishers, id);
      const claimed = await ask(`find ${id}`, () => claims.claimed(name));
      if (isClosed) return;
      // It has opened its log before it has joined.
      if (claimed === undefined) throw gone(name);
      delayMs = lookMs.first;
      parts.found(id, name, standingIn(name, claimed.value), isFirst);
    }
    if (!members.isOver || isOver) return;
    isOver = true;
    parts.over();
  }

  const gone = (name: string): ShoalError => new ShoalError("Lost", `Cannot find ${name}: the store has lost it`);

  function lookLater(): void {
    if (isClosed || isOver || isLooking) return;
    cancel?.();
    cancel = environment.after(delayMs, () => {
      cancel = undefined;
      delayMs = Math.min(delayMs * 2, lookMs.max);
      lookNow();
    });
  }

  function lookNow(): void {
    if (isLooking || isClosed || isOver) return;
    isLooking = true;
    look(false).catch(parts.failed).finally(() => {
      isLooking = false;
      parts.looked();
      lookLater();
    });
  }

  return {
    get isOver() {
      return isOver;
    },
    async begin() {
      stopListening = parts.onPublisher(() => {
        delayMs = lookMs.first;
        lookLater();
      });
      isLooking = true;
      try {
        await look(true);
      } finally {
        isLooking = false;
        lookLater();
      }
    },
    close() {
      isClosed = true;
      cancel?.();
      stopListening?.();
    },
  };
}
