// The simulation: a circular wave on a square grid. A whole field leaves as one tensor, or step by step as samples, each
// put where the run's transport says as soon as it is computed.

import { setImmediate } from "node:timers/promises";
import { Actor, type ActorRef, type TensorRef } from "../../runtime/mod.ts";
import type { Online, WaveArrival } from "./online.ts";
import { processOf } from "./places.ts";
import { framesOf, type Shelf } from "./shelf.ts";
import { sine } from "./sine.ts";
import { type Times, timesOf } from "./times.ts";

export interface WaveInput {
  readonly period: number;
  readonly grid: number;
  readonly steps: number;
  /** How long each step takes: the rest of a simulation that this one stands for. */
  readonly stepSeconds?: number;
}

/** One of an ensemble's simulations. */
export interface Simulation extends WaveInput {
  /** Which one, from 0. */
  readonly index: number;
  /** Who takes its samples by value, where they do not go into the store. */
  readonly shelf?: ActorRef<Shelf>;
  /** Where it tells of each as soon as it is there, for those who learn already. */
  readonly online?: Online;
}

/** What a simulation made, and what it took. */
export interface Simulated {
  /** Tensors of shape (samples, 2, grid, grid), in the order of steps; none where they went by value. */
  readonly samples: readonly TensorRef<"float64">[];
  readonly computeSeconds: number;
  /** Each transfer: room in the store, and the sealing there; or the way to the shelf. */
  readonly put: Times;
  /** What it waited for those who learn and had fallen behind. */
  readonly creditSeconds: number;
  readonly process: string;
}

/** Each sample is a pair: the wave at one step, and what it has become at the next. */
export const pair = 2;

/**
 * Samples travel together until they weigh more: below it, a transfer of its own costs more than it carries, and a node
 * that has fetched it does not keep it for its other trainers.
 */
const transferBytes = 2 ** 20;

/** Those who learn may take their time. */
const timeoutMs = 24 * 3_600_000;

/** Simulates one wave a message. */
export class Wave extends Actor {
  static readonly module: string = import.meta.url;

  /** All of a wave as one tensor of shape (steps, 2, grid, grid). */
  async run(wave: WaveInput): Promise<TensorRef<"float64">> {
    const field = await this.store.allocate("float64", [wave.steps, pair, wave.grid, wave.grid]);
    propagate(wave, field.data);
    return await field.seal();
  }

  async simulate(simulation: Simulation): Promise<Simulated> {
    const { grid, steps, shelf, index, online, stepSeconds = 0 } = simulation;
    const topic = online && this.topic<WaveArrival>(online.topic, {
      creditBytes: online.creditBytes,
      retainBytes: online.retainBytes,
      readersMin: online.readersMin,
    });
    const together = samplesTogether(grid, steps, online !== undefined);
    const samples: TensorRef<"float64">[] = [];
    const putSeconds: number[] = [];
    /** When the step that is under way may end. */
    let due = performance.now();
    // Others in this thread may begin as well before anybody computes: they emulate at the same time.
    if (stepSeconds > 0) await setImmediate();
    const step = stepping(simulation);
    let [computeSeconds, creditSeconds] = [0, 0];
    for (let from = 0; from < steps; from += together) {
      const count = Math.min(together, steps - from);
      let at = performance.now();
      const shape = [count, pair, grid, grid];
      const draft = shelf === undefined ? await this.store.allocate("float64", shape) : undefined;
      const data = draft?.data ?? new Float64Array(count * pair * grid * grid);
      let put = performance.now() - at;
      due += put;
      for (let done = 0; done < count; done++) {
        at = performance.now();
        due += stepSeconds * 1000;
        step(data.subarray(done * pair * grid * grid, (done + 1) * pair * grid * grid));
        await lastingUntil(due, this.signal);
        computeSeconds += (performance.now() - at) / 1000;
      }
      at = performance.now();
      if (draft !== undefined) samples.push(await draft.seal());
      else for (const frame of framesOf(index, from, data)) await shelf!.ask("take", frame);
      const putting = performance.now() - at;
      put += putting;
      putSeconds.push(put / 1000);
      at = performance.now();
      const last = samples.at(-1)!;
      if (topic !== undefined) await topic.publish({ first: index * steps + from, samples: last }, { timeoutMs });
      const waiting = performance.now() - at;
      creditSeconds += waiting / 1000;
      // Who waits for others does not compute meanwhile.
      due += putting + waiting;
    }
    return { samples, computeSeconds, put: timesOf(putSeconds), creditSeconds, process: processOf(this.self.id) };
  }
}

/** How many samples of a wave travel together. Where somebody waits for the next one, it travels alone. */
export function samplesTogether(grid: number, steps: number, isAwaited: boolean): number {
  if (isAwaited) return 1;
  const bytes = pair * grid * grid * Float64Array.BYTES_PER_ELEMENT;
  return Math.min(steps, Math.floor(transferBytes / bytes) + 1);
}

/** Lets time pass, unless nobody waits for it any more. A step that was late, others having computed, is made up for. */
async function lastingUntil(due: number, signal: AbortSignal): Promise<void> {
  const rest = due - performance.now();
  if (rest > 0 && !signal.aborted) await new Promise((resolve) => setTimeout(resolve, rest));
}

/** u(r, t) = sin(2r − ωt) / (r + 1) for x and y in [−2π, 2π], as (step, input or target, y, x). */
export function propagate(wave: WaveInput, out: Float64Array): void {
  const size = pair * wave.grid * wave.grid;
  const step = stepping(wave);
  for (let at = 0; at < wave.steps; at++) step(out.subarray(at * size, (at + 1) * size));
}

/** Writes one sample after the other: what a step ends with is what the next one begins with. */
function stepping({ period, grid }: WaveInput): (out: Float64Array) => void {
  const cells = grid * grid;
  const omega = 2 * Math.PI / period;
  const distance = distances(grid);
  const last = new Float64Array(cells);
  let time = 0;
  // Rows are as columns are, to the last bit: each value stands on both sides of the diagonal.
  const height = (t: number): void => {
    for (let row = 0; row < grid; row++) {
      for (let column = row; column < grid; column++) {
        const at = row * grid + column;
        const r = distance[at]!;
        last[at] = last[column * grid + row] = sine(2 * r - omega * t) / (r + 1);
      }
    }
  };
  height(time);
  return (out) => {
    out.set(last);
    height(++time);
    out.set(last, cells);
  };
}

/** All waves of an ensemble are on one grid: its points are measured once in each thread. */
let measured: { readonly grid: number; readonly distance: Float64Array } | undefined;

function distances(grid: number): Float64Array {
  if (measured?.grid === grid) return measured.distance;
  const result = new Float64Array(grid * grid);
  const spacing = grid === 1 ? 0 : 4 * Math.PI / (grid - 1);
  for (let row = 0; row < grid; row++) {
    const y = row * spacing - 2 * Math.PI;
    for (let column = 0; column < grid; column++) {
      const x = column * spacing - 2 * Math.PI;
      result[row * grid + column] = Math.sqrt(x * x + y * y);
    }
  }
  measured = { grid, distance: result };
  return result;
}
