// Training by PyTorch, to compare with: a Python process beside the actor gets every sample through a pipe, and says how
// each epoch went.

import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { ShoalError } from "../../runtime/mod.ts";
import type { Samples } from "../training/network.ts";
import { batchesOf, inOrder, sizeOf } from "../training/samples.ts";

export interface TorchTask {
  readonly grid: number;
  readonly kernel: number;
  readonly epochs: number;
  readonly batch: number;
  readonly learningRate: number;
  readonly seed: number;
}

export interface TorchEpoch {
  readonly epoch: number;
  readonly loss: number;
  readonly samples: number;
}

/** A PyTorch that has started, and waits for its task. */
export interface Torch {
  /** A sentence for the output: what computes. */
  readonly said: string;
  train(task: TorchTask, source: Samples, told: (epoch: TorchEpoch) => void): Promise<{ readonly parameters: number }>;
  end(): void;
}

const program = fileURLToPath(new URL("pytorch.py", import.meta.url));
const errorCharsMax = 4_000;

/** Starts Python, and says so where it, or PyTorch, is not there. */
export async function startTorch(): Promise<Torch> {
  const child = spawn("python3", [program], { stdio: ["pipe", "pipe", "pipe"] });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => errors = (errors + text).slice(-errorCharsMax));
  const failed = new Promise<never>((_, reject) => child.once("error", reject));
  failed.catch(() => {});
  // What it says of its end says more than a pipe that breaks.
  child.stdin.on("error", () => {});
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();

  async function next(): Promise<{ readonly [name: string]: unknown }> {
    try {
      const { done, value } = await Promise.race([lines.next(), failed]);
      if (done !== true) return JSON.parse(value) as { readonly [name: string]: unknown };
    } catch (error) {
      errors ||= error instanceof Error ? error.message : String(error);
    }
    const why = errors.trim().split("\n").at(-1) || "it ended without a word";
    throw new ShoalError(
      "Unavailable",
      `Cannot train with pytorch: ${why}; install torch for the python3 on the PATH, or take --trainer tfjs`,
    );
  }

  const { version, device } = await next();
  return {
    said: `computing by PyTorch ${String(version)} on ${String(device)}`,
    async train(task, source, told) {
      child.stdin.write(`${JSON.stringify({ ...task, count: source.count })}\n`);
      const { parameters } = await next();
      await send(child, source);
      for (let epoch = 1; epoch <= task.epochs; epoch++) {
        const { loss, samples } = await next();
        told({ epoch, loss: Number(loss), samples: Number(samples) });
      }
      return { parameters: Number(parameters) };
    },
    end: () => void child.kill("SIGKILL"),
  };
}

/** Every sample in order, as float32, as fast as they are taken. */
async function send(child: ChildProcessByStdio<Writable, Readable, Readable>, source: Samples): Promise<void> {
  const size = sizeOf(source.inputShape);
  const ended = once(child, "close");
  for await (const chosen of batchesOf(source, inOrder(source.count), 1)) {
    for (const index of chosen) {
      const pair = new Float32Array(2 * size);
      pair.set(source.input(index));
      pair.set(source.target(index), size);
      // One that has ended takes no more, and its last words say why.
      if (!child.stdin.write(new Uint8Array(pair.buffer))) await Promise.race([once(child.stdin, "drain"), ended]);
    }
  }
}
