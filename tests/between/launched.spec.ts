// Durable actors of a real program, on a real disk: killed at any moment, each next process goes on from what was
// answered.

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { assert, fc, runtime, seed, test } from "../suite.ts";

const program = fileURLToPath(new URL(`../programs/savings.${runtime === "node" ? "js" : "ts"}`, import.meta.url));
const flags = runtime === "node" ? [] : ["run", "-A", "--no-lock", "--conditions=source"];

interface Run {
  readonly answers: AsyncIterable<string>;
  readonly ended: Promise<number | null>;
  kill(): void;
  /** All that it has written. */
  said(): string;
  errors(): string;
}

function savings(...args: readonly string[]): Run {
  const child = spawn(process.execPath, [...flags, program, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  let errors = "";
  child.stdout.on("data", (chunk: Uint8Array) => said += new TextDecoder().decode(chunk));
  child.stderr.on("data", (chunk: Uint8Array) => errors += new TextDecoder().decode(chunk));
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  return {
    answers: createInterface({ input: child.stdout }),
    ended,
    kill: () => child.kill("SIGKILL"),
    said: () => said,
    errors: () => errors,
  };
}

async function inFolder(call: (url: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "shoal-savings-"));
  try {
    await call(`file://${folder}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test(
  "launched: a durable actor is there again in the next process, however the last one ended",
  () =>
    inFolder(async (url) => {
      const rounds = fc.sample(fc.nat({ max: 60 }), { numRuns: 6, seed });
      let answered = 0;
      for (const killAfter of rounds) {
        const run = savings(url, "r", "100000", "hold");
        let left = killAfter;
        let first = true;
        for await (const answer of run.answers) {
          const balance = Number(answer);
          // What was asked and not answered may have happened, once.
          if (first) assert.ok(balance > answered && balance <= answered + 2, `${balance} after ${answered}`);
          else assert.equal(balance, answered + 1);
          first = false;
          answered = balance;
          if (left-- === 0) run.kill();
        }
        await run.ended;
        assert.equal(run.errors(), "");
      }
    }),
  { timeoutMs: 60_000 },
);

test("launched: of two processes that are one node, the first is fenced and says so", () =>
  inFolder(async (url) => {
    const first = savings(url, "r", "1000000", "hold");
    let second: Run | undefined;
    let last = 0;
    for await (const answer of first.answers) {
      last = Number(answer);
      second ??= savings(url, "r", "1");
    }
    assert.notEqual(await first.ended, 0);
    assert.match(first.errors(), /Fenced|another process has its place/);
    assert.equal(await second!.ended, 0, second!.errors());
    const answers = second!.said().split("\n").filter((line) => line !== "").map(Number);
    assert.ok(
      answers.length === 1 && answers[0]! >= last + 1 && answers[0]! <= last + 2,
      `${answers.join()} after ${last}`,
    );
  }), { timeoutMs: 60_000 });
