// One contender as a process that lives through the rounds of a case: takes a command, gives the answer, in lines.

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import process from "node:process";
import { createInterface } from "node:readline";
import type { Start } from "./case.ts";
import { type Answer, type Command, parseAnswer } from "./protocol.ts";

const stderrCharsMax = 2_000;
const gistCharsMax = 200;
const farewellMs = 2_000;

/** A contender that runs. */
export interface Running {
  readonly pid: number;
  /** Rejects when the process ends, answers with an error, or takes longer than it may; it is of no use after. */
  run(command: Command, timeoutMs: number): Promise<Answer>;
  stop(): Promise<void>;
}

interface Waiting {
  resolve(answer: Answer): void;
  reject(error: Error): void;
}

const alive = new Set<ChildProcessWithoutNullStreams>();
process.on("exit", () => {
  for (const child of alive) child.kill("SIGKILL");
});

/** The one line of all that a dying program wrote that says most. */
function gist(said: string): string {
  const lines = said.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  const line = lines.find((each) => /error|exception|memory/i.test(each)) ?? lines.at(-1);
  return line === undefined ? "" : `: ${line.slice(0, gistCharsMax)}`;
}

export function start(how: Start): Running {
  const child = spawn(how.command, how.args, { stdio: "pipe", env: { ...process.env, NO_COLOR: "1" } });
  let waiting: Waiting | undefined;
  let said = "";
  let over: Error | undefined;
  alive.add(child);
  const end = (why: string): void => {
    alive.delete(child);
    over ??= new Error(`${why}${gist(said)}`);
    waiting?.reject(over);
    waiting = undefined;
  };
  const ended = new Promise<void>((resolve) => {
    child.once("error", (error) => {
      end(error.message);
      resolve();
    });
    child.once("close", (code, signal) => {
      end(`ended with ${signal ?? code}`);
      resolve();
    });
  });
  child.stdin.on("error", () => undefined); // The end of the process says more.
  child.stderr.on("data", (bytes: Uint8Array) => {
    said = `${said}${new TextDecoder().decode(bytes)}`.slice(-stderrCharsMax);
  });
  createInterface({ input: child.stdout }).on("line", (line) => {
    if (!line.startsWith("{") || waiting === undefined) return;
    const { resolve, reject } = waiting;
    waiting = undefined;
    try {
      const answer = parseAnswer(line);
      if (answer["error"] === undefined) resolve(answer);
      else reject(new Error(String(answer["error"])));
    } catch {
      reject(new Error(`answered ${line.slice(0, 200)}`));
    }
  });
  return {
    pid: child.pid ?? -1,
    run: (command, timeoutMs) =>
      new Promise((resolve, reject) => {
        if (over !== undefined) return reject(over);
        const timer = setTimeout(() => {
          end(`no answer within ${timeoutMs / 1000} s`);
          child.kill("SIGKILL");
        }, timeoutMs);
        const settled = (): void => {
          clearTimeout(timer);
        };
        waiting = {
          resolve: (answer) => (settled(), resolve(answer)),
          reject: (error) => (settled(), reject(error)),
        };
        child.stdin.write(`${JSON.stringify(command)}\n`);
      }),
    async stop() {
      child.stdin.end();
      const timer = setTimeout(() => child.kill("SIGKILL"), farewellMs);
      await ended;
      clearTimeout(timer);
    },
  };
}
