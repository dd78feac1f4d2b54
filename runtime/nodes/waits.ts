// How long what has left may wait: one wait for all that began together and wait equally long. A timer or a place in a
// list for each would cost more than sending it.

import { lateText } from "../cells/call.ts";
import type { Deadlines } from "../deadlines.ts";
import type { Environment } from "../environment.ts";
import type { Departures } from "./departures.ts";
import { type PostedCall, type PostedTell, Wait } from "./sent.ts";

export interface Waits {
  /** What has no answer yet, or no room, begins to wait. */
  begin(): void;
  /** One that has left waits no more. */
  over(one: { waiting: Wait | undefined }): void;
}

export interface WaitsParts {
  readonly deadlines: Deadlines;
  readonly environment: Pick<Environment, "now">;
  readonly calls: Departures<PostedCall>;
  readonly tells: Departures<PostedTell>;
  /** A tell has waited too long for room. */
  leave(tell: PostedTell): void;
}

/** For answers. Which calls have none is known by their numbers, so that those that have one are not kept here. */
class Answering extends Wait {
  declare private readonly posted: (token: number) => PostedCall | undefined;
  declare private first: number;
  declare private last: number;

  constructor(timeoutMs: number, posted: (token: number) => PostedCall | undefined) {
    super(timeoutMs);
    this.posted = posted;
    this.first = Number.POSITIVE_INFINITY;
    this.last = 0;
  }

  add(call: PostedCall): void {
    call.waiting = this;
    this.first = Math.min(this.first, call.token);
    this.last = Math.max(this.last, call.token);
    this.count++;
  }

  override expired(): void {
    for (let token = this.first; token <= this.last; token++) {
      const call = this.posted(token);
      if (call?.waiting === this) call.abandon("Timeout", lateText(this.timeoutMs));
    }
  }
}

/** For room. */
class Waiting extends Wait {
  declare private tells: PostedTell[];
  declare private readonly leave: (tell: PostedTell) => void;

  constructor(timeoutMs: number, leave: (tell: PostedTell) => void) {
    super(timeoutMs);
    this.tells = [];
    this.leave = leave;
  }

  add(tell: PostedTell): void {
    tell.waiting = this;
    this.tells.push(tell);
    this.count++;
  }

  override isOver(): boolean {
    const isOver = super.isOver();
    if (isOver) this.tells = [];
    return isOver;
  }

  override expired(): void {
    for (const tell of this.tells) if (!tell.settled) this.leave(tell);
  }
}

export function waits({ deadlines, environment, calls, tells, leave }: WaitsParts): Waits {
  let now: number | undefined;
  let answering: Answering | undefined;
  let waiting: Waiting | undefined;

  function beginCall(call: PostedCall): void {
    if (answering?.timeoutMs !== call.timeoutMs) {
      answering = new Answering(call.timeoutMs, calls.get);
      deadlines.add(answering, call.timeoutMs, now ??= environment.now());
    }
    answering.add(call);
  }

  function beginTell(tell: PostedTell): void {
    if (waiting?.timeoutMs !== tell.timeoutMs) {
      waiting = new Waiting(tell.timeoutMs, leave);
      deadlines.add(waiting, tell.timeoutMs, now ??= environment.now());
    }
    waiting.add(tell);
  }

  return {
    begin() {
      tells.fresh(beginTell);
      calls.fresh(beginCall);
      now = undefined;
      answering = undefined;
      waiting = undefined;
    },
    over(one) {
      const wait = one.waiting;
      // One that has grown old before the collector looks would keep all that left with it, and they what left with them.
      one.waiting = undefined;
      if (wait?.isOver() === true) deadlines.remove(wait);
    },
  };
}
