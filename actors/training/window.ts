// Samples that are fetched when a step needs them, the next step's while one learns from these. What fits stays; of what
// does not, no more is held than what is being learnt from, so that a trainer of a gigabyte learns from many.

import { ShoalError } from "../../runtime/mod.ts";
import type { Numbers, Samples } from "./network.ts";
import { checkFinite, sizeOf } from "./samples.ts";

/** Samples that come together: each an input and, behind it, its target. */
export interface Part {
  readonly count: number;
  readonly bytes: number;
  fetch(): Promise<Fetched>;
}

export interface Fetched {
  readonly data: Numbers;
  /** Nobody reads it any more. */
  done(): void;
}

export interface WindowOptions {
  /** What is held at most; what fits in it is fetched once. 256 MiB unless said. */
  readonly heldBytesMax?: number | undefined;
  /** Whether samples that hold what is no number are refused when they come; they are unless said. */
  readonly isChecked?: boolean;
}

/** What somebody waited for: how often something was fetched, and the seconds that passed meanwhile. */
export interface Waited {
  readonly count: number;
  readonly sum: number;
  readonly max: number;
}

export interface Window extends Required<Samples> {
  readonly waited: Waited;
  /** Ends all that is held. */
  close(): void;
}

/** What a window holds unless said. */
export const heldBytesMaxDefault: number = 256 * 2 ** 20;
/** How many are fetched at once where all are. */
const aheadMax = 4;

interface Held {
  readonly bytes: number;
  loading: Promise<void>;
  fetched: Fetched | undefined;
  /** Samples of it that are being learnt from. */
  users: number;
  /** Whether somebody is to read it who has not yet. */
  isWanted: boolean;
}

/** A window on parts whose inputs and targets are of one shape. Where all of them fit, they are fetched at once. */
export async function windowOn(
  parts: readonly Part[],
  shape: readonly number[],
  { heldBytesMax = heldBytesMaxDefault, isChecked = true }: WindowOptions = {},
): Promise<Window> {
  if (!(heldBytesMax >= 0)) {
    throw new ShoalError("BadInput", `Cannot train: heldBytesMax is ${heldBytesMax}, expected a number from 0`);
  }
  const size = sizeOf(shape);
  const firsts: number[] = [];
  let count = 0;
  for (const part of parts) {
    firsts.push(count);
    count += part.count;
  }
  const held = new Map<number, Held>();
  const checked = new Set<number>();
  const waited = { count: 0, sum: 0, max: 0 };
  let heldBytes = 0;
  let isClosed = false;

  function partOf(index: number): number {
    let [low, high] = [0, firsts.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (firsts[middle]! <= index) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  function begin(which: number): Held {
    const there = held.get(which);
    if (there !== undefined) return there;
    const part = parts[which]!;
    const load = async (): Promise<void> => {
      const fetched = await part.fetch();
      if (isClosed) fetched.done();
      else one.fetched = fetched;
    };
    heldBytes += part.bytes;
    const one: Held = { bytes: part.bytes, loading: Promise.resolve(), fetched: undefined, users: 0, isWanted: true };
    held.set(which, one);
    waited.count++;
    one.loading = load();
    // Whoever needs it hears of it, and then it is tried again by the next.
    one.loading.catch(() => drop(which));
    return one;
  }

  const samplesIn = (data: Numbers, own: number): Samples => ({
    count: own,
    inputShape: shape,
    targetShape: shape,
    input: (index) => data.subarray(2 * index * size, (2 * index + 1) * size),
    target: (index) => data.subarray((2 * index + 1) * size, (2 * index + 2) * size),
  });

  /** Looks at the numbers of a part that has come, once: that is computing, and nobody waits for the store meanwhile. */
  function check(which: number): void {
    const data = held.get(which)?.fetched?.data;
    if (!isChecked || checked.has(which) || data === undefined) return;
    try {
      checkFinite(samplesIn(data, parts[which]!.count), firsts[which]);
    } catch (error) {
      drop(which);
      throw error;
    }
    checked.add(which);
  }

  function drop(which: number): void {
    const one = held.get(which);
    if (one === undefined) return;
    held.delete(which);
    heldBytes -= one.bytes;
    one.fetched?.done();
  }

  /** What nobody needs goes, the oldest first, until there is room. */
  function tidy(): void {
    if (heldBytes <= heldBytesMax) return;
    for (const [which, { users, isWanted }] of held) {
      if (users > 0 || isWanted) continue;
      drop(which);
      if (heldBytes <= heldBytesMax) return;
    }
  }

  function waitedSince(began: number): void {
    const seconds = (performance.now() - began) / 1000;
    waited.sum += seconds;
    waited.max = Math.max(waited.max, seconds);
  }

  function half(index: number, which: 0 | 1): Numbers {
    const part = partOf(index);
    const data = held.get(part)?.fetched?.data;
    if (data === undefined) throw new TypeError(`Cannot read sample ${index}: it was not made ready`);
    const at = ((index - firsts[part]!) * 2 + which) * size;
    return data.subarray(at, at + size);
  }

  const window: Window = {
    count,
    inputShape: shape,
    targetShape: shape,
    waited,
    input: (index) => half(index, 0),
    target: (index) => half(index, 1),
    async ready(chosen, next) {
      let began = performance.now();
      const loading = Array.from(chosen, (index) => {
        const one = begin(partOf(index));
        one.users++;
        one.isWanted = false;
        return one;
      }).filter(({ fetched }) => fetched === undefined);
      if (loading.length > 0) await Promise.all(loading.map((one) => one.loading));
      waitedSince(began);
      for (const index of chosen) check(partOf(index));
      // A store that answers at once does so here, and the thread waits for it as well.
      began = performance.now();
      for (const index of next) begin(partOf(index)).isWanted = true;
      waitedSince(began);
      tidy();
    },
    done(chosen) {
      for (const index of chosen) {
        const one = held.get(partOf(index));
        if (one !== undefined) one.users--;
      }
      tidy();
    },
    close() {
      isClosed = true;
      for (const which of held.keys()) drop(which);
    },
  };
  if (parts.reduce((sum, { bytes }) => sum + bytes, 0) > heldBytesMax) return window;
  try {
    for (const which of parts.keys()) {
      const began = performance.now();
      for (let ahead = which; ahead < Math.min(parts.length, which + aheadMax); ahead++) begin(ahead).isWanted = false;
      await held.get(which)!.loading;
      waitedSince(began);
      check(which);
    }
  } catch (error) {
    window.close();
    throw error;
  }
  return window;
}
