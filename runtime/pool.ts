// A pool pulls work: a member that is idle takes the next task, and one that ends gives its task back.

import { isShoalError, ShoalError } from "../stores/error.ts";
import type { Deadlines } from "./deadlines.ts";
import { Lanes } from "./lanes.ts";
import { checkStop } from "./options.ts";
import { Place } from "./place.ts";
import type { AskOptions } from "./ref.ts";
import type { Ledger } from "./run/ledger.ts";
import type { Ended, Result, SpawnOptions, StopOptions, TaskOptions } from "./system.ts";
import { Task } from "./task.ts";
import type { TopicReading, TopicSharing } from "./topic.ts";
import { sharing } from "./topics/sharing.ts";

/** A member as the pool uses it. */
export interface Member {
  readonly id: string;
  ask(method: string, message: unknown, options?: AskOptions): Promise<never>;
}

export interface PoolParts<M extends Member> {
  readonly className: string;
  readonly members: readonly M[];
  /** How often a task may begin before it is given up. */
  readonly attemptsMax: number;
  readonly deadlines: Deadlines;
  readonly replyTimeoutMs: number;
  now(): number;
  /** The pool's own copy of a message, kept whole until `done`. */
  accept(message: unknown): { readonly message: unknown; readonly done: () => void };
  /** Whether a member takes messages, or will again. */
  isOpen(member: M): boolean;
  /** Whether what is sent to a member takes its time to get there: it may have more than one task at a time then. */
  isFar(member: M): boolean;
  /** Calls back when a member has nothing to do; never, where it ends before. */
  whenIdle(member: M, call: (member: M) => void): void;
  watch(member: M, watcher: (ended: Ended) => void): void;
  stop(member: M, options: StopOptions): Promise<unknown>;
  /** Keeps what tasks answered beyond this life of the program, where there is a run directory. */
  readonly ledger?: Ledger | undefined;
}

/** How a pool is made, whatever its class. */
export interface Pooling extends Omit<SpawnOptions, "name"> {
  readonly size: number;
  readonly attemptsMax?: number;
  readonly input?: unknown;
  readonly nodes?: readonly string[];
  readonly on?: "threads" | "processes";
}

const nodeOf = ({ id }: Member): string => id.slice(0, id.lastIndexOf("/"));

/** The untyped pool behind `Pool`. */
export interface Work {
  readonly size: number;
  ask(method: string, message?: unknown, options?: TaskOptions): Promise<never>;
  map(method: string, inputs: Iterable<unknown>, options?: TaskOptions): Promise<never[]>;
  results(method: string, inputs: Iterable<unknown>, options?: TaskOptions): AsyncIterable<Result<never>>;
  share(method: string, reading: TopicReading<unknown>, options?: TaskOptions): TopicSharing<never>;
  stop(options?: StopOptions): Promise<void>;
}

