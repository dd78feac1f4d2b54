// What runs first in a thread that the main thread has started: it waits to be told which node it is, opens it, and is
// that node until it is told to stop.

import { type MessagePort, workerData } from "node:worker_threads";
import { ShoalError } from "../../stores/error.ts";
import { allowStoreModules, openStore } from "../../stores/open.ts";
import type { OpenOptions, PartStatistics, Store } from "../../stores/store.ts";
import { captureConsole } from "../cells/console.ts";
import type { DeliveryLimits } from "../delivery/events.ts";
import { printLog } from "../log.ts";
import { catalogue } from "../nodes/catalogue.ts";
import { openNode, type RunningNode } from "../nodes/node.ts";
import type { Recipe } from "../nodes/recipe.ts";
import { type Change, type Member, type Place, takers } from "../nodes/registry.ts";
import { gatheredRecords } from "../run/gathered.ts";
import type { Supervision } from "../supervision.ts";
import type { Limits, StopOptions, SystemStatistics } from "../system.ts";
import { offer, remote } from "./control.ts";
import { type Crossing, crossing, type LinkKind } from "./crossing.ts";
import { enter } from "./program.ts";
import type { RecordedNode, Recording, RecordingOptions } from "./recording.ts";
import { realWorld } from "./world.ts";

/**
 * Nobody takes silence for death within a process: a handler may compute for hours, and who has ended is seen to have.
 */
export const threadDelivery: Partial<DeliveryLimits> = { suspendProbesMax: Number.MAX_SAFE_INTEGER };

/** Which node a thread is, and what it stands on. */
export interface ThreadOptions {
  readonly run: string;
  readonly token: string;
  readonly name: string;
  /** The node of the process's main thread. */
  readonly node: string;
  /** All threads of the process that take actors. */
  readonly threads: readonly string[];
  readonly seed: number;
  readonly strict: boolean;
  readonly store: string;
  readonly storeThresholdBytes: number;
  readonly storeModules: readonly string[];
  /** For a store whose URL alone does not lead there. */
  readonly home: MessagePort | undefined;
  readonly program: string | undefined;
  /** A file of the program of one's own that the system is part of. */
  readonly root: string | undefined;
  readonly allow: readonly string[] | undefined;
  readonly limits: Limits;
  readonly supervision: Supervision;
  readonly records: boolean;
  /** What actors are given and do is written down. */
  readonly recording: RecordingOptions | undefined;
  /** What actors say to the console is recorded too. */
  readonly captures: boolean;
  /** The actors of the thread that was this node before. */
  readonly again: readonly Recipe[];
  /** Nobody has been this node before: it has no claim on it to look for. */
  readonly isFirst: boolean;
  /** How it reaches the nodes of other processes, where there are some. */
  readonly beyond: { readonly link: LinkKind; readonly folder: string } | undefined;
  /** The other processes, as far as they are there. */
  readonly processes: readonly Member[];
  /** For whom the store is opened, where not for all kinds of task. */
  readonly only: OpenOptions["only"];
  /** All of these are known. */
  readonly isIn: boolean;
}

/** Writes down what the actors of a node do, where that is wanted: its code is loaded only then. */
export async function recordingFor(
  given: Pick<ThreadOptions, "run" | "program" | "recording"> & Pick<RecordedNode, "node" | "classes" | "say">,
): Promise<Recording | undefined> {
  const { recording: wanted, run, program, node, classes, say } = given;
  if (wanted === undefined) return undefined;
  const { recording } = await import("./recording.ts");
  return recording({ ...wanted, run, program, node, classes, say, token: realWorld.token() });
}

/** What the main thread may ask of a thread. */
export interface ThreadControl {
  open(options: ThreadOptions): Promise<Place>;
  /** There is a port to this node. */
  connect(node: string, port: MessagePort): void;
  /** The process of a node is gone. */
  lost(node: string): void;
  /** One of them has come, or has gone. */
  changed(change: Change): void;
  statistics(): SystemStatistics;
  /** Is answered as soon as no handler computes. */
  ping(): void;
  /** Settles when all actors have ended; others still hear of it. */
  drain(options: StopOptions): Promise<void>;
  close(options: StopOptions): Promise<void>;
}

/** What a thread may ask of the main thread. */
export interface MainControl {
  /** A call to an actor of that node was cancelled, and may go on computing. */
  givenUp(node: string): void;
  /** An actor was made in a thread that some other node has asked for; it has ended. */
  spawned(recipe: Recipe): void;
  ended(id: string): void;
  /** Records, as one text. */
  records(text: string): void;
  /** A failure went up beyond all who could judge it. */
  failed(error: { readonly code: string; readonly message: string }): void;
  /** What this thread has put into each part of the store, and got from there. */
  used(parts: readonly PartStatistics[]): void;
}

export const threadCalls: readonly (keyof ThreadControl)[] = [
  "open",
  "connect",
  "lost",
  "changed",
  "statistics",
  "ping",
  "drain",
  "close",
];
const mainCalls: readonly (keyof MainControl)[] = ["givenUp", "spawned", "ended", "records", "failed", "used"];

