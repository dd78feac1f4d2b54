// The system of one process: a node in the main thread, and one in each of its other threads once they are wanted.

import { availableParallelism } from "node:os";
import { join } from "node:path";
import { ShoalError } from "../../stores/error.ts";
import { endRun } from "../../stores/open.ts";
import type { Store } from "../../stores/store.ts";
import { captureConsole } from "../cells/console.ts";
import { printLog } from "../log.ts";
import { catalogue } from "../nodes/catalogue.ts";
import { openNode } from "../nodes/node.ts";
import { checkStop } from "../options.ts";
import { machine } from "../run/machine.ts";
import type { Ledger } from "../run/ledger.ts";
import type { RunRecord } from "../run/records.ts";
import type { Supervision } from "../supervision.ts";
import type { Limits, StopOptions, System } from "../system.ts";
import { allotment, roomOf } from "./allotment.ts";
import { crossing } from "./crossing.ts";
import { type Party, party, servicesOf, type Workers } from "./party.ts";
import type { RecordingOptions } from "./recording.ts";
import { recordingFor, threadDelivery } from "./thread.ts";
import { threads as threadsOf } from "./threads.ts";
import { storeUse } from "./use.ts";
import { realWorld } from "./world.ts";

export interface ProcessOptions {
  readonly run: string;
  readonly node: string;
  readonly seed: number;
  readonly strict: boolean;
  /** The store's URL, for the threads that open it too, and what was opened by it here. */
  readonly url: string;
  readonly storeThresholdBytes: number;
  /** Where `module:` may find it, for the threads too. */
  readonly storeModules: readonly string[];
  readonly store: Store;
  /** What keeps durable actors, where the store does not outlive this process. */
  readonly home?: Store | undefined;
  readonly limits: Limits;
  readonly supervision: Supervision;
  readonly record: ((record: RunRecord) => void) | undefined;
  readonly ledger: Ledger | undefined;
  readonly recording?: RecordingOptions | undefined;
  /** Whether what actors say to the console is recorded. */
  readonly captures: boolean;
  /** Nothing where nobody said it: then the threads take those that are spawned on threads, and nobody else. */
  readonly threads: number | undefined;
  readonly threadHeapBytesMax: number | undefined;
  /** Of its host: those of the nth process of the run are its part of them. */
  readonly gpus: readonly string[] | undefined;
  /** Its other processes; nothing for a system that has none. */
  readonly workers: Workers | undefined;
  readonly program: string | undefined;
  readonly allow: readonly string[] | undefined;
  /** Whether nobody will go on with the run, asked once the system has ended well. */
  readonly isOver: () => boolean;
}

