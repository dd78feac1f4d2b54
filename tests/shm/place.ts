// Where the tests of `shm:` happen: folders of memory of their own, gone afterwards; and child processes that put,
// hold and read there.
import { Buffer } from "node:buffer";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { realWorld } from "../../runtime/launch/world.ts";
import { type ShmOptions, shmRoot, shmStore } from "../../stores/shm.ts";
import { errnoOf } from "../../stores/file/disk.ts";
import { foldersOf } from "../../stores/shm/place.ts";
import type { Store, StoreEnvironment } from "../../stores/store.ts";
import { commandFor } from "../runner.ts";
import { runtime } from "../suite.ts";
import type { Said, Told } from "./talk.ts";

export const real: StoreEnvironment = realWorld;
export type Way = "auto" | "never";
export const ways: readonly Way[] = ["auto", "never"];

/** A folder of memory, where the machine has some. */
export const memoryFolder = (): string =>
  mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "shoal-test-"));

/** Runs a test in a folder of its own. */
export async function inMemory(call: (dir: string) => Promise<void>): Promise<void> {
  const dir = memoryFolder();
  try {
    await call(dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

export const opened = (dir: string, others: Partial<ShmOptions> = {}): Promise<Store> =>
  shmStore({ dir, run: "r", environment: real, capacityBytes: 2 ** 28, ...others });

/** The writers whose arenas stand. */
export function arenasIn(dir: string, run: string = "r"): string[] {
  const { arenas } = foldersOf(shmRoot(dir), run);
  return existsSync(arenas) ? readdirSync(arenas).sort() : [];
}

/** Which opening the child is that sees to seats. */
export const seerOf = "5ee5ee5ee5ee5ee5";

export interface Child {
  readonly pid: number;
  readonly lines: AsyncIterator<string>;
  tell(told: Told): Promise<Said>;
  kill(signal: NodeJS.Signals): void;
  /** Lets it go on to its end, or waits for the one that it was sent to. */
  end(): Promise<void>;
}

/** Another process of the same runtime, that does what it is told, or one thing without end. */
export function child(what: "obey" | "write" | "read" | "sweep" | "see", dir: string, way: Way = "auto"): Child {
  const path = fileURLToPath(new URL(`./child${import.meta.url.endsWith(".js") ? ".js" : ".ts"}`, import.meta.url));
  const [program, ...first] = commandFor(runtime, path);
  const started: ChildProcess = spawn(program, [...first, what, dir, way], { stdio: ["pipe", "pipe", "inherit"] });
  const ended = new Promise<void>((resolve, reject) => started.on("close", () => resolve()).on("error", reject));
  const lines = createInterface({ input: started.stdout! })[Symbol.asyncIterator]();
  // Killed, it reads no more.
  started.stdin!.on("error", () => {});
  const pid = started.pid!;
  return {
    pid,
    lines,
    async tell(told) {
      started.stdin!.write(`${JSON.stringify(told)}\n`);
      const line = await lines.next();
      if (line.done) throw new Error(`The child ended before it answered ${JSON.stringify(told)}`);
      return JSON.parse(line.value) as Said;
    },
    // Not by the child's own method: some take the first signal for the last.
    kill(signal) {
      try {
        process.kill(pid, signal);
      } catch (error) {
        if (errnoOf(error) !== "ESRCH") throw error;
      }
    },
    async end() {
      started.stdin!.end();
      await ended;
    },
  };
}

/** Whether all bytes of an array are this one. */
export function isFilled(data: ArrayBufferView, fill: number): boolean {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).equals(Buffer.alloc(data.byteLength, fill));
}
