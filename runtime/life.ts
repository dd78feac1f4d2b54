// How an actor starts, fails, begins a new life, and ends.

import { isShoalError, ShoalError } from "../stores/error.ts";
import { construct } from "./actor.ts";
import { Call, Parcel, senderOf } from "./call.ts";
import { type Cell, Phase } from "./cell.ts";
import type { Environment } from "./environment.ts";
import { copyMessage, passageTo } from "./message.ts";
import type { ActorIdentity, EndReason, ErrorRecord } from "./run/records.ts";
import { decide } from "./supervision.ts";
import type { Ended, StopOptions } from "./system.ts";
import { turn } from "./turn.ts";

/** What the engine does when an actor has begun or ended a life. */
export interface Registry {
  ended(cell: Cell): void;
  /** A failure that nobody above will judge. */
  escalated(cell: Cell, error: unknown): void;
  counts: { crashes: number; restarts: number };
}

/** Who an actor is, for records. */
export function identity(cell: Cell): ActorIdentity {
  const name = cell.extras?.name;
  return name === undefined ? { id: cell.id, class: cell.className } : { id: cell.id, class: cell.className, name };
}

export function errorRecord(error: unknown): ErrorRecord {
  if (!(error instanceof Error)) return { code: "Error", message: String(error) };
  const record = { code: isShoalError(error) ? error.code : error.name, message: error.message };
  return error.stack === undefined ? record : { ...record, stack: error.stack };
}

export interface Lifecycle {
  /** Begins a life: constructs the actor and lets it start. Settles when it takes messages; throws what it threw. */
  begin(cell: Cell): Promise<void> | undefined;
  /** The same for a life after the first, whose failures are judged. */
  again(cell: Cell): void;
  failed(cell: Cell, error: unknown, during: string): void;
  stop(cell: Cell, options: StopOptions, reason: EndReason, error?: unknown): Promise<Ended>;
  watch(cell: Cell, watcher: (ended: Ended) => void): void;
}

