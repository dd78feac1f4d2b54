// Where those who learn look up the samples of a run, in their order: by reference where they are in the store; by value
// where all of them pass through the head, as the results of futures do.

import { Actor, ShoalError, type TensorRef } from "../../runtime/mod.ts";

/** Some of the numbers of one transfer, as one message carries them. */
export interface Frame {
  readonly simulation: number;
  /** The transfer's first step. */
  readonly step: number;
  /** The numbers of the whole transfer, and which of them come first here. */
  readonly length: number;
  readonly at: number;
  readonly data: Float64Array;
}

/** What is known of a transfer before it is fetched. */
export type Piece =
  | { readonly ref: TensorRef<"float64"> }
  | { readonly simulation: number; readonly step: number; readonly length: number };

/** Whoever may send messages of a megabyte sends frames of half one. */
const frameNumbersMax = 2 ** 16;
const pageMax = 1_000;

/** A transfer as messages. */
export function* framesOf(simulation: number, step: number, data: Float64Array): Generator<Frame> {
  for (let at = 0; at < data.length; at += frameNumbersMax) {
    yield { simulation, step, length: data.length, at, data: data.subarray(at, at + frameNumbersMax) };
  }
}

interface Transfer {
  readonly simulation: number;
  readonly step: number;
  readonly data: Float64Array;
}

export class Shelf extends Actor {
  static readonly module: string = import.meta.url;
  readonly #refs: TensorRef<"float64">[] = [];
  readonly #transfers = new Map<string, Transfer>();
  #sorted: readonly Transfer[] | undefined;
  readonly #done = new Map<string, number>();

  /** Takes references in, in their order, behind those that are there. */
  place(refs: readonly TensorRef<"float64">[]): void {
    this.#refs.push(...refs);
  }

  /** One of so many readers needs these no more; when none does, they go. */
  async done({ samples, readers }: { readonly samples: TensorRef; readonly readers: number }): Promise<void> {
    const count = (this.#done.get(samples.id) ?? 0) + 1;
    this.#done.set(samples.id, count);
    if (count < readers) return;
    this.#done.delete(samples.id);
    await this.store.release(samples);
  }

  /** Takes numbers in. A simulation that is begun again sends the same once more. */
  take({ simulation, step, length, at, data }: Frame): void {
    const key = `${simulation} ${step}`;
    let transfer = this.#transfers.get(key);
    if (transfer === undefined) {
      this.#transfers.set(key, transfer = { simulation, step, data: new Float64Array(length) });
      this.#sorted = undefined;
    }
    transfer.data.set(data, at);
  }

  /** What there is, in order; a page from a place on. */
  list({ from }: { readonly from: number }): { readonly pieces: readonly Piece[]; readonly count: number } {
    if (this.#refs.length > 0) {
      return { pieces: this.#refs.slice(from, from + pageMax).map((ref) => ({ ref })), count: this.#refs.length };
    }
    const all = this.#all();
    const pieces = all.slice(from, from + pageMax)
      .map(({ simulation, step, data }) => ({ simulation, step, length: data.length }));
    return { pieces, count: all.length };
  }

  /** Some numbers of a transfer. */
  give({ simulation, step, at }: { readonly simulation: number; readonly step: number; readonly at: number }): Frame {
    const transfer = this.#transfers.get(`${simulation} ${step}`);
    if (transfer === undefined) {
      throw new ShoalError("Missing", `Cannot give step ${step} of simulation ${simulation}: it never came`);
    }
    const { data } = transfer;
    return { simulation, step, length: data.length, at, data: data.subarray(at, at + frameNumbersMax) };
  }

  #all(): readonly Transfer[] {
    return this.#sorted ??= [...this.#transfers.values()]
      .sort((one, other) => one.simulation - other.simulation || one.step - other.step);
  }
}
