// A pool pulls work: a member that is idle takes the next task, and one that ends gives its task back.

import { isShoalError, ShoalError } from "../stores/error.ts";
import { type Deadlines, Expiring } from "./deadlines.ts";
import { Lanes } from "./lanes.ts";
import { checkStop } from "./options.ts";
import type { AskOptions } from "./ref.ts";
import type { Ledger, LedgerTask } from "./run/ledger.ts";
import { follow } from "./signals.ts";
import type { Ended, Result, SpawnOptions, StopOptions, TaskOptions } from "./system.ts";

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
  readonly on?: "threads";
}

/** The untyped pool behind `Pool`. */
export interface Work {
  readonly size: number;
  ask(method: string, message?: unknown, options?: TaskOptions): Promise<never>;
  map(method: string, inputs: Iterable<unknown>, options?: TaskOptions): Promise<never[]>;
  results(method: string, inputs: Iterable<unknown>, options?: TaskOptions): AsyncIterable<Result<never>>;
  stop(options?: StopOptions): Promise<void>;
}

/** One task. It waits for a member, then for its answer, and settles once. */
class Task extends Expiring {
  readonly method: string;
  readonly message: unknown;
  readonly signal: AbortSignal | undefined;
  attempts = 0;
  settled = false;
  /** Whether its time and its caller's signal are watched by the member's call rather than here. */
  given = false;
  /** What the run keeps of it. */
  readonly kept: LedgerTask | undefined;
  readonly #settle: (error: Error | undefined, value: unknown) => void;
  #unfollow: (() => void) | undefined;

  constructor(
    method: string,
    message: unknown,
    signal: AbortSignal | undefined,
    kept: LedgerTask | undefined,
    settle: (error: Error | undefined, value: unknown) => void,
  ) {
    super();
    this.kept = kept;
    this.method = method;
    this.message = message;
    this.signal = signal;
    this.#settle = settle;
    if (signal === undefined) return;
    const cancel = (): void => {
      if (!this.given) this.fail(new ShoalError("Cancelled", `${this.what}: the caller cancelled it`));
    };
    if (signal.aborted) queueMicrotask(cancel);
    else this.#unfollow = follow(signal, cancel);
  }

  get what(): string {
    return `Cannot run ${this.method} in the pool`;
  }

  override expired(): void {
    if (!this.given) this.fail(new ShoalError("Timeout", `${this.what}: no member became idle in time`));
  }

  done(value: unknown): void {
    this.#end(undefined, value);
  }

  fail(error: Error): void {
    this.#end(error, undefined);
  }

  #end(error: Error | undefined, value: unknown): void {
    if (this.settled) return;
    this.settled = true;
    this.#unfollow?.();
    this.#settle(error, value);
  }
}

export function poolOf<M extends Member>(parts: PoolParts<M>): Work {
  const { deadlines, className } = parts;
  /** Those who take tasks: from the first sign of its end on, a member is none of them. */
  const working = new Set(parts.members);
  const idle: M[] = [...parts.members].reverse();
  let waiting: Task[] = [];
  let gone = 0;
  let stopped = false;
  let lastError: string | undefined;
  for (const member of parts.members) {
    parts.watch(member, ({ error }) => {
      lastError = error?.message ?? lastError;
      retire(member);
    });
  }

  function retire(member: M): void {
    working.delete(member);
    const at = idle.indexOf(member);
    if (at >= 0) idle.splice(at, 1);
    if (working.size === 0) { for (let task = next(); task !== undefined; task = next()) task.fail(nobody(task)); }
  }

  function nobody(task: Task): ShoalError {
    const last = lastError === undefined ? "" : `, the last ended with: ${lastError}`;
    const why = stopped ? "was stopped" : `has no members left${last}`;
    return new ShoalError("Ended", `${task.what}: the pool of ${className} ${why}`);
  }

  /** The task that waits longest and is still wanted. */
  function next(): Task | undefined {
    while (gone < waiting.length) {
      const task = waiting[gone++]!;
      if (gone >= 64 && gone * 2 >= waiting.length) {
        waiting = waiting.slice(gone).filter(({ settled }) => !settled);
        gone = 0;
      }
      if (!task.settled) return task;
    }
    return undefined;
  }

  function start(task: Task): void {
    if (task.settled) return;
    if (working.size === 0 || stopped) return task.fail(nobody(task));
    const member = idle.pop();
    if (member === undefined) waiting.push(task);
    else give(task, member);
  }

  function give(task: Task, member: M): void {
    const timeoutMs = Math.max(0, task.deadline - parts.now());
    task.given = true;
    task.kept?.began({ id: member.id, class: className }, task.attempts + 1);
    const options = task.signal === undefined ? { timeoutMs } : { timeoutMs, signal: task.signal };
    member.ask(task.method, task.message, options).then(
      (value) => {
        task.done(value);
        free(member);
      },
      (error: Error) => {
        if (!isShoalError(error, "Ended") && !isShoalError(error, "Lost")) {
          task.fail(error);
          // Given up by its caller, but the handler may still be at it.
          return isShoalError(error) && error.outcome === "unknown" ? parts.whenIdle(member, free) : free(member);
        }
        // The member ended, or began a new life, under the task: another may do it. What had begun has counted, in
        // case it is what ends them.
        if (parts.isOpen(member)) parts.whenIdle(member, free);
        else retire(member);
        task.given = false;
        if (error.outcome === "unknown") task.attempts++;
        if (task.attempts >= parts.attemptsMax || stopped) task.fail(error);
        else start(task);
      },
    );
  }

  function free(member: M): void {
    if (!working.has(member)) return;
    const task = next();
    if (task === undefined) idle.push(member);
    else give(task, member);
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
      if (kept === undefined) settle(error, value);
      else kept.ended(error, value, settle);
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
    return new Lanes(inputs, parts.members.length, {
      start(message, settle) {
        // It may settle before there is a task to take out.
        let task: Task | undefined = undefined;
        task = submit(method, message, options, (error, value) => {
          if (task !== undefined) open.delete(task);
          settle(error, value);
        });
        if (task?.settled === false) open.add(task);
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
    async stop(options = {}) {
      checkStop(`Cannot stop the pool of ${className}`, options);
      stopped = true;
      for (let task = next(); task !== undefined; task = next()) task.fail(nobody(task));
      await Promise.all(parts.members.map((member) => parts.stop(member, options)));
    },
  };
}
