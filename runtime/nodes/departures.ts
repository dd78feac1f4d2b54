// What of a node is under way, by numbers that count from 1. Most ends in the order in which it began: a list with a
// place for each number is several times faster than a map. What stays long goes into one, so that the list stays short.

export interface Departures<T> {
  /** The number of the next. It need not be added. */
  next(): number;
  add(number: number, item: T): void;
  get(number: number): T | undefined;
  take(number: number): T | undefined;
  /** Shows those that have been added since this was last asked, and are still under way. */
  fresh(visit: (item: T) => void): void;
  all(): Iterable<T>;
}

/** What is over is cut off in bulk, so that forgetting one costs nothing. */
const overMax = 256;
/** Numbers between the first in the list and the last. */
const listMax = 16_384;

export function departures<T>(): Departures<T> {
  const late = new Map<number, T>();
  let lateFresh: number[] = [];
  let list: (T | undefined)[] = [];
  /** The number of the first place in the list, and where those begin that are under way. */
  let first = 1;
  let head = 0;
  let last = 0;
  let seen = 0;

  function forget(): void {
    while (head < list.length && list[head] === undefined) head++;
    if (head < overMax || head * 2 < list.length) return;
    list = list.slice(head);
    first += head;
    head = 0;
  }

  function putLate(number: number, item: T): void {
    late.set(number, item);
    if (number > seen) lateFresh.push(number);
  }

  function putOff(): void {
    const item = list[head];
    if (item !== undefined) putLate(first + head, item);
    list[head] = undefined;
    forget();
  }

  function get(number: number): T | undefined {
    return number < first + head ? late.get(number) : list[number - first];
  }

  return {
    next: () => ++last,
    add(number, item) {
      const at = number - first;
      // What came to be while its number was out was looked at without it.
      if (number <= seen) lateFresh.push(number);
      // A number that was given to nobody leaves a place that is empty.
      while (list.length < at) list.push(undefined);
      if (at === list.length) list.push(item);
      else if (at >= head) list[at] = item;
      else putLate(number, item);
      while (list.length - head > listMax) putOff();
    },
    get,
    take(number) {
      const at = number - first;
      if (at < head) {
        const item = late.get(number);
        late.delete(number);
        return item;
      }
      const item = list[at];
      if (item === undefined) return undefined;
      list[at] = undefined;
      if (at === head) forget();
      return item;
    },
    fresh(visit) {
      if (seen === last && lateFresh.length === 0) return;
      const at = Math.max(head, seen - first + 1);
      seen = last;
      const added = lateFresh;
      if (added.length > 0) lateFresh = [];
      for (const number of added) {
        const item = get(number);
        if (item !== undefined) visit(item);
      }
      const items = list;
      for (let i = at, end = items.length; i < end; i++) {
        const item = items[i];
        if (item !== undefined) visit(item);
      }
    },
    *all() {
      yield* late.values();
      for (const item of list.slice(head)) if (item !== undefined) yield item;
    },
  };
}