/** What the main thread gives to one that it starts. */
export interface ThreadPortsGiven {
  readonly shoalThread: { readonly control: MessagePort; readonly main: MessagePort };
}

/** Opens the node when it is told to. */
function beThread({ control, main }: ThreadPortsGiven["shoalThread"]): void {
  const early: [string, MessagePort][] = [];
  let ways: Crossing | undefined;
  const processes = new Map<string, Member>();
  /** The other nodes of the process, as far as there are ports to them. */
  const near = new Set<string>();
  const head = remote<MainControl>(main, mainCalls, new Promise(() => {}));
  let node: RunningNode | undefined;
  let name = "";
  let opened: Store | undefined;
  let recorded: Recording | undefined;
  let isClosing = false;
  let hasRecords = false;
  let isIn = false;

  const records = gatheredRecords(realWorld, (text) => void head.records(text));

  function say(text: string, level: "warn" | "error" = "warn"): void {
    const said = { type: "MessageLogged", level, text } as const;
    if (hasRecords) records.add({ at: realWorld.date(), node: name, ...said });
    else printLog(said);
  }

  const isKnown = (of: string): boolean =>
    near.has(of) || [...processes.values()].some(({ places }) => places.some((place) => place.node === of));

  async function makeAgain(on: RunningNode, recipe: Recipe): Promise<void> {
    try {
      await on.again(recipe);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      say(`${recipe.class} ${recipe.id} is not made again: ${why}`, "error");
      void head.ended(recipe.id);
    }
  }

  const api: ThreadControl = {
    async open(options) {
      const { run, token, seed, strict, limits, supervision, home } = options;
      name = options.name;
      hasRecords = options.records;
      isIn = options.isIn;
      if (options.captures) captureConsole();
      enter(`thread ${name}${options.program === undefined ? "" : ` of ${options.program}`}`);
      allowStoreModules(...options.storeModules);
      const store = opened = await openStore(options.store, {
        run,
        environment: realWorld,
        strict,
        thresholdBytes: options.storeThresholdBytes,
        ...home === undefined ? {} : { home },
        ...options.only === undefined ? {} : { only: options.only },
      });
      const { beyond } = options;
      ways = crossing(name, beyond === undefined ? undefined : { ...beyond, run, token, home: store });
      for (const [other, port] of early.splice(0)) ways.ports.connect(other, port);
      for (const member of options.processes) if (!processes.has(member.node)) processes.set(member.node, member);
      ways.know(processes.values());
      const classes = catalogue({ program: options.program, root: options.root, allow: options.allow });
      recorded = await recordingFor({ ...options, node: name, classes, say });
      node = await openNode({
        run,
        token,
        name,
        isFirst: options.isFirst,
        seed,
        strict,
        environment: realWorld,
        store,
        link: ways.linking,
        classes,
        onlooker: recorded?.onlooker,
        limits,
        delivery: threadDelivery,
        supervision,
        record: options.records ? records.add : undefined,
        threads: () => Promise.resolve(options.threads),
        processes: (task) => Promise.resolve([...processes.values()].flatMap((one) => takers(one, task))),
        knows: beyond === undefined
          ? undefined
          // Whoever is made again may write before it is known who is there.
          : (of) => !isIn || of === name || options.threads.includes(of) || isKnown(of),
        givenUp: (of) => void head.givenUp(of),
        recipes: {
          spawned: (recipe) => void head.spawned(recipe),
          ended: (id) => void (isClosing || head.ended(id)),
        },
        accounts: "main",
        succeeds: (of) => options.threads.includes(of) || isKnown(of),
      });
      // Whoever asks for them finds them there, and not that they are gone.
      await Promise.all(options.again.map((recipe) => makeAgain(node!, recipe)));
      await ways.begin();
      node.system.ended.catch((error: unknown) => {
        if (isClosing) return;
        const { code = "Unavailable", message = String(error) } = Object(error) as Partial<ShoalError>;
        void head.failed({ code, message });
      });
      return ways.place;
    },
    connect(other, port) {
      near.add(other);
      // What comes before somebody receives waits in the port.
      if (ways === undefined) early.push([other, port]);
      else ways.ports.connect(other, port);
    },
    lost: (other) => node?.lost(other),
    changed(change) {
      const { type, member, lost, isAll = false } = change;
      isIn ||= isAll;
      if (type === "gone") processes.delete(member.node);
      else processes.set(member.node, member);
      ways?.changed(change);
      if (type === "gone") { for (const { node: other } of member.places) node?.gone(other); }
      else for (const other of lost) node?.lost(other);
    },
    statistics() {
      if (node === undefined) throw new ShoalError("Unavailable", "Cannot count: the thread has opened no node");
      return node.system.statistics();
    },
    ping() {},
    async drain(options) {
      isClosing = true;
      await node?.drain(options);
    },
    async close(options) {
      isClosing = true;
      const parts = opened?.statistics().parts;
      if (parts !== undefined) await head.used(parts);
      await node?.system.close(options);
      recorded?.close();
      const rest = records.rest();
      if (rest !== undefined) await head.records(rest);
    },
  };
  offer(api, control);
}

const given = workerData as ThreadPortsGiven | null | undefined;
if (given?.shoalThread !== undefined) beThread(given.shoalThread);
