// The threads of a process, seen from the main one: starts them when they are first wanted, gives each two a port for
// their mail, and puts a successor into the place of one that has ended.

import { MessageChannel, type MessagePort, SHARE_ENV, Worker } from "node:worker_threads";
import { ShoalError } from "../../stores/error.ts";
import type { PartStatistics, Store } from "../../stores/store.ts";
import type { ThreadPorts } from "../links/thread.ts";
import type { Recipe, Recipes } from "../nodes/recipe.ts";
import type { Change, Member, Place } from "../nodes/registry.ts";
import { recordsIn } from "../run/gathered.ts";
import type { RunRecord } from "../run/records.ts";
import type { StopOptions, SystemStatistics } from "../system.ts";
import { offer, type Remote, remote, transfer } from "./control.ts";
import { form } from "./joining.ts";
import { graceMs, inTime } from "./patience.ts";
import { recipeBook } from "./recipes.ts";
import {
  type MainControl,
  threadCalls,
  type ThreadControl,
  type ThreadOptions,
  type ThreadPortsGiven,
} from "./thread.ts";

export interface ThreadsOptions {
  /** What each of them is told, beside who it is. */
  readonly told: Omit<ThreadOptions, "name" | "threads" | "home" | "processes" | "again">;
  /** The actors of the threads of the process that was this node before. */
  readonly again: readonly Recipe[];
  readonly count: number;
  /** Which process leads the run: the names of its threads say so, from the second on. */
  epoch(): number;
  /** The other processes of the run, as far as they are there. */
  known(): readonly Member[];
  /** Its threads are there, or some of them are others now. */
  readonly moved: (lost: readonly string[]) => void;
  /** A call to an actor of another process was given up. */
  readonly givenUpElsewhere: (node: string) => void;
  /** Is told what a thread has put into each part of the store, and got from there. */
  readonly used?: (parts: readonly PartStatistics[]) => void;
  /** Whoever outlives this process is to know of the actors in its threads. */
  readonly recipes: Recipes | undefined;
  readonly opened: Store;
  /** The main thread's own ports. */
  readonly ports: ThreadPorts;
  readonly record: ((record: RunRecord) => void) | undefined;
  /** A thread has ended that was not told to, and what was asked of its node is to be settled. */
  readonly lost: (node: string) => void;
  /** Settles when a thread has taken in what was sent to it, and what it has sent is here. */
  readonly reached: (node: string) => Promise<void>;
  /** A thread has ended while the system closes: nobody takes its place. */
  readonly gone: (node: string) => void;
  /** A failure in a thread went up beyond all who could judge it. */
  readonly failed: (error: ShoalError) => void;
  readonly say: (text: string) => void;
  /** Most that a thread's heap may take; as the runtime sees fit unless said. */
  readonly threadHeapBytesMax: number | undefined;
}

export interface Threads {
  /** Their nodes, once all of them run. */
  nodes(): Promise<readonly string[]>;
  has(node: string): boolean;
  /** These actors are to be made again when their node comes to be here. */
  expect(again: readonly Recipe[]): void;
  /** The actors of this thread that would be made again. */
  kept(node: string): readonly Recipe[];
  /** A node of a process that was given up lives on here. Settles when it is there. */
  adopt(node: string): Promise<void>;
  /** Where others find those that run. */
  places(): readonly Place[];
  /** A process of the run has come, or has gone. */
  changed(change: Change): void;
  /** A call to an actor there was given up: where its handler still computes, its thread is ended. */
  givenUp(node: string): void;
  statistics(): Promise<readonly SystemStatistics[]>;
  /** Lets the actors of all threads end. Their nodes stay: whoever still asks there is told so. */
  drain(options: StopOptions): Promise<void>;
  close(options: StopOptions): Promise<void>;
}

/** One thread that is a node; its successor is another. */
interface Thread {
  readonly worker: Worker;
  readonly control: Remote<ThreadControl>;
  readonly ended: Promise<Error>;
  /** Settles when the node is open. */
  readonly opened: Promise<void>;
  place: Place | undefined;
}

type Own = Pick<ThreadOptions, "home" | "isFirst">;
/** How long what a thread said before its end may be on its way. */
const heardMs = 100;
/** The wait before a successor that could not start is tried again; it doubles. */
const [retryMs, retryMsMax] = [100, 10_000];

