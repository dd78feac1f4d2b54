// Samples as they come, over a topic, while others still make them: learnt from in the order of their arrival, once, and
// named as done, so that no more of them lie in the store than somebody still needs.

import { type Dtype, ShoalError, type TensorRef, type Tensors, type Topic } from "../../runtime/mod.ts";
import type { Epoch, Network, Numbers, Samples, Schedule } from "./network.ts";
import { pairsOf, shapeOf } from "./pairs.ts";
import { batchesOf, checkFinite, inOrder, numbersOf, sizeOf } from "./samples.ts";
import type { Waited } from "./window.ts";

/** What one who makes samples tells those who learn. */
export interface Arrival<D extends Dtype = Dtype> {
  /** A tensor of shape (samples, 2, …): each sample an input and its target. */
  readonly samples: TensorRef<D>;
  /** The place of its first sample among all, where that is known: what is told of twice is learnt from once. */
  readonly first?: number;
}

export interface Arrivals extends Required<Samples> {
  readonly waited: Waited;
  /** All that came, by their places among all, or as they came. */
  inOrder(): readonly Arrival[];
  /** Those who simulate do not wait for it any more. */
  close(): void;
}

interface Chunk {
  readonly arrival: Arrival;
  /** The place of its first sample among those that came. */
  readonly at: number;
  readonly count: number;
  readonly data: Numbers;
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
  /** Of an input, and of a target. */
  readonly shape: readonly number[];
  /** Is told of what is not needed any more. */
  done(samples: TensorRef): void;
}

/** Each arrival once, although one that was begun again tells of the same again. */
export async function* once<A extends Arrival>(
  entries: AsyncIterable<{ readonly value: A }>,
): AsyncGenerator<A, void> {
  const seen = new Set<number>();
  for await (const { value } of entries) {
    const { first } = value;
    if (first !== undefined && seen.has(first)) continue;
    if (first !== undefined) seen.add(first);
    yield value;
  }
}

export function arrivals({ store, topic, count, shape, done }: ArrivalsInput): Arrivals {
  const reading = topic.read();
  const coming = once(reading)[Symbol.asyncIterator]();
  const cells = sizeOf(shape);
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
    const found = shapeOf(arrival.samples);
    if (sizeOf(found) !== cells) {
      const said = `samples of tensor ${arrival.samples.id} are ${found.join(" × ")}, expected ${shape.join(" × ")}`;
      throw new ShoalError("BadInput", `Cannot train: ${said}`);
    }
    const began = performance.now();
    const getting = store.get(arrival.samples);
    // A store that answers at once does so here, and the thread waits for it as well.
    if (!isWaiting) waited.sum += (performance.now() - began) / 1000;
    const tensor = await getting;
    const [own = 0] = tensor.shape;
    came.push(arrival);
    chunks.push({
      arrival,
      at: here,
      count: own,
      data: numbersOf(tensor),
      left: own,
      isChecked: false,
      done: () => tensor.done(),
    });
    here += own;
    waited.count++;
  }

  /** That is computing, and nobody waits for the store meanwhile. */
  function check(chunk: Chunk): void {
    const { arrival: { first = chunk.at }, count: own, data } = chunk;
    const input = (index: number) => data.subarray(2 * index * cells, (2 * index + 1) * cells);
    const target = (index: number) => data.subarray((2 * index + 1) * cells, (2 * index + 2) * cells);
    checkFinite({ count: own, inputShape: shape, targetShape: shape, input, target }, first);
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

  function half(index: number, which: 0 | 1): Numbers {
    const { at, data } = chunkOf(index);
    const from = ((index - at) * 2 + which) * cells;
    return data.subarray(from, from + cells);
  }

  return {
    count,
    inputShape: shape,
    targetShape: shape,
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
    inOrder: () => [...came].sort((one, other) => (one.first ?? 0) - (other.first ?? 0)),
    close() {
      for (const chunk of chunks) chunk.done();
      chunks = [];
      // Where it cannot be said, the end of this actor says it.
      reading.close().catch(() => {});
    },
  };
}

/**
 * The epochs of a network: what comes is learnt from as it comes; from the second epoch on all of it is there, and is
 * shuffled. One that goes on from a checkpoint waits until it is.
 */
export async function* epochsOf(
  network: Network,
  source: Samples | Arrivals,
  schedule: Schedule,
  { store, heldBytesMax }: { readonly store: Tensors; readonly heldBytesMax?: number | undefined },
): AsyncGenerator<Epoch, void> {
  if (!("inOrder" in source)) return yield* network.train(source, schedule);
  const { epochs = 1, batch = 1 } = schedule;
  if (network.epoch > 0) { for await (const _ of batchesOf(source, inOrder(source.count), batch)); }
  else yield* network.train(source, { ...schedule, epochs: 1, shuffle: false });
  if (network.epoch >= epochs) return;
  const window = await pairsOf(store, source.inOrder().map(({ samples }) => samples), heldBytesMax);
  try {
    yield* network.train(window, schedule);
  } finally {
    window.close();
  }
}
