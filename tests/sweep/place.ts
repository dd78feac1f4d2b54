// Where the tests of sweeping happen: a folder of their own each, a store in it, what a sweep says of it, and child
// processes that use it and are ended from outside.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { realWorld } from "../../runtime/launch/world.ts";
import { crc32 } from "../../stores/checksum.ts";
import { fileStore } from "../../stores/file.ts";
import type { Store, TensorRef } from "../../stores/store.ts";
import type { HeldRun, Orphan, Place, SweepOptions, Verified } from "../../stores/sweep.ts";
import { folderPlace, type FolderPlaceOptions } from "../../stores/sweep/folder.ts";
import type { Identity } from "../../stores/sweep/identity.ts";
import { commandFor } from "../runner.ts";
import { assert, runtime } from "../suite.ts";

const children: ChildProcess[] = [];

export async function inFolder(call: (root: string) => Promise<void>): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), "shoal-sweep-"));
  try {
    await call(root);
  } finally {
    // Also one that was stopped, and that nobody told to go on because a test failed.
    for (const { pid, exitCode, signalCode } of children.splice(0)) {
      if (exitCode === null && signalCode === null) process.kill(pid!, "SIGKILL");
    }
    rmSync(root, { recursive: true, force: true });
  }
}

export const opened = (root: string, run: string = "r"): Promise<Store> =>
  fileStore({ root, run, environment: realWorld, strict: true });

export const placeAt = (root: string, others: Partial<FolderPlaceOptions> = {}): Place =>
  folderPlace({ root, url: `file://${root}`, environment: realWorld, ...others });

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

export const swept = (root: string, options?: SweepOptions, others?: Partial<FolderPlaceOptions>): Promise<Orphan[]> =>
  all(placeAt(root, others).sweep(options));
export const runsAt = (root: string): Promise<HeldRun[]> => all(placeAt(root).runs());
export const verified = (root: string): Promise<Verified[]> => all(placeAt(root).verify());

export async function stateAt(root: string, run: string = "r"): Promise<string> {
  return (await runsAt(root)).find((one) => one.run === run)?.state ?? "none";
}

/** All files below a folder, by their paths in it. */
export const filesBelow = (folder: string, prefix: string = ""): string[] =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? filesBelow(join(folder, entry.name), `${prefix}${entry.name}/`) : [prefix + entry.name]
  ).sort();

/** Fails unless a tensor is there, with all bytes the same. */
export async function stands(store: Store, ref: TensorRef): Promise<void> {
  const tensor = await store.tensors.get(ref);
  assert.equal(tensor.data.length, ref.bytes);
  assert.ok(tensor.data.every((value) => value === tensor.data[0]));
  tensor.done();
}

/** Writes a small file of the store's as it would, with its checksum. */
export function writeWhole(path: string, text: string): void {
  const line = Buffer.from(`${basename(path)}\n${text}`);
  writeFileSync(path, `${crc32(line).toString(16).padStart(8, "0")}\n${line.toString()}`);
}

/** Makes a record say that another process wrote it. */
export function rewriteRecord(path: string, who: Partial<Identity>): void {
  const record = JSON.parse(readFileSync(path, "utf8").split("\n")[2] ?? "") as { identity: Identity };
  writeWhole(path, JSON.stringify({ ...record, identity: { ...record.identity, ...who } }));
}

export interface Child {
  readonly pid: number;
  /** The next thing it says. */
  said(): Promise<Record<string, unknown>>;
  /** Tells it to go on. */
  tell(): void;
  kill(signal: "SIGKILL" | "SIGSTOP" | "SIGCONT"): void;
  readonly ended: Promise<void>;
}

/** Another process of the same runtime, that does one of the things in child.ts. */
export function child(...args: string[]): Child {
  const path = fileURLToPath(new URL(`./child${import.meta.url.endsWith(".js") ? ".js" : ".ts"}`, import.meta.url));
  const [program, ...first] = commandFor(runtime, path);
  const started = spawn(program, [...first, ...args], { stdio: ["pipe", "pipe", "inherit"] });
  children.push(started);
  const lines = createInterface({ input: started.stdout })[Symbol.asyncIterator]();
  return {
    pid: started.pid!,
    async said() {
      const next = await lines.next();
      if (next.done) throw new Error("The child has ended");
      return JSON.parse(next.value) as Record<string, unknown>;
    },
    tell: () => void started.stdin.write("\n"),
    kill: (signal) => void process.kill(started.pid!, signal),
    ended: new Promise((resolve, reject) => started.on("close", () => resolve()).on("error", reject)),
  };
}

export const timeoutMs = 60_000;

/** What was found, by its kinds. */
export const kinds = (orphans: readonly { readonly kind: string }[]): string[] =>
  orphans.map(({ kind }) => kind).sort();
