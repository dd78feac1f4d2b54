// Samples as they come, over a topic, while simulations still run: learnt from in the order of their arrival, once, and
// named as done, so that no more of them lie in the store than somebody still needs.

import { ShoalError, type TensorRef, type Tensors, type Topic } from "../../runtime/mod.ts";
import type { Samples } from "../training/network.ts";
import { checkFinite } from "../training/samples.ts";
import type { Waited } from "../training/window.ts";

/** What one who simulates tells those who learn. */
export interface Arrival {
  /** The place of its first sample among all of the run. */
  readonly first: number;
  readonly samples: TensorRef<"float64">;
}

/** How those who learn while others simulate find each other. */
export interface Online {
  readonly topic: string;
  /** How many read it in all: those who learn, and one who sums up. */
  readonly readers: number;
  /** How many of them are there from the beginning. */
  readonly readersMin: number;
  /** How far one who simulates may be ahead of the slowest of them. */
  readonly creditBytes: number;
  /** How much of what one who simulates has told of is kept for those who come late. */
  readonly retainBytes: number;
}

export interface Arrivals extends Required<Samples> {
  readonly waited: Waited;
  /** All that came, in the order of the run. */
  inOrder(): readonly Arrival[];
  /** Those who simulate do not wait for it any more. */
  close(): void;
}

interface Chunk {
  readonly arrival: Arrival;
  /** The place of its first sample among those that came. */
  readonly at: number;
  readonly count: number;
  readonly data: Float64Array;
  left: number;
  /** Whether its numbers were looked at. */
  isChecked: boolean;
  done(): void;
}

export interface ArrivalsInput {
  readonly store: Tensors;
  readonly topic: Topic<Arrival>;
  /** How many samples will come. */
  readonly count: number;
  readonly grid: number;
  /** Is told of what is not needed any more. */
  done(samples: TensorRef): void;
}

/** Each arrival once, although a simulation that was begun again tells of the same again. */
export async function* once(entries: AsyncIterable<{ readonly value: Arrival }>): AsyncGenerator<Arrival, void> {
  const seen = new Set<number>();
  for await (const { value } of entries) {
    if (seen.has(value.first)) continue;
    seen.add(value.first);
    yield value;
  }
}

export function arrivals({ store, topic, count, grid, done }: ArrivalsInput): Arrivals {
  const reading = topic.read();
  const coming = once(reading)[Symbol.asyncIterator]();
  const cells = grid * grid;
  const waited = { count: 0, sum: 0, max: 0 };
  const came: Arrival[] = [];
  let chunks: Chunk[] = [];
  let here = 0;
  let pulling: Promise<void> | undefined;
  let isWaiting = false;
  /** What went wrong while nobody waited. */
  let trouble: Error | undefined;

  async function pull(): Promise<void> {
    const { done: isOver, value: arrival } = await coming.next();
    if (isOver === true) {
      throw new ShoalError("Lost", `Cannot train: ${here} of ${count} samples have come, and no more will`);
    }
    const began = performance.now();
    const getting = store.get(arrival.samples);
    // A store that answers at once does so here, and the thread waits for it as well.
    if (!isWaiting) waited.sum += (performance.now() - began) / 1000;
    const tensor = await getting;
    const { data, shape: [own = 0] } = tensor;
    came.push(arrival);
    chunks.push({ arrival, at: here, count: own, data, left: own, isChecked: false, done: () => tensor.done() });
    here += own;
    waited.count++;
  }

  /** That is computing, and nobody waits for the store meanwhile. */
  function check(chunk: Chunk): void {
    const { arrival, count: own, data } = chunk;
    const input = (index: number) => data.subarray(2 * index * cells, (2 * index + 1) * cells);
    const target = (index: number) => data.subarray((2 * index + 1) * cells, (2 * index + 2) * cells);
    checkFinite({ count: own, inputShape: [grid, grid], targetShape: [grid, grid], input, target }, arrival.first);
    chunk.isChecked = true;
  }

  /** One at a time, whoever asks. */
  function next(): Promise<void> {
    return pulling ??= pull().finally(() => pulling = undefined);
  }

  function chunkOf(index: number): Chunk {
    const chunk = chunks.find(({ at, count }) => index >= at && index < at + count);
    if (chunk === undefined) throw new TypeError(`Cannot read sample ${index}: it was not made ready`);
    return chunk;
  }

  function half(index: number, which: 0 | 1): Float64Array {
    const { at, data } = chunkOf(index);
    const from = ((index - at) * 2 + which) * cells;
    return data.subarray(from, from + cells);
  }

  return {
    count,
    inputShape: [grid, grid],
    targetShape: [grid, grid],
    waited,
    input: (index) => half(index, 0),
    target: (index) => half(index, 1),
    async ready(chosen, following) {
      const began = performance.now();
      const last = chosen.at(-1)!;
      isWaiting = true;
      try {
        while (here <= last) {
          if (trouble !== undefined) throw trouble;
          await next();
        }
      } finally {
        isWaiting = false;
      }
      const seconds = (performance.now() - began) / 1000;
      waited.sum += seconds;
      waited.max = Math.max(waited.max, seconds);
      for (const index of chosen) {
        const chunk = chunkOf(index);
        if (!chunk.isChecked) check(chunk);
      }
      // One is fetched while these are learnt from; what goes wrong is told when it is needed.
      if (following.length > 0 && here <= following.at(-1)!) next().catch((error: Error) => trouble = error);
    },
    done(chosen) {
      for (const index of chosen) {
        const chunk = chunkOf(index);
        if (--chunk.left > 0) continue;
        chunks = chunks.filter((each) => each !== chunk);
        chunk.done();
        done(chunk.arrival.samples);
      }
    },
    inOrder: () => [...came].sort((one, other) => one.first - other.first),
    close() {
      for (const chunk of chunks) chunk.done();
      chunks = [];
      // Where it cannot be said, the end of this actor says it.
      reading.close().catch(() => {});
    },
  };
}
