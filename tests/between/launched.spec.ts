// Durable actors of a real program, on a real disk: killed at any moment, each next process goes on from what was
// answered.

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { assert, fc, runtime, seed, test } from "../suite.ts";

const program = fileURLToPath(new URL(`../programs/savings.${runtime === "node" ? "js" : "ts"}`, import.meta.url));
const flags = runtime === "node" ? [] : ["run", "-A", "--no-lock", "--conditions=source"];

interface Ended {
  readonly code: number | null;
  readonly answers: readonly number[];
  readonly errors: string;
}

interface Run {
  readonly ended: Promise<Ended>;
  kill(): void;
}

/** Runs the program; `answered` is told how many answers have come. */
function savings(args: readonly string[], answered: (count: number) => void): Run {
  const child = spawn(process.execPath, [...flags, program, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  let errors = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    said += chunk;
    answered(said.split("\n").length - 1);
  });
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => errors += chunk);
  return {
    ended: new Promise((resolve) =>
      child.on("close", (code) => resolve({ code, answers: said.split("\n").slice(0, -1).map(Number), errors }))
    ),
    kill: () => child.kill("SIGKILL"),
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
      let last = 0;
      for (const killAfter of fc.sample(fc.nat({ max: 60 }), { numRuns: 6, seed })) {
        const run = savings([url, "r", "100000", "hold"], (count) => {
          if (count > killAfter) run.kill();
        });
        const { answers, errors } = await run.ended;
        assert.equal(errors, "");
        for (const [index, balance] of answers.entries()) {
          // What was asked and not answered may have happened, once.
          if (index === 0) assert.ok(balance > last && balance <= last + 2, `${balance} after ${last}`);
          else assert.equal(balance, last + 1);
          last = balance;
        }
      }
    }),
  { timeoutMs: 60_000 },
);

test(
  "launched: of two processes that are one node, the first is fenced and says so",
  () =>
    inFolder(async (url) => {
      let second: Run | undefined;
      const first = savings([url, "r", "1000000", "hold"], () => {
        second ??= savings([url, "r", "1"], () => {});
      });
      const one = await first.ended;
      assert.notEqual(one.code, 0);
      assert.match(one.errors, /another process has its place/);
      const two = await second!.ended;
      assert.equal(two.code, 0, two.errors);
      const last = one.answers.at(-1)!;
      const [next = 0] = two.answers;
      assert.ok(two.answers.length === 1 && next > last && next <= last + 2, `${two.answers.join()} after ${last}`);
    }),
  { timeoutMs: 60_000 },
);