export async function processSystem(options: ProcessOptions): Promise<System> {
  const { run, node: name, seed, strict, store, limits, supervision, record, program, allow, workers } = options;
  // A system that is part of a program of one's own finds its actors in that program's package.
  const root = program === undefined ? process.argv[1] ?? join(process.cwd(), "program") : undefined;
  const count = options.threads ?? availableParallelism();
  const token = realWorld.token() + realWorld.token();
  const home = options.home ?? store;
  const use = storeUse(options.storeThresholdBytes);
  const beyond = workers === undefined ? undefined : { link: workers.link, folder: workers.folder };
  const ways = crossing(name, beyond === undefined ? undefined : { ...beyond, run, token, home });
  const { ports } = ways;
  let failure: { readonly error: ShoalError } | undefined;

  function say(text: string): void {
    const said = { type: "MessageLogged", level: "warn", text } as const;
    if (record === undefined) printLog(said);
    else record({ at: realWorld.date(), node: name, ...said });
  }

  function recorded(one: RunRecord): void {
    if (record !== undefined) record(one);
    else if (one.type === "MessageLogged") printLog(one);
  }

  function failed(error: ShoalError): void {
    failure ??= { error };
    close({ now: true }).catch(() => {});
  }

  /** What all processes and threads of the run have in common. */
  const told = {
    run,
    token,
    seed,
    strict,
    store: options.url,
    storeThresholdBytes: options.storeThresholdBytes,
    storeModules: options.storeModules,
    program,
    root,
    allow,
    limits,
    supervision,
    captures: options.captures,
    records: record !== undefined,
    recording: options.recording,
    threadHeapBytesMax: options.threadHeapBytesMax,
  };
  const others = threadsOf({
    told: { ...told, node: name, beyond, only: undefined, isIn: true, isFirst: true },
    threadHeapBytesMax: options.threadHeapBytesMax,
    epoch: () => main.epoch,
    count,
    opened: store,
    ports,
    record,
    lost: (node) => main.lost(node),
    gone: (node) => main.gone(node),
    reached: (node) => main.reached(node),
    failed,
    say,
    known: () => processes?.members() ?? [],
    moved(lost) {
      places.lost(lost, lost.flatMap(others.kept));
      processes?.moved(lost);
    },
    givenUpElsewhere: (node) => processes?.givenUp(node),
    used: use.add,
    recipes: undefined,
    again: [],
  });
  let processes: Party | undefined;
  const crew = workers?.crews[0] ?? { gpus: options.gpus, count: 1, takes: undefined, launcher: { hosts: [name] } };
  const here = machine();
  const places = allotment({
    threads: () => count === 0 ? Promise.resolve([]) : wanted(),
    rooms() {
      const nodes = [ways.place, ...others.places()];
      return [roomOf({ node: name, machine: here, places: nodes }, crew, 0), ...processes?.rooms() ?? []];
    },
  });
  const classes = catalogue({ program, root, allow });
  const actors = await recordingFor({ ...told, node: name, classes, say });
  const knows = (node: string): boolean => node === name || others.has(node) || processes?.has(node) === true;
  const main = await openNode({
    run,
    token,
    name,
    seed,
    strict,
    environment: realWorld,
    store,
    home: options.home,
    link: ways.linking,
    classes,
    onlooker: actors?.onlooker,
    limits,
    delivery: threadDelivery,
    supervision,
    record,
    ledger: options.ledger,
    threads: count === 0 ? undefined : wanted,
    processes: workers === undefined ? undefined : (task) => processes?.nodes(task) ?? Promise.resolve([]),
    takes: workers?.crews[0].takes,
    poolsOn: workers !== undefined
      ? "everywhere"
      : options.threads === undefined || count === 0
      ? undefined
      : "threads",
    services: { ...servicesOf(() => processes), ...places.services },
    accounts: name,
    knows: workers === undefined ? undefined : knows,
    givenUp: others.givenUp,
    succeeds: knows,
    over,
  });
  await ways.begin();
  const { system } = main;
  const release = options.captures ? captureConsole() : undefined;

  function wanted(): Promise<readonly string[]> {
    if (typeof supervision.on !== "function") return others.nodes();
    const text = "Cannot start threads: supervision.on is a function, which stays in its thread; name a directive";
    return Promise.reject(new ShoalError("BadInput", text));
  }

  /** What the run holds until it ends may go from here on; that this cannot be said fails nothing that was done. */
  async function over(): Promise<void> {
    if (failure !== undefined || !options.isOver()) return;
    try {
      await endRun(store);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      say(`what run ${run} holds stays: ${why}; shoal store sweep ${store.url} --run ${run} takes it away`);
    }
  }

  // Without anything to release, a failure would be nobody's.
  if (release !== undefined) void system.ended.then(release, release);
  const ended = system.ended.then(() => {
    if (failure !== undefined) throw failure.error;
  });
  // What ends the main node by itself leaves nobody to end the others.
  const endOthers = (): void => {
    others.close({ now: true }).catch(() => {});
    processes?.close({ now: true }).then(processes.remove, processes.remove);
  };
  ended.then(endOthers, endOthers);

  async function close(stopping: StopOptions = {}): Promise<void> {
    checkStop("Cannot close the system", stopping);
    // While they finish, they may have something to ask here, and while these finish, they are to hear who has ended.
    await Promise.all([processes?.drain(stopping), others.drain(stopping)]);
    await main.drain(stopping);
    await processes?.close(stopping);
    await others.close(stopping);
    use.add(store.statistics().parts);
    // Of what other processes have used, nothing is known here.
    if (workers === undefined && failure === undefined) { for (const line of use.unused()) say(line); }
    try {
      await system.close(stopping);
    } finally {
      actors?.close();
      processes?.remove();
    }
  }

  if (workers !== undefined) {
    processes = party({
      workers,
      common: { ...told, link: workers.link },
      main,
      ways,
      threads: others,
      allotment: places,
      record: recorded,
      failed,
      say,
      answers: () => home.claims.claimed(`node/${name}`).then(() => true, () => false),
    });
    try {
      await processes.joined;
    } catch (error) {
      await close({ now: true }).catch(() => {});
      throw error;
    }
  }
  return { ...system, ended, close, [Symbol.asyncDispose]: () => close() };
}