export function lifecycle(registry: Registry): Lifecycle {
  function begin(cell: Cell): Promise<void> | undefined {
    cell.phase = Phase.starting;
    const { Class } = cell.terms;
    const { home } = cell;
    const input = typeof cell.input === "object" && cell.input !== null
      ? copyMessage(cell.input, passageTo((reference) => cell.bind(reference), Number.POSITIVE_INFINITY))
      : cell.input;
    const before = turn.actor;
    turn.actor = cell;
    let starting: unknown;
    try {
      const actor = construct(cell, () => new Class(input));
      cell.actor = actor;
      const { started } = actor as { started?: () => unknown };
      if (started !== undefined) starting = started.call(actor);
    } finally {
      turn.actor = before;
    }
    if (!isThenable(starting)) {
      running(cell);
      return undefined;
    }
    const life = cell.life;
    cell.busy = true;
    return Promise.resolve(starting).then(
      () => {
        if (cell.life !== life || cell.phase !== Phase.starting) return;
        cell.busy = false;
        running(cell);
      },
      (error: unknown) => {
        if (cell.life !== life) return;
        cell.busy = false;
        throw error;
      },
    );
  }

  function running(cell: Cell): void {
    cell.home.endViews(cell);
    cell.home.endReceived(cell);
    // One that failed while it was being stopped still handles what it had taken in.
    cell.phase = cell.extras?.drained === undefined ? Phase.running : Phase.draining;
    cell.next();
  }

  function again(cell: Cell): void {
    registry.counts.restarts++;
    try {
      const starting = begin(cell);
      cell.home.record({ type: "ActorRestarted", actor: identity(cell), incarnation: cell.life });
      starting?.catch((error: unknown) => failed(cell, error, "started"));
    } catch (error) {
      failed(cell, error, "started");
    }
  }

  function failed(cell: Cell, error: unknown, during: string): void {
    if (cell.phase >= Phase.stopping) return;
    registry.counts.crashes++;
    const { home, terms } = cell;
    const decision = decide(terms.supervision, cell.extras?.failures, error, home.environment.now());
    const { directive } = decision;
    cell.extra.failures = decision.failures;
    home.record({ type: "ActorCrashed", actor: identity(cell), during, error: errorRecord(error), directive });
    if (directive === "resume") {
      if (cell.phase === Phase.starting) running(cell);
      return;
    }
    if (decision.directive === "restart") {
      leave(cell);
      cell.phase = Phase.waiting;
      if (decision.delayMs > 0) {
        const cancel = home.environment.after(decision.delayMs, () => {
          cell.extras?.leaving?.delete(cancel);
          ready(cell);
        });
        (cell.extra.leaving ??= new Set()).add(cancel);
      } else ready(cell);
      return;
    }
    if (directive === "stop") void stop(cell, { now: true }, "crashed", error);
    else {
      void stop(cell, { now: true }, "escalated", error);
      const { parent } = cell;
      if (parent === undefined || parent.phase === Phase.ended) registry.escalated(cell, error);
      else failed(parent, error, `supervising ${cell.className} ${cell.id}`);
    }
  }

  /** The restart itself happens in turn: a constructor that always throws must not recurse. */
  function ready(cell: Cell): void {
    if (cell.phase !== Phase.waiting || cell.queued) return;
    cell.queued = true;
    cell.home.scheduler.ready(cell);
  }

  /** Ends what belongs to the current life: its children, timers, views; a handler of it that still runs is ignored. */
  function leave(cell: Cell): void {
    cell.life++;
    cell.busy = false;
    cell.actor = undefined;
    const { extras } = cell;
    abandonRunning(cell);
    if (extras === undefined) return;
    for (const cancel of extras.leaving ?? []) cancel();
    delete extras.leaving;
    for (const child of extras.children ?? []) void stop(child, { now: true }, "parent ended");
    delete extras.children;
    for (const call of extras.asking ?? []) call.abandon("Ended", "the one who asked has ended");
    cell.home.endViews(cell);
    cell.home.endReceived(cell);
  }

  function stop(cell: Cell, options: StopOptions, reason: EndReason, error?: unknown): Promise<Ended> {
    const { extra, home } = cell;
    if (extra.stop === undefined) {
      let settle!: (ended: Ended) => void;
      const promise = new Promise<Ended>((resolve) => settle = resolve);
      extra.stop = { promise, settle };
      if (extra.end !== undefined) settle(extra.end);
    }
    const { promise } = extra.stop;
    if (cell.phase >= Phase.stopping) return promise;
    const timeoutMs = options.timeoutMs ?? home.limits.stopTimeoutMs;
    if (options.now === true || cell.phase !== Phase.running) {
      void finish(cell, reason, error, timeoutMs);
      return promise;
    }
    cell.phase = Phase.draining;
    // A handler that never returns must not keep it from being stopped.
    const cancel = home.environment.after(timeoutMs, () => void finish(cell, reason, error, timeoutMs));
    extra.drained = () => {
      cancel();
      void finish(cell, reason, error, timeoutMs);
    };
    cell.next();
    return promise;
  }

  async function finish(cell: Cell, reason: EndReason, error: unknown, timeoutMs: number): Promise<void> {
    if (cell.phase >= Phase.stopping) return;
    const { home, extra } = cell;
    const finished = cell.phase === Phase.draining && !cell.busy;
    cell.phase = Phase.stopping;
    delete extra.drained;
    discardMail(cell, reason);
    abandonRunning(cell);
    const { stopping } = (cell.actor ?? {}) as { stopping?: () => unknown };
    // A crashed actor's state is not to be trusted with a farewell.
    if (stopping !== undefined && reason !== "crashed" && reason !== "escalated") {
      await within(timeoutMs, home.environment, () => stopping.call(cell.actor), (thrown) => {
        home.record({
          type: "ActorCrashed",
          actor: identity(cell),
          during: "stopping",
          error: errorRecord(thrown),
          directive: "stop",
        });
      });
    }
    const children = [...extra.children ?? []];
    const options = { now: !finished, timeoutMs };
    if (children.length > 0) await Promise.all(children.map((child) => stop(child, options, "parent ended")));
    leave(cell);
    cell.phase = Phase.ended;
    const ended = extra.end = endOf(cell, reason, error);
    registry.ended(cell);
    home.record({ type: "ActorEnded", actor: identity(cell), reason, ...(error === undefined ? {} : { error: errorRecord(error) }) });
    extra.stop?.settle(ended);
    for (const watcher of extra.watchers ?? []) watcher(ended);
    delete extra.watchers;
  }

  function abandonRunning(cell: Cell): void {
    const call = cell.running;
    if (call === undefined) return;
    cell.running = undefined;
    call.abandon("Ended", `${cell.className} ${cell.id} has ended`);
    cell.home.over(call, true);
  }

  /** Settles what waits: it never began. */
  function discardMail(cell: Cell, reason: EndReason): void {
    const { home } = cell;
    for (let mailbox = cell.mailbox; mailbox !== undefined; mailbox = cell.mailbox) {
      if (mailbox.length === 0) {
        cell.mailbox = undefined;
        break;
      }
      const { handler, ticket } = mailbox;
      mailbox.drop();
      const error = new ShoalError(
        "Ended",
        `Cannot send ${handler.name} to ${cell.className} ${cell.id}: it ended (${reason}) before this was handled`,
      );
      if (ticket instanceof Parcel) home.over(ticket, false);
      if (ticket instanceof Call) ticket.reject(error);
      else home.deadLetter(cell, senderOf(ticket), handler.name, error);
      if (mailbox.parkedLength > 0) cell.admit(mailbox);
    }
  }

  function watch(cell: Cell, watcher: (ended: Ended) => void): void {
    if (cell.extras?.end !== undefined) watcher(cell.extras.end);
    else (cell.extra.watchers ??= []).push(watcher);
  }

  return { begin, again, failed, stop, watch };
}

function endOf(cell: Cell, reason: EndReason, error: unknown): Ended {
  return error === undefined ? { id: cell.id, reason } : { id: cell.id, reason, error: errorRecord(error) };
}

/** Runs a farewell, but not for ever. */
async function within(
  timeoutMs: number,
  environment: Environment,
  call: () => unknown,
  threw: (error: unknown) => void,
): Promise<void> {
  let cancel: (() => void) | undefined;
  try {
    const result = call();
    if (!isThenable(result)) return;
    const late = new Promise<void>((_, reject) => {
      const error = new ShoalError("Timeout", `Cannot wait for stopping: it took longer than ${timeoutMs} ms`);
      cancel = environment.after(timeoutMs, () => reject(error));
    });
    await Promise.race([result, late]);
  } catch (error) {
    threw(error);
  } finally {
    cancel?.();
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}
