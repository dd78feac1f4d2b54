// A pool pulls work: a member that is idle takes the next task, and one that ends gives its task back.

import { isShoalError, ShoalError } from "../stores/error.ts";
import type { Ended, Result, StopOptions } from "./system.ts";
import type { AskOptions } from "./ref.ts";

/** A member as the pool uses it. */
export interface Member {
  readonly id: string;
  ask(method: string, message: unknown, options?: AskOptions): Promise<never>;
}

export interface PoolParts {
  readonly className: string;
  readonly members: readonly Member[];
  readonly attemptsMax: number;
  watch(member: Member, watcher: (ended: Ended) => void): void;
  stop(member: Member, options: StopOptions): Promise<unknown>;
}

/** One task, and who waits for it. */
interface Task {
  readonly method: string;
  readonly message: unknown;
  readonly options: AskOptions | undefined;
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
  attempts: number;
}

/** The untyped pool behind `Pool`. */
export interface Work {
  readonly size: number;
  ask(method: string, message?: unknown, options?: AskOptions): Promise<never>;
  map(method: string, inputs: Iterable<unknown>, options?: AskOptions): Promise<never[]>;
  results(method: string, inputs: Iterable<unknown>, options?: AskOptions): AsyncIterable<Result<never>>;
  stop(options?: StopOptions): Promise<void>;
}

export function poolOf(parts: PoolParts): Work {
  const idle: Member[] = [...parts.members].reverse();
  const alive = new Set(parts.members);
  const waiting: Task[] = [];
  let waitingHead = 0;
  let stopped = false;
  let lastError: string | undefined;
  for (const member of parts.members) {
    parts.watch(member, ({ error }) => {
      alive.delete(member);
      lastError = error?.message ?? lastError;
      const at = idle.indexOf(member);
      if (at >= 0) idle.splice(at, 1);
      if (alive.size === 0) for (let task = take(); task !== undefined; task = take()) task.reject(nobody(task));
    });
  }

  function take(): Task | undefined {
    const task = waiting[waitingHead];
    if (task === undefined) return undefined;
    waitingHead++;
    if (waitingHead >= 1024 && waitingHead * 2 >= waiting.length) {
      waiting.splice(0, waitingHead);
      waitingHead = 0;
    }
    return task;
  }

  function nobody(task: Task): ShoalError {
    const why = stopped ? "was stopped" : `has no members left${lastError === undefined ? "" : `, the last ended with: ${lastError}`}`;
    return new ShoalError("Ended", `Cannot run ${task.method}: the pool of ${parts.className} ${why}`);
  }

  function start(task: Task): void {
    if (alive.size === 0 || stopped) return task.reject(nobody(task));
    const member = idle.pop();
    if (member === undefined) waiting.push(task);
    else give(task, member);
  }

  function give(task: Task, member: Member): void {
    task.attempts++;
    member.ask(task.method, task.message, task.options).then(
      (value) => {
        task.resolve(value);
        next(member);
      },
      (error: unknown) => {
        // The member ended under the task: another may do it, up to a limit, in case it is the task that ends them.
        if (isShoalError(error, "Ended") && task.attempts < parts.attemptsMax && !stopped) start(task);
        else task.reject(error);
        next(member);
      },
    );
  }

  function next(member: Member): void {
    if (!alive.has(member)) return;
    const task = take();
    if (task === undefined) idle.push(member);
    else give(task, member);
  }

  function ask(method: string, message?: unknown, options?: AskOptions): Promise<never> {
    return new Promise((resolve, reject) => start({ method, message, options, resolve, reject, attempts: 0 }));
  }

  /** Takes inputs only as fast as members become idle: a million of them need not exist at once. */
  async function each(
    method: string,
    inputs: Iterable<unknown>,
    options: AskOptions | undefined,
    settled: (result: Result<never>) => boolean,
  ): Promise<void> {
    const iterator = inputs[Symbol.iterator]();
    let index = 0;
    let going = true;
    const lane = async (): Promise<void> => {
      while (going) {
        const { done, value } = iterator.next();
        if (done === true) return;
        const at = index++;
        let result: Result<never>;
        try {
          result = { index: at, value: await ask(method, value, options) };
        } catch (error) {
          result = { index: at, error: error instanceof Error ? error : new Error(String(error)) };
        }
        going &&= settled(result);
      }
    };
    // One lane more than members, so that a member never waits for its next task to be asked.
    await Promise.all(Array.from({ length: parts.members.length + 1 }, lane));
    if (!going) iterator.return?.();
  }

  return {
    get size() {
      return alive.size;
    },
    ask,
    async map(method, inputs, options) {
      const values: never[] = [];
      let failure: Error | undefined;
      await new Promise<void>((resolve, reject) => {
        const settled = (result: Result<never>): boolean => {
          if (result.error === undefined) values[result.index] = result.value;
          else reject(failure = result.error);
          return failure === undefined;
        };
        each(method, inputs, options, settled).then(resolve, reject);
      });
      return values;
    },
    async *results(method, inputs, options) {
      const ready: Result<never>[] = [];
      let wake: (() => void) | undefined;
      let over = false;
      let failure: unknown;
      let left = false;
      each(method, inputs, options, (result) => {
        ready.push(result);
        wake?.();
        return !left;
      }).catch((error: unknown) => failure = error).finally(() => {
        over = true;
        wake?.();
      });
      try {
        while (true) {
          for (let result = ready.shift(); result !== undefined; result = ready.shift()) yield result;
          if (over) break;
          await new Promise<void>((resolve) => wake = resolve);
        }
        if (failure !== undefined) throw failure;
      } finally {
        left = true;
      }
    },
    async stop(options = {}) {
      stopped = true;
      for (let task = take(); task !== undefined; task = take()) task.reject(nobody(task));
      await Promise.all([...alive].map((member) => parts.stop(member, options)));
    },
  };
}
