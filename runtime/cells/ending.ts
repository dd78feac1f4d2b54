// How an actor ends: drained or at once, with a farewell, after its children. Everything that waited for it settles.

import { ShoalError } from "../../stores/error.ts";
import { Call, Parcel, senderOf } from "./call.ts";
import { type Cell, Phase } from "./cell.ts";
import type { Environment } from "../environment.ts";
import { errorRecord, identity } from "./failure.ts";
import { looked } from "./onlooker.ts";
import type { EndReason } from "../run/records.ts";
import type { Ended, StopOptions } from "../system.ts";
import { turn } from "./turn.ts";

/** What the engine does when an actor ends. */
export interface Registry {
  ended(cell: Cell): void;
  /** A failure that nobody above will judge. */
  escalated(cell: Cell, error: unknown): void;
  readonly counts: { crashes: number; restarts: number };
}

export interface Ending {
  stop(cell: Cell, options: StopOptions, reason: EndReason, error?: unknown): Promise<Ended>;
  /** Tells of the end; the answer stops that. */
  watch(cell: Cell, watcher: (ended: Ended) => void): () => void;
}

export function ending(registry: Registry, leave: (cell: Cell) => void): Ending {
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
    const finishNow = (): void => void finish(cell, reason, error, timeoutMs);
    if (options.now === true) {
      finishNow();
      return promise;
    }
    // A handler that never returns must not keep it from being stopped; the most impatient one counts.
    const deadline = home.environment.now() + timeoutMs;
    const before = extra.draining;
    if (before !== undefined && before.deadline <= deadline) return promise;
    before?.cancel();
    extra.draining = {
      deadline,
      cancel: home.environment.after(timeoutMs, finishNow),
      drained: before?.drained ?? finishNow,
    };
    // One that starts, or waits for a restart, does that first: what it took in is still handled.
    if (cell.phase === Phase.running) cell.phase = Phase.draining;
    // One that stops itself ends after its turn: what its handler returns is still an answer.
    if (turn.actor !== cell) cell.next();
    return promise;
  }

  async function finish(cell: Cell, reason: EndReason, error: unknown, timeoutMs: number): Promise<void> {
    if (cell.phase >= Phase.stopping) return;
    const { home, extra } = cell;
    const finished = cell.phase === Phase.draining && !cell.busy;
    cell.phase = Phase.stopping;
    extra.draining?.cancel();
    extra.draining = undefined;
    // The one that runs came first, and is answered first.
    abandonRunning(cell);
    discardMail(cell, reason);
    const { stopping } = (cell.actor ?? {}) as { stopping?: () => unknown };
    // A crashed actor's state is not to be trusted with a farewell.
    if (stopping !== undefined && reason !== "crashed" && reason !== "escalated") {
      const farewell = (): unknown => {
        const before = turn.actor;
        turn.actor = cell;
        try {
          return looked(cell, "stops", undefined, () => stopping.call(cell.actor));
        } finally {
          turn.actor = before;
        }
      };
      await within(timeoutMs, home.environment, farewell, (thrown) => {
        const failed = {
          actor: identity(cell),
          during: "stopping",
          error: errorRecord(thrown),
          directive: "stop",
        } as const;
        home.record(() => ({ type: "ActorCrashed", ...failed }));
      });
    }
    const children = [...extra.children ?? []];
    const options = { now: !finished, timeoutMs };
    if (children.length > 0) await Promise.all(children.map((child) => stop(child, options, "parent ended")));
    leave(cell);
    cell.phase = Phase.ended;
    const ended = extra.end = endOf(cell, reason, error);
    registry.ended(cell);
    home.record(() => ({ type: "ActorEnded", actor: identity(cell), ...withoutId(ended) }));
    extra.stop?.settle(ended);
    for (const watcher of extra.watchers ?? []) watcher(ended);
    extra.watchers = undefined;
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

  function watch(cell: Cell, watcher: (ended: Ended) => void): () => void {
    if (cell.extras?.end !== undefined) {
      watcher(cell.extras.end);
      return () => {};
    }
    const watchers = cell.extra.watchers ??= new Set();
    // One who watches twice is told twice.
    const own = (ended: Ended): void => watcher(ended);
    watchers.add(own);
    return () => void watchers.delete(own);
  }

  return { stop, watch };
}

/** Settles the message whose handler is under way, for one that has no more say. */
export function abandonRunning(cell: Cell): void {
  const { running } = cell;
  if (running === undefined) return;
  cell.running = undefined;
  const what = cell.phase >= Phase.stopping ? "has ended" : "has failed and begins a new life";
  if (running instanceof Call) running.abandon("Ended", `${cell.className} ${cell.id} ${what}`);
  cell.home.over(running, true);
}

/** One object for all who ask, so nobody may change it. */
function endOf(cell: Cell, reason: EndReason, error: unknown): Ended {
  const ended = { id: cell.id, reason };
  return Object.freeze(error === undefined ? ended : { ...ended, error: Object.freeze(errorRecord(error)) });
}

function withoutId({ reason, error }: Ended): Omit<Ended, "id"> {
  return error === undefined ? { reason } : { reason, error };
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
    if (typeof result !== "object" || result === null || !("then" in result)) return;
    const late = new Promise<void>((_, reject) => {
      const error = new ShoalError("Timeout", `Cannot wait for stopping: it took longer than ${timeoutMs} ms`);
      cancel = environment.after(timeoutMs, () => reject(error));
    });
    await Promise.race([Promise.resolve(result), late]);
  } catch (error) {
    threw(error);
  } finally {
    cancel?.();
  }
}
