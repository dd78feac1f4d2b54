// The command line for tests: started as a user would, in a folder of its own, with runs and an index of its own.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Environment, run, type Said } from "../command.ts";
import { commandFor } from "../runner.ts";
import { root, runtime } from "../suite.ts";

const [command, ...first]: [string, ...string[]] = commandFor(runtime, join(root, "runtime/cli/main.ts"));

/** What a program outside the package imports. */
export const entry: string =
  pathToFileURL(join(root, runtime === "deno" ? "runtime/mod.ts" : "dist/runtime/mod.js")).href;

/** A program of the repository's tests, as the command line takes it. */
export const programPath = (name: string): string =>
  runtime === "deno" ? join(root, `tests/programs/${name}.ts`) : join(root, `dist/tests/programs/${name}.js`);

export interface Folder {
  readonly path: string;
  readonly env: Environment;
  /** Runs the command there to its end. */
  shoal(...args: string[]): Promise<Said>;
  /** Starts it there, or in another folder. */
  start(args: readonly string[], options?: { readonly cwd?: string; readonly env?: Environment }): Started;
  write(name: string, text: string): string;
}

export interface Started {
  readonly child: ChildProcess;
  /** Settles when stdout or stderr holds this. */
  says(text: string | RegExp): Promise<void>;
  readonly ended: Promise<Said>;
}

/** Each folder has its own index of runs, and is removed at the end. */
export async function inFolder(body: (folder: Folder) => Promise<void>, settings: Environment = {}): Promise<void> {
  const path = mkdtempSync(join(tmpdir(), "shoal-cli-"));
  // What `npm test` says to its specs is not meant for the runs that they start.
  const env = { SHOAL_SEED: undefined, SHOAL_STRICT: undefined, XDG_STATE_HOME: join(path, ".state"), ...settings };
  const started: Started[] = [];
  try {
    await body({
      path,
      env,
      shoal: (...args) => run(command, [...first, ...args], { cwd: path, env }),
      start(args, options = {}) {
        const one = start(args, options.cwd ?? path, { ...env, ...options.env });
        started.push(one);
        return one;
      },
      write(name, text) {
        writeFileSync(join(path, name), text);
        return join(path, name);
      },
    });
  } finally {
    for (const { child, ended } of started) {
      // By its id: a child that was sent another signal may refuse this one. It has not ended, so that the id is its own.
      if (child.exitCode === null && child.signalCode === null) process.kill(child.pid!, "SIGKILL");
      await ended;
    }
    rmSync(path, { recursive: true, force: true });
  }
}

function start(args: readonly string[], cwd: string, env: Environment): Started {
  const child = spawn(command, [...first, ...args], {
    cwd,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, NO_COLOR: "1", ...env },
  });
  let stdout = "";
  let stderr = "";
  let isOver = false;
  const waiting = new Set<() => void>();
  const look = (): void => {
    for (const check of waiting) check();
  };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    look();
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
    look();
  });
  const ended = new Promise<Said>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      isOver = true;
      look();
      // Deno as the parent takes an exit with 130 for an end by the signal of that number.
      const shown = signal === "SIGINT" ? 130 : code ?? -1;
      resolve({ code: shown, signal: signal ?? undefined, stdout, stderr });
    });
  });
  return {
    child,
    ended,
    says: (text) =>
      new Promise((resolve, reject) => {
        const check = (): void => {
          const all = stdout + stderr;
          const found = typeof text === "string" ? all.includes(text) : text.test(all);
          if (!found && !isOver) return;
          waiting.delete(check);
          if (found) resolve();
          else reject(new Error(`It ended without saying ${String(text)}: ${all}`));
        };
        waiting.add(check);
        check();
      }),
  };
}

/** Every record of a run, as anybody could read them: lines of JSON. */
export function recordsOf(directory: string): { type: string; [key: string]: unknown }[] {
  const folder = join(directory, "records");
  return readdirSync(folder).sort().flatMap((name) =>
    readFileSync(join(folder, name), "utf8").split("\n").flatMap((line) => {
      try {
        return [JSON.parse(line)];
      } catch {
        return [];
      }
    })
  );
}
