// The contender's side of the protocol, for programs in TypeScript: reads commands, runs them, writes answers.

import process from "node:process";
import { createInterface } from "node:readline";
import { type Answer, type Command, parseAnswer } from "./protocol.ts";

/** What a case measured, without its name. */
export type Measured = { readonly [measured: string]: string | number };

export type Runs = { readonly [name: string]: (command: Command) => Promise<Measured> | Measured };

/** Runs one case for each line on stdin, one after the other, until stdin ends; then what is to be done at the end. */
export async function serve(runs: Runs, end?: () => Promise<void>): Promise<void> {
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    const command: Command = parseAnswer(line);
    process.stdout.write(`${JSON.stringify(await answerTo(runs, command))}\n`);
  }
  await end?.();
  process.exit(0);
}

async function answerTo(runs: Runs, command: Command): Promise<Answer> {
  const run = runs[command.case];
  if (run === undefined) return { case: command.case, error: `no case ${command.case}` };
  try {
    return { ...(await run(command)), case: command.case };
  } catch (error) {
    return { case: command.case, error: String(error) };
  }
}

/** Seconds since `start`, a `performance.now()`. */
export function secondsSince(start: number): number {
  return (performance.now() - start) / 1000;
}

/** Bytes in use after collections; needs --expose-gc. Turns of the event loop let what is about to die do so. */
export async function liveBytes(): Promise<number> {
  const { gc } = globalThis as { gc?: () => void };
  if (gc === undefined) throw new Error("Cannot measure memory: started without --expose-gc");
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    gc();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Computes for a while and does not yield. */
export function spin(micros: number): void {
  const until = performance.now() + micros / 1000;
  while (performance.now() < until);
}

/** How late ticks came: each against the one before, so that a drifting timer and a catching-up one compare. */
export class Lateness {
  readonly #late: number[] = [];
  readonly #periodMs: number;
  #last: number = performance.now();

  constructor(periodMs: number) {
    this.#periodMs = periodMs;
  }

  tick(): void {
    const now = performance.now();
    this.#late.push(Math.max(0, now - this.#last - this.#periodMs));
    this.#last = now;
  }

  measured(): { ticks: number; p99Ms: number; worstMs: number } {
    const late = this.#late.sort((a, b) => a - b);
    const ticks = late.length;
    return { ticks, p99Ms: late[Math.max(0, Math.ceil(ticks * 0.99) - 1)] ?? -1, worstMs: late.at(-1) ?? -1 };
  }
}

/** The runtime this program runs on, for the table. */
export function runtimeVersion(): string {
  const { deno } = process.versions as { deno?: string };
  return deno === undefined ? `Node ${process.versions.node}` : `Deno ${deno}`;
}
