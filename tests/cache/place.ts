// Where the tests of the node's cache happen: a folder of memory of their own, children that read, and what the server
// counts of what it has sent.
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Connection } from "../../stores/redis/client.ts";
import { commandFor } from "../runner.ts";
import { runtime } from "../suite.ts";
import type { Said, Told } from "./talk.ts";

export interface Child {
  readonly pid: number;
  tell(told: Told): Promise<Said>;
  kill(): Promise<void>;
  end(): Promise<void>;
}

/** Another process of the same runtime that has opened the store of a URL. */
export async function child(url: string): Promise<Child> {
  const path = fileURLToPath(new URL(`./child${import.meta.url.endsWith(".js") ? ".js" : ".ts"}`, import.meta.url));
  const [program, ...first] = commandFor(runtime, path);
  const started: ChildProcess = spawn(program, [...first, url], { stdio: ["pipe", "pipe", "inherit"] });
  const ended = new Promise<void>((resolve, reject) => started.on("close", () => resolve()).on("error", reject));
  const lines = createInterface({ input: started.stdout! })[Symbol.asyncIterator]();
  // Killed, it reads no more.
  started.stdin!.on("error", () => {});
  const next = async (asked: string): Promise<Said> => {
    const line = await lines.next();
    if (line.done) throw new Error(`The child ended before it answered ${asked}`);
    return JSON.parse(line.value) as Said;
  };
  await next("that it is there");
  return {
    pid: started.pid!,
    tell(told) {
      started.stdin!.write(`${JSON.stringify(told)}\n`);
      return next(JSON.stringify(told));
    },
    async kill() {
      process.kill(started.pid!, "SIGKILL");
      await ended;
    },
    async end() {
      started.stdin!.end();
      await ended;
    },
  };
}

/** What a server has sent since it was started, in bytes. */
export async function sentBytes(server: Connection): Promise<number> {
  const [, bytes] = /total_net_output_bytes:(\d+)/.exec(String(await server.call("INFO", "stats"))) ?? [];
  return Number(bytes);
}

/** What all files below a folder take of its memory, in bytes. */
export function takenBytes(folder: string): number {
  let bytes = 0;
  if (!existsSync(folder)) return 0;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const found = entry.isFile() && statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false });
    if (found) bytes += found.blocks * 512;
  }
  return bytes;
}

/** The links that say what lies in the caches of a folder, or is being fetched into them. */
export const shelved = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isSymbolicLink()).map(({ name }) => name);
