// Nodes of one run that have real ways to each other: in the process of the test, and in one beside it.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { defaultLimits } from "../../runtime/launch/launch.ts";
import { threadDelivery } from "../../runtime/launch/thread.ts";
import { realWorld } from "../../runtime/launch/world.ts";
import { type LogCounts, type LogEnds, logEnds } from "../../runtime/links/log.ts";
import { type SocketEnds, socketEnds } from "../../runtime/links/socket.ts";
import { type Ways, ways } from "../../runtime/links/ways.ts";
import { openNode, type RunningNode } from "../../runtime/nodes/node.ts";
import { defaultSupervision } from "../../runtime/supervision.ts";
import type { Logs, Store } from "../../stores/store.ts";
import { classesOf } from "../between/world.ts";
import { commandFor } from "../runner.ts";
import { runtime } from "../suite.ts";
import { storeAt } from "./logs.ts";
import { classes } from "./workload.ts";

export interface LinkedOptions {
  readonly run: string;
  readonly token: string;
  readonly node: string;
  /** The nodes that it knows of from the start. */
  readonly others: readonly string[];
  /** A store's URL. */
  readonly store: string;
  /** Where its sockets are; it has none where there is no such place. */
  readonly folder?: string;
  readonly hasLog: boolean;
  readonly only?: "log";
}

export interface Linked {
  readonly running: RunningNode;
  readonly store: Store;
  readonly sockets: SocketEnds | undefined;
  readonly log: LogEnds | undefined;
  readonly ways: Ways;
  close(): Promise<void>;
}

/** What a test puts in place of what a URL gives. */
export interface Replaced {
  readonly store?: Store;
  readonly logs?: (store: Store) => Logs;
}

export async function linked(options: LinkedOptions, replaced: Replaced = {}): Promise<Linked> {
  const { run, token, node, others, folder, hasLog, only } = options;
  const store = replaced.store ?? await storeAt(options.store, run);
  const sockets = folder === undefined ? undefined : socketEnds({ run, token, node, folder });
  const log = hasLog
    ? logEnds({
      logs: replaced.logs?.(store) ?? store.logs,
      frameBytesMax: store.abilities.frameBytesMax,
      node,
      environment: realWorld,
    })
    : undefined;
  for (const other of others) log?.connect(other);
  const all = ways({ sockets, log, only });
  const running = await openNode({
    run,
    token,
    name: node,
    seed: 1,
    strict: true,
    environment: realWorld,
    store,
    link: all.linking,
    classes: classesOf(...classes),
    limits: defaultLimits,
    // On a busy machine silence is no sign of death.
    delivery: threadDelivery,
    supervision: defaultSupervision,
    record: undefined,
  });
  await sockets?.begin();
  log?.begin();
  return { running, store, sockets, log, ways: all, close: () => running.system.close({ now: true }) };
}

/** What another process says, a line each. */
export type Said = { readonly path: string | undefined } | { readonly counts: LogCounts | undefined };
/** What it is told. */
export type Told =
  | { readonly connect: readonly [node: string, path: string] }
  | { readonly close: string };

export interface Beside {
  /** Where it listens. */
  readonly path: string | undefined;
  tell(told: Told): void;
  /** Lets it end, and answers what has crossed its log to and from a node. */
  close(counted: string): Promise<LogCounts | undefined>;
  kill(signal: NodeJS.Signals): void;
  readonly ended: Promise<number | null>;
}

/** A node in a process of its own, on the same runtime. */
export async function beside(options: LinkedOptions): Promise<Beside> {
  const path = fileURLToPath(new URL(`./child${import.meta.url.endsWith(".js") ? ".js" : ".ts"}`, import.meta.url));
  const [program, ...first] = commandFor(runtime, path);
  const child = spawn(program, [...first, JSON.stringify(options)], { stdio: ["pipe", "pipe", "inherit"] });
  const ended = new Promise<number | null>((resolve, reject) => child.on("close", resolve).on("error", reject));
  // One that stands still would outlive a test that fails.
  const end = (): void => void child.kill("SIGKILL");
  process.once("exit", end);
  void ended.finally(() => process.off("exit", end)).catch(() => {});
  // Whoever was killed reads nothing any more.
  child.stdin.on("error", () => {});
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<Said> => {
    const { value, done } = await lines.next();
    if (done === true) throw new Error(`node ${options.node} has ended`);
    return JSON.parse(value) as Said;
  };
  const tell = (told: Told): void => void child.stdin.write(`${JSON.stringify(told)}\n`);
  const said = await next();
  return {
    path: "path" in said ? said.path : undefined,
    tell,
    async close(counted) {
      tell({ close: counted });
      const last = await next();
      await ended;
      return "counts" in last ? last.counts : undefined;
    },
    kill: (signal) => void process.kill(child.pid!, signal),
    ended,
  };
}
