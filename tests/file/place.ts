// Where the tests of `file:` happen: a folder of their own each, gone afterwards; and a child process that puts,
// appends and claims in it.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { type FileOptions, fileStore } from "../../stores/file.ts";
import type { Store, StoreEnvironment } from "../../stores/store.ts";
import { realWorld } from "../../runtime/launch/world.ts";
import { commandFor } from "../runner.ts";
import { runtime } from "../suite.ts";

export const real: StoreEnvironment = realWorld;

/** Runs a test in a folder of its own. */
export async function inFolder(call: (root: string) => Promise<void>): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), "shoal-file-"));
  try {
    await call(root);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

export const opened = (root: string, others: Partial<FileOptions> = {}): Promise<Store> =>
  fileStore({ root, run: "r", environment: real, strict: true, ...others });

/** All files below a folder. */
export function filesBelow(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? filesBelow(path) : [path];
  });
}

export interface Child {
  /** Tells one that obeys what to do next, or that there is nothing more. */
  tell(wish?: object): void;
  readonly lines: AsyncIterable<string>;
  kill(signal: "SIGKILL"): void;
  readonly ended: Promise<void>;
}

/** Another process of the same runtime, that does one of the things in child.ts. */
export function child(...args: string[]): Child {
  const path = fileURLToPath(new URL(`./child${import.meta.url.endsWith(".js") ? ".js" : ".ts"}`, import.meta.url));
  const [program, ...first] = commandFor(runtime, path);
  const process: ChildProcess = spawn(program, [...first, ...args], { stdio: ["pipe", "pipe", "inherit"] });
  // One that was killed hears nothing more.
  process.stdin!.on("error", () => {});
  return {
    tell: (wish) =>
      void (wish === undefined ? process.stdin!.end() : process.stdin!.write(`${JSON.stringify(wish)}\n`)),
    lines: createInterface({ input: process.stdout! }),
    kill: (signal) => void process.kill(signal),
    ended: new Promise((resolve, reject) => process.on("close", () => resolve()).on("error", reject)),
  };
}