export function threads(options: ThreadsOptions): Threads {
  const names: string[] = [];
  const running = new Map<string, Thread>();
  const [guests, probed] = [new Set<string>(), new Set<string>()];
  const { stopTimeoutMs } = options.told.limits;
  const recipes = recipeBook(options.told.supervision, options.failed);
  let starting: Promise<readonly string[]> | undefined;
  let isClosing = false;
  recipes.expect(options.again);

  /** The names of an earlier process's threads are not theirs: whoever was found there is gone. */
  async function startAll(): Promise<readonly string[]> {
    const suffix = options.epoch() === 1 ? "" : `@${options.epoch()}`;
    for (let number = 1; number <= options.count; number++) names.push(`${options.told.node}-t${number}${suffix}`);
    await Promise.all(names.map((name) => start(name, 0, options.told.isFirst)).map(({ opened }) => opened));
    options.moved([]);
    return names;
  }

  function start(name: string, failures = 0, isFirst = false): Thread {
    const [control, main] = [new MessageChannel(), new MessageChannel()];
    const given: ThreadPortsGiven = { shoalThread: { control: control.port2, main: main.port2 } };
    const { threadHeapBytesMax: heapBytesMax } = options;
    const worker = new Worker(new URL(`./thread${form}`, import.meta.url), {
      name,
      workerData: given,
      // A copy would hide from native libraries what an actor sets before it loads them: which GPUs are its own.
      env: SHARE_ENV,
      transferList: [control.port2, main.port2],
      ...heapBytesMax === undefined ? {} : { resourceLimits: { maxOldGenerationSizeMb: heapBytesMax / 2 ** 20 } },
    });
    let why = "it was ended";
    worker.on("error", (error: unknown) => {
      why = error instanceof Error ? error.message : String(error);
    });
    // What it has said before its end comes before the end of the port.
    const heard = new Promise<void>((resolve) => main.port1.on("close", resolve));
    const ended = new Promise<Error>((resolve) => {
      worker.on("exit", (code) => {
        const text = `Thread ${name} has ended: ${code === 0 || why !== "it was ended" ? why : `exit code ${code}`}`;
        const over = (): void => {
          clearTimeout(timer);
          resolve(new ShoalError("Lost", text, { outcome: "unknown" }));
        };
        // Of a thread that was ended while it computed, Deno does not say that its ports are closed.
        const timer = setTimeout(over, heardMs);
        void heard.then(over);
      });
    });
    const sharing = options.opened.share?.();
    const calls = remote<ThreadControl>(control.port1, threadCalls, ended);
    offer(headFor(name), main.port1);
    const opening = open(name, calls, { home: sharing?.port, isFirst });
    const isGuest = guests.has(name);
    const opened = opening.then((place) => void (thread.place = isGuest ? { ...place, isGuest } : place));
    const thread: Thread = { worker, control: calls, ended, opened, place: undefined };
    void ended.then(() => {
      sharing?.ended();
      // Where nobody says that their other ends are gone, they would keep the process.
      for (const { port1 } of [control, main]) port1.close();
    });
    for (const [other, { control: to }] of running) if (other !== name) join(name, calls, other, to);
    running.set(name, thread);
    const { port1, port2 } = new MessageChannel();
    options.ports.connect(name, port1);
    settled(calls.connect(...carried(options.told.node, port2)));
    thread.opened.catch(() => worker.terminate());
    void ended.then((error) => succeed(name, thread, error, failures));
    return thread;
  }

  function open(name: string, calls: Remote<ThreadControl>, own: Own): Promise<Place> {
    const who = { name, threads: names, processes: options.known(), again: recipes.of(name), ...own };
    const told: ThreadOptions = { ...options.told, ...who };
    return calls.open(own.home === undefined ? told : transfer(told, [own.home]));
  }

  const carried = (node: string, port: MessagePort): [string, MessagePort] => [node, transfer(port, [port])];

  function join(one: string, to: Remote<ThreadControl>, other: string, toOther: Remote<ThreadControl>): void {
    const { port1, port2 } = new MessageChannel();
    settled(to.connect(...carried(other, port1)));
    settled(toOther.connect(...carried(one, port2)));
  }
  function headFor(name: string): MainControl {
    return {
      givenUp,
      spawned(recipe) {
        recipes.spawned(name, recipe);
        options.recipes?.spawned(recipe);
      },
      ended(id) {
        recipes.ended(name, id);
        options.recipes?.ended(id);
      },
      records(text) {
        for (const record of recordsIn(text)) options.record?.(record);
      },
      failed({ code, message }) {
        options.failed(new ShoalError(code as ShoalError["code"], message));
      },
      used: (parts) => options.used?.(parts),
    };
  }

  /** Somebody must be the node: what is under way to it is settled by whoever is it next. */
  function succeed(name: string, thread: Thread, error: Error, failures: number): void {
    options.ports.disconnect(name);
    if (running.get(name) === thread) running.delete(name);
    if (isClosing) return options.gone(name);
    options.say(`${error.message}; another takes its place`);
    const before = recipes.of(name);
    recipes.lost(name, error);
    for (const { id } of before) if (!recipes.of(name).some((one) => one.id === id)) options.recipes?.ended(id);
    thread.opened.then(
      () => settled(replace(name, 0)),
      () => void setTimeout(() => settled(replace(name, failures + 1)), Math.min(retryMs * 2 ** failures, retryMsMax)),
    );
  }

  async function replace(name: string, failures: number): Promise<void> {
    if (isClosing) return;
    const next = start(name, failures);
    await next.opened;
    options.lost(name);
    for (const [other, { control }] of running) if (other !== name) settled(control.lost(name));
    options.moved([name]);
  }

  function givenUp(node: string): void {
    const thread = running.get(node);
    if (thread === undefined) return options.givenUpElsewhere(node);
    if (probed.has(node) || isClosing) return;
    probed.add(node);
    let isOver = false;
    const timer = setTimeout(() => {
      if (isOver) return;
      options.say(
        `thread ${node} computes on after a call to it was given up: it is ended, and its other actors with it`,
      );
      void thread.worker.terminate();
    }, graceMs);
    const over = (): void => {
      isOver = true;
      probed.delete(node);
      clearTimeout(timer);
    };
    thread.control.ping().then(over, over);
  }

  /** What was sent to a thread is in its mailboxes before these are drained, and its answers are here after that. */
  async function drain(name: string, { worker, control, ended }: Thread, stopping: StopOptions): Promise<void> {
    const reached = (): Promise<void> => Promise.race([options.reached(name), ended.then(() => {})]);
    const drained = await inTime(stopping, stopTimeoutMs, async () => {
      if (stopping.now !== true) await reached();
      await control.drain(stopping);
      await reached();
    });
    if (!drained) await worker.terminate();
  }

  async function end({ worker, control, ended }: Thread, stopping: StopOptions): Promise<void> {
    await inTime(stopping, stopTimeoutMs, () => control.close(stopping));
    await worker.terminate();
    await ended;
  }

  return {
    nodes() {
      if (isClosing) {
        return Promise.reject(new ShoalError("ShuttingDown", "Cannot start threads: the system is closing"));
      }
      return starting ??= startAll();
    },
    has: (node) => names.includes(node) || guests.has(node),
    expect: recipes.expect,
    kept: recipes.of,
    async adopt(node) {
      if (guests.has(node)) return;
      guests.add(node);
      await replace(node, 0);
    },
    places: () => [...running.values()].flatMap(({ place }) => place === undefined ? [] : [place]),
    changed(change) {
      for (const { control } of running.values()) settled(control.changed(change));
    },
    givenUp,
    statistics: () => Promise.all([...running.values()].map(({ control }) => control.statistics())),
    async drain(stopping) {
      isClosing = true;
      await starting?.catch(() => {});
      await Promise.all([...running].map(([name, thread]) => drain(name, thread, stopping)));
    },
    async close(stopping) {
      isClosing = true;
      await starting?.catch(() => {});
      await Promise.all([...running.values()].map((thread) => end(thread, stopping)));
    },
  };
}

/** A thread that has ended is spoken of elsewhere. */
const settled = (call: Promise<unknown>): void => void call.catch(() => {});
