// One process's part of the work over a medium, and the same part done by another process.

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";
import { found, nothing, pattern } from "./data.ts";
import type { Medium, Ref, Side } from "./medium.ts";

const togetherMax = 256;

/** Resident memory that is this process's own; 0 where the machine does not tell. */
function ownBytes(): number {
  try {
    return Number(/^RssAnon:\s+(\d+) kB/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** Arrays with everything but their serial numbers, made once for each size. */
function arrays(): (bytes: number, count: number) => Float64Array[] {
  let known: Float64Array[] = [];
  return (bytes, count) => {
    if (known[0]?.byteLength !== bytes) known = [];
    while (known.length < count) known.push(known[0]?.slice() ?? pattern(bytes));
    return known.slice(0, count);
  };
}

export interface LocalSide extends Side {
  readonly medium: Medium;
  arraysOf(bytes: number, count: number): Float64Array[];
}

export function localSide(medium: Medium): LocalSide {
  const arraysOf = arrays();
  let most = 0;
  const look = (): void => void (most = Math.max(most, ownBytes()));
  return {
    medium,
    arraysOf,
    async put(bytes, first, count) {
      const refs: Ref[] = [];
      for (let done = 0; done < count; done += togetherMax) {
        const some = arraysOf(bytes, Math.min(togetherMax, count - done));
        some.forEach((data, index) => data[0] = first + done + index);
        refs.push(...await Promise.all(some.map(async (data) => await medium.put(data))));
      }
      look();
      return refs;
    },
    async check(refs, first) {
      let all = nothing;
      for (let done = 0; done < refs.length; done += togetherMax) {
        const some = await Promise.all(refs.slice(done, done + togetherMax).map(async (ref) => await medium.get(ref)));
        some.forEach((each, index) => {
          all = found(all, each.data, first + done + index);
          each.done();
        });
      }
      look();
      return all;
    },
    async release(refs) {
      for (let done = 0; done < refs.length; done += togetherMax) {
        await Promise.all(refs.slice(done, done + togetherMax).map((ref) => medium.release(ref)));
      }
    },
    async ownBytesMost() {
      look();
      const answer = most;
      most = 0;
      return answer;
    },
    close: async () => await medium.close?.(),
  };
}

interface Asked {
  readonly call: "put" | "check" | "release" | "ownBytesMost";
  readonly args: readonly unknown[];
}

/** Does what the other process asks for, one thing after the other, until that ends. */
export async function serveSide(side: Side): Promise<void> {
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    const { call, args } = JSON.parse(line) as Asked;
    const does = side[call] as (...args: readonly unknown[]) => Promise<unknown>;
    const answer = await does(...args).then((value) => ({ value }), (error: unknown) => ({ error: String(error) }));
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
  await side.close();
  process.exit(0);
}

/** The same in a process of its own, started with this command. */
export function remoteSide(command: string, args: readonly string[]): Side {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
  process.on("exit", () => child.kill("SIGKILL"));
  const waiting: { resolve(value: unknown): void; reject(error: Error): void }[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => {
    const { value, error } = JSON.parse(line) as { value?: unknown; error?: string };
    const first = waiting.shift();
    if (error === undefined) first?.resolve(value);
    else first?.reject(new Error(error));
  });
  const ended = new Promise<void>((resolve) => {
    child.on("close", (code) => {
      for (const { reject } of waiting.splice(0)) reject(new Error(`the other process ended with ${code}`));
      resolve();
    });
  });
  const ask = <T>(call: Asked["call"], ...args: readonly unknown[]): Promise<T> =>
    new Promise<unknown>((resolve, reject) => {
      waiting.push({ resolve, reject });
      child.stdin.write(`${JSON.stringify({ call, args } satisfies Asked)}\n`);
    }) as Promise<T>;
  return {
    put: (...args) => ask("put", ...args),
    check: (...args) => ask("check", ...args),
    release: (...args) => ask("release", ...args),
    ownBytesMost: () => ask("ownBytesMost"),
    async close() {
      child.stdin.end();
      await ended;
    },
  };
}
