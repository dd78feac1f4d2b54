// How an actor starts, fails, and begins a new life. How it ends is in `ending.ts`.

import { ShoalError } from "../../stores/error.ts";
import { construct } from "../actor.ts";
import { type Cell, Phase } from "./cell.ts";
import { isPrimitive } from "../messages/message.ts";
import { abandonRunning, type Ending, ending, type Registry } from "./ending.ts";
import { errorRecord, identity } from "./failure.ts";
import { looked } from "./onlooker.ts";
import { decide, notResuming } from "../supervision.ts";
import { turn } from "./turn.ts";

export interface Lifecycle extends Ending {
  /** Begins a life: constructs the actor and lets it start. Settles when it takes messages; throws what it threw. */
  begin(cell: Cell): Promise<void> | undefined;
  /** The same for a life after the first, whose failures are judged. */
  again(cell: Cell): void;
  failed(cell: Cell, error: unknown, during: string): void;
}

export function lifecycle(registry: Registry): Lifecycle {
  const { stop, watch } = ending(registry, leave);

  function begin(cell: Cell): Promise<void> | undefined {
    cell.phase = Phase.starting;
    const { Class } = cell.terms;
    const input = typeof cell.input === "object" && cell.input !== null
      ? cell.home.pass(cell.input, cell.home.passage(cell, cell.life))
      : cell.input;
    const before = turn.actor;
    turn.actor = cell;
    let starting: unknown;
    try {
      const actor = looked(cell, "begins", input, () => construct(cell, () => new Class(input as never)));
      // A constructor may have ended what it was making.
      if (cell.phase !== Phase.starting) throw endedWhileStarting(cell);
      cell.actor = actor;
      const { started } = actor as { started?: () => unknown };
      const restoring = cell.terms.durable ? cell.home.post?.restore(cell, actor) : undefined;
      const start = (): unknown => looked(cell, "starts", undefined, () => started?.call(actor));
      starting = restoring === undefined ? start() : restoring.then(() => inTurn(cell, start));
    } finally {
      turn.actor = before;
    }
    if (typeof starting !== "object" || starting === null || !("then" in starting)) {
      if (cell.phase !== Phase.starting) throw endedWhileStarting(cell);
      running(cell);
      return undefined;
    }
    const { life } = cell;
    cell.busy = true;
    return Promise.resolve(starting).then(
      () => {
        if (cell.life !== life || cell.phase !== Phase.starting) throw endedWhileStarting(cell);
        cell.busy = false;
        running(cell);
      },
      (error: unknown) => {
        if (cell.life !== life) throw endedWhileStarting(cell);
        cell.busy = false;
        throw error;
      },
    );
  }

  function running(cell: Cell): void {
    const fault = cell.home.endViews(cell);
    cell.home.endReceived(cell);
    cell.extras?.asking?.clear();
    // One that failed while it was drained still handles what it had taken in.
    cell.phase = cell.extras?.draining === undefined ? Phase.running : Phase.draining;
    if (fault !== undefined) failed(cell, fault, "started");
    else cell.next();
  }

  function again(cell: Cell): void {
    registry.counts.restarts++;
    const { life } = cell;
    cell.home.record(() => ({ type: "ActorRestarted", actor: identity(cell), incarnation: life }));
    try {
      const starting = begin(cell);
      starting?.catch((error: unknown) => cell.life === life && failed(cell, error, "started"));
    } catch (error) {
      failed(cell, error, "started");
    }
  }

  function failed(cell: Cell, error: unknown, during: string): void {
    if (cell.phase >= Phase.stopping) return;
    registry.counts.crashes++;
    const { home, terms } = cell;
    // Where no actor was made there is none to go on with.
    const policy = cell.actor === undefined ? notResuming(terms.supervision) : terms.supervision;
    const decision = decide(policy, cell.extras?.failures, error, home.environment.now());
    const { directive } = decision;
    cell.extra.failures = decision.failures;
    if (decision.fault !== undefined) {
      const text = `${decision.fault}; ${cell.className} ${cell.id} is stopped`;
      home.log({ type: "MessageLogged", level: "error", text, actor: identity(cell) });
    }
    home.record(() => ({ type: "ActorCrashed", actor: identity(cell), during, error: errorRecord(error), directive }));
    if (directive === "resume") {
      if (cell.phase === Phase.starting) running(cell);
    } else if (decision.directive === "restart") restart(cell, decision.delayMs);
    else if (directive === "stop") void stop(cell, { now: true }, "crashed", error);
    else {
      const { parent } = cell;
      void stop(cell, { now: true }, "escalated", error);
      if (parent === undefined || parent.phase === Phase.ended) registry.escalated(cell, error);
      else failed(parent, error, `supervising ${cell.className} ${cell.id}`);
    }
  }

  function restart(cell: Cell, delayMs: number): void {
    const children = [...cell.extras?.children ?? []];
    leave(cell);
    cell.phase = Phase.waiting;
    // The references in what waits were bound to the life that has ended.
    cell.mailbox?.renew((message) =>
      isPrimitive(message) ? message : cell.home.pass(message, cell.home.passage(cell, cell.life))
    );
    const { life } = cell;
    const due = (): void => {
      if (cell.life === life && cell.phase === Phase.waiting) ready(cell);
    };
    const cancelled = new Set<() => void>();
    const wait = (): void => {
      if (delayMs <= 0) return due();
      const cancel = cell.home.environment.after(delayMs, () => {
        cell.extras?.leaving?.delete(cancel);
        due();
      });
      (cell.extra.leaving ??= cancelled).add(cancel);
    };
    // The children of the old life end first: their names and what they hold may be wanted again.
    if (children.length === 0) wait();
    else void Promise.all(children.map((child) => stop(child, { now: true }, "parent ended"))).then(wait);
  }

  /** The restart itself happens in turn: a constructor that always throws must not recurse. */
  function ready(cell: Cell): void {
    cell.phase = Phase.due;
    if (cell.queued) return;
    cell.queued = true;
    cell.home.scheduler.ready(cell);
  }

  /** Ends what belongs to the current life: its children, timers, views; a handler of it that still runs is ignored. */
  function leave(cell: Cell): void {
    cell.life++;
    cell.busy = false;
    cell.actor = undefined;
    cell.handling = undefined;
    abandonRunning(cell);
    const { extras } = cell;
    if (extras === undefined) return;
    for (const cancel of extras.leaving ?? []) cancel();
    extras.leaving = undefined;
    for (const child of extras.children ?? []) void stop(child, { now: true }, "parent ended");
    for (const call of extras.asking ?? []) call.abandon("Ended", "the one who asked has ended");
    extras.asking?.clear();
    extras.waitsFor?.clear();
    if (extras.kept !== undefined) extras.views = new Set([...extras.views ?? [], ...extras.kept]);
    extras.kept = undefined;
    cell.home.endViews(cell);
    cell.home.endReceived(cell);
  }

  return { begin, again, failed, stop, watch };
}

function inTurn<T>(cell: Cell, call: () => T): T {
  const before = turn.actor;
  turn.actor = cell;
  try {
    return call();
  } finally {
    turn.actor = before;
  }
}

function endedWhileStarting(cell: Cell): ShoalError {
  return new ShoalError("Ended", `Cannot start ${cell.className} ${cell.id}: it was ended before it had started`);
}
