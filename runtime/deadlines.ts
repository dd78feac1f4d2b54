// When waiting ends. Those that wait equally long stand in one list, which is in order by itself: adding and removing
// cost a few pointers, and one timer serves thousands.

import type { Environment } from "./environment.ts";

/**
 * Something that may wait too long. It, and what extends it, declares its fields and sets them in the constructor: to
 * initialize one where it is declared takes V8 ten times as long in a class that several others extend.
 */
export class Expiring {
  declare deadline: number;
  declare before: Expiring | undefined;
  declare behind: Expiring | undefined;
  declare list: Line | undefined;

  constructor() {
    this.deadline = 0;
    this.before = undefined;
    this.behind = undefined;
    this.list = undefined;
  }

  /** Whether its time is over. Where that is never, no clock is read: that costs as much as a message. */
  isLate(environment: Pick<Environment, "now">): boolean {
    return this.deadline !== Number.POSITIVE_INFINITY && environment.now() >= this.deadline;
  }

  /** Called when its time is over. */
  expired(): void {}
}

interface Line {
  readonly waitMs: number;
  first: Expiring | undefined;
  last: Expiring | undefined;
  cancel: (() => void) | undefined;
  /** Whether its timer is only there to see whether anybody has come. */
  lingers: boolean;
}

export interface Deadlines {
  /**
   * Calls `expired` when `waitMs` are over, unless it is removed before. Whoever adds many reads the clock once for all:
   * that costs more than adding.
   */
  add(item: Expiring, waitMs: number, now?: number): void;
  remove(item: Expiring): void;
  close(): void;
}

/** How long a line without members is kept. */
const lingerMs = 250;
/** The longest that timers can wait. */
const waitMsMax = 2 ** 31 - 1;

export function deadlines(environment: Pick<Environment, "now" | "after">): Deadlines {
  const lines = new Map<number, Line>();
  let latest: Line | undefined;

  function lineOf(waitMs: number): Line {
    if (latest !== undefined && latest.waitMs === waitMs) return latest;
    let line = lines.get(waitMs);
    if (line === undefined) {
      line = { waitMs, first: undefined, last: undefined, cancel: undefined, lingers: false };
      lines.set(waitMs, line);
    }
    return latest = line;
  }

  function look(line: Line): void {
    const now = environment.now();
    line.cancel = undefined;
    line.lingers = false;
    for (let first = line.first; first !== undefined && first.deadline <= now; first = line.first) {
      remove(first);
      first.expired();
    }
    if (line.first !== undefined) arm(line, line.first.deadline - now);
    else if (line.cancel === undefined) {
      lines.delete(line.waitMs);
      if (latest === line) latest = undefined;
    }
  }

  function arm(line: Line, waitMs: number): void {
    // Timers of the platform count whole milliseconds and may come early by a fraction.
    line.cancel ??= environment.after(Math.ceil(waitMs), () => look(line));
  }

  function add(item: Expiring, waitMs: number, now: number = environment.now()): void {
    const line = lineOf(Math.min(Math.max(0, waitMs), waitMsMax));
    item.deadline = now + line.waitMs;
    item.list = line;
    item.before = line.last;
    if (line.last === undefined) line.first = item;
    else line.last.behind = item;
    line.last = item;
    if (line.cancel === undefined) arm(line, line.waitMs);
  }

  function remove(item: Expiring): void {
    const line = item.list;
    if (line === undefined) return;
    if (item.before === undefined) line.first = item.behind;
    else item.before.behind = item.behind;
    if (item.behind === undefined) line.last = item.before;
    else item.behind.before = item.before;
    item.list = item.before = item.behind = undefined;
    if (line.first !== undefined || line.cancel === undefined || line.lingers) return;
    // Nobody waits any more. A timer that runs for hours would keep an idle process alive; but the next ask may come
    // at once, and setting a timer for each costs more than the ask.
    line.cancel();
    line.cancel = environment.after(Math.min(lingerMs, line.waitMs), () => look(line));
    line.lingers = true;
  }

  return {
    add,
    remove,
    close() {
      for (const line of lines.values()) line.cancel?.();
      lines.clear();
      latest = undefined;
    },
  };
}