export function poolOf<M extends Member>(parts: PoolParts<M>): Work {
  const { deadlines, className } = parts;
  const places = parts.members.map((member) => new Place(member, parts.isFar(member) && parts.attemptsMax > 1));
  /** Those who take tasks: from the first sign of its end on, a member is none of them. */
  const working = new Set(places);
  const idle: Place<M>[] = [...places].reverse();
  let waiting: Task[] = [];
  let gone = 0;
  let stopped = false;
  let lastError: string | undefined;
  for (const place of places) {
    parts.watch(place.member, ({ error }) => {
      lastError = error?.message ?? lastError;
      retire(place);
    });
  }

  function retire(place: Place<M>): void {
    working.delete(place);
    const at = idle.indexOf(place);
    if (at >= 0) idle.splice(at, 1);
    if (working.size === 0) { for (let task = next(); task !== undefined; task = next()) task.fail(nobody(task)); }
  }

  function nobody(task: Task): ShoalError {
    const last = lastError === undefined ? "" : `, the last ended with: ${lastError}`;
    const why = stopped ? "was stopped" : `has no members left${last}`;
    return new ShoalError("Ended", `${task.what}: the pool of ${className} ${why}`);
  }

  /** The task that waits longest and is still wanted; it stays where it is. */
  function first(): Task | undefined {
    while (gone < waiting.length && waiting[gone]!.settled) gone++;
    if (gone >= 64 && gone * 2 >= waiting.length) {
      waiting = waiting.slice(gone).filter(({ settled }) => !settled);
      gone = 0;
    }
    return waiting[gone];
  }

  function next(): Task | undefined {
    const task = first();
    if (task !== undefined) gone++;
    return task;
  }

  function start(task: Task): void {
    if (task.settled) return;
    if (working.size === 0 || stopped) return task.fail(nobody(task));
    const place = first() === undefined ? placeFor(task) : undefined;
    if (place === undefined) waiting.push(task);
    else give(task, place);
  }

  /** One that is idle; or where tasks are shorter than the way to a member, the one who has the least before it. */
  function placeFor(task: Task): Place<M> | undefined {
    // Of those that were lost together one may be what ended the others: they do not go where they were, nor together.
    if (task.attempts > 0) return idle.splice(Math.max(0, idle.findIndex(isApart)), 1)[0];
    const free = idle.pop();
    if (free !== undefined) return free;
    let best: Place<M> | undefined;
    for (const place of working) {
      if (place.room > 0 && (best === undefined || place.given < best.given)) best = place;
    }
    return best;
  }

  /** Whether no other of its node, which would end with it, has one of those either. */
  function isApart({ member }: Place<M>): boolean {
    const node = nodeOf(member);
    for (const other of working) if (other.isAlone && nodeOf(other.member) === node) return false;
    return true;
  }

  function give(task: Task, place: Place<M>): void {
    const { member } = place;
    const now = parts.now();
    const timeoutMs = Math.max(0, task.deadline - now);
    task.given = true;
    place.begin(now, task.attempts > 0);
    task.kept?.began({ id: member.id, class: className }, task.attempts + 1);
    const options = task.signal === undefined ? { timeoutMs } : { timeoutMs, signal: task.signal };
    member.ask(task.method, task.message, options).then(
      (value) => {
        task.done(value);
        // A kill repeats what members are at, and nothing else: what they have done is written down by then.
        task.whenWritten(() => free(place));
      },
      (error: Error) => {
        if (!isShoalError(error, "Ended") && !isShoalError(error, "Lost")) {
          task.fail(error);
          // Given up by its caller, but the handler may still be at it.
          const isBusy = isShoalError(error) && error.outcome === "unknown";
          return task.whenWritten(() => isBusy ? whenIdle(place) : free(place));
        }
        // The member ended, or began a new life, under the task: another may do it. What had begun has counted, in
        // case it is what ends them. One elsewhere that refuses a task at once will refuse each, before anybody says
        // that it has ended.
        const refuses = parts.isFar(member) && isShoalError(error, "Ended") && error.outcome === "failed";
        if (parts.isOpen(member) && !refuses) whenIdle(place);
        else retire(place);
        task.given = false;
        if (error.outcome === "unknown") task.attempts++;
        if (task.attempts >= parts.attemptsMax || stopped) task.fail(error);
        else start(task);
      },
    );
  }

  function whenIdle(place: Place<M>): void {
    parts.whenIdle(place.member, () => free(place));
  }

  function free(place: Place<M>): void {
    place.end(parts.now());
    if (!working.has(place)) return;
    while (place.room > 0) {
      const task = first();
      // One that was under way when a member ended is alone the next time: it may be what ends them.
      if (task === undefined || (task.attempts > 0 && place.given > 0)) break;
      gone++;
      give(task, place);
    }
    if (place.given === 0) idle.push(place);
  }

  /** Takes a message in; answers its task, whose end is told to `settle`, or none where it was done before. */
  function submit(
    method: string,
    message: unknown,
    options: TaskOptions | undefined,
    settle: (error: Error | undefined, value: unknown) => void,
  ): Task | undefined {
    const kept = parts.ledger?.enter(options?.name, className, method, message);
    if (kept?.recorded !== undefined) {
      const { value } = kept.recorded;
      queueMicrotask(() => settle(undefined, value));
      return undefined;
    }
    const accepted = parts.accept(message);
    const task: Task = new Task(method, accepted.message, options?.signal, kept, (error, value) => {
      deadlines.remove(task);
      accepted.done();
      const end = (error: Error | undefined, value: unknown): void => {
        task.written();
        settle(error, value);
      };
      if (kept === undefined) end(error, value);
      else kept.ended(error, value, end);
    });
    const timeoutMs = options?.timeoutMs ?? parts.replyTimeoutMs;
    if (!(timeoutMs >= 0)) task.fail(new ShoalError("BadInput", `${task.what}: timeoutMs is ${String(timeoutMs)}`));
    else {
      deadlines.add(task, timeoutMs);
      start(task);
    }
    return task;
  }

  function ask(method: string, message?: unknown, options?: TaskOptions): Promise<never> {
    return new Promise((resolve, reject) =>
      void submit(
        method,
        message,
        options,
        (error, value) => error === undefined ? resolve(value as never) : reject(error),
      )
    );
  }

  function lanes(method: string, inputs: Iterable<unknown>, options: TaskOptions | undefined): Lanes {
    const open = new Set<Task>();
    parts.ledger?.plan(options?.name ?? `${className}.${method}`, Array.isArray(inputs) ? inputs.length : undefined);
    return new Lanes(inputs, {
      start(message, settle) {
        // It may settle before there is a task to take out.
        let task: Task | undefined = undefined;
        task = submit(method, message, options, (error, value) => {
          if (task !== undefined) open.delete(task);
          settle(error, value);
        });
        if (task?.settled === false) open.add(task);
      },
      wanted() {
        let tasks = 0;
        for (const { given, room } of places) tasks += given + room;
        return Math.max(places.length, tasks);
      },
      cancel() {
        // What a member has begun goes on; what waits is not begun any more.
        for (const task of open) {
          if (!task.given) task.fail(new ShoalError("Cancelled", `${task.what}: it is not wanted any more`));
        }
      },
    });
  }

  return {
    get size() {
      return working.size;
    },
    ask,
    map: (method, inputs, options) => lanes(method, inputs, options).all(),
    results: (method, inputs, options) => lanes(method, inputs, options).each(),
    share: (method, reading, options) =>
      sharing({ reading, members: () => working.size, ask: (value) => ask(method, value, options) }) as TopicSharing<
        never
      >,
    async stop(options = {}) {
      checkStop(`Cannot stop the pool of ${className}`, options);
      stopped = true;
      for (let task = next(); task !== undefined; task = next()) task.fail(nobody(task));
      await Promise.all(parts.members.map((member) => parts.stop(member, options)));
    },
  };
}
