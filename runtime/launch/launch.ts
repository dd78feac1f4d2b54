// From options to a running system. What is not said comes from the environment, then from the defaults below.

import { randomBytes } from "node:crypto";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ShoalError } from "../../stores/error.ts";
import { allowStoreModules, isOwnUrl, openStore, outlasts, resumeRun, withTopics } from "../../stores/open.ts";
import type { Store } from "../../stores/store.ts";
import { limitsFrom, supervisionFrom } from "../options.ts";
import type { Ledger } from "../run/ledger.ts";
import { defaultSupervision } from "../supervision.ts";
import { printLog } from "../log.ts";
import type { LaunchOptions, StopOptions, System, WorkerGroup } from "../system.ts";
import { inside } from "../cells/turn.ts";
import { checkOptions, launchOptions, what } from "./asked.ts";
import { type GroupGround, shownTo } from "./crews.ts";
import { gather } from "./gathering.ts";
import { checkGpus, gpusHere, gpusOfProcess, missingGpus, readGpus } from "./gpus.ts";
import type { Launcher } from "./launcher.ts";
import { defaultLimits } from "./limits.ts";
import { processSystem } from "./process.ts";
import { loading } from "./program.ts";
import type { RecordingOptions } from "./recording.ts";
import { schema } from "./schema.ts";
import { type Services, startServices } from "./services/services.ts";
import { configure } from "./sources.ts";
import { randomSeed, realWorld } from "./world.ts";

export { defaultLimits };

const storeThresholdBytesDefault = 10_000;

/** What a run keeps beyond this life of the program. */
export interface Keeping {
  /** Where durable actors are kept when the store does not outlive the process. */
  readonly home: string;
  readonly ledger: Ledger;
  /** Is shown the store before the first actor starts. */
  opened(store: Store): Promise<void>;
  /** Whether the program has come to its end, and nobody will resume the run. */
  isOver(): boolean;
  /** What its actors are given and do is written down there. */
  readonly recording?: RecordingOptions | undefined;
  /** Starts the other processes; this machine does unless said. */
  readonly launcher?: Launcher | undefined;
  /** Starts a group of workers; this machine does where it says nothing. */
  readonly group?: ((group: WorkerGroup, index: number) => GroupGround) | undefined;
  /** Where servers of the run's own keep what they keep; who starts them on other nodes, and by which network. */
  readonly services: string;
  readonly serviceLauncher?: Launcher | undefined;
  readonly network?: string | undefined;
}

/**
 * Starts a system of actors. Call it from a file that holds no actors: one that holds some is imported wherever they
 * run, and must be importable without effect. What the options do not say comes from the environment, then from the
 * files that `config` names.
 */
export async function launch(options: LaunchOptions = {}): Promise<System> {
  refuseInside();
  checkOptions(options);
  const { config = [], ...rest } = options;
  const usual = await configured(typeof config === "string" ? [config] : config);
  const said = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
  return await start({
    ...usual,
    ...said,
    ...over("limits", usual.limits, rest.limits),
    ...over("stores", usual.stores, rest.stores),
    ...over("supervision", usual.supervision, rest.supervision),
  });
}

/** A section of which some is said here, and some before; what is no section is refused as it is. */
function over<T extends object>(name: string, usual: T | undefined, given: T | undefined): { [name: string]: unknown } {
  if (given === undefined) return usual === undefined ? {} : { [name]: usual };
  const isSection = typeof given === "object" && given !== null && !Array.isArray(given);
  return { [name]: isSection ? { ...usual, ...given } : given };
}

/** What the environment and some files say, as options. */
async function configured(files: readonly string[]): Promise<LaunchOptions> {
  const sources = { folder: process.cwd(), environment: process.env, files, flags: [], sets: [], found: false };
  return launchOptions(await configure(sources, { schema, programs: {} }));
}

/** Starts a system from options alone, of the program whose module is at this URL. */
export async function start(options: LaunchOptions, keeping?: Keeping, program?: string): Promise<System> {
  checkOptions(options);
  const { store, stores = {} } = options;
  const asked = Object.entries({ store, ...stores }).filter((one): one is [string, string] => isOwnUrl(one[1]));
  if (asked.length === 0) return await startOn(options, keeping, program);
  const name = options.name ?? newRunName();
  const isOver = (): boolean => keeping === undefined || keeping.isOver();
  const services = await servicesOf(asked.map(([, url]) => url), name, options, keeping);
  const url = (one: unknown): unknown => typeof one === "string" ? services.urlOf(one) : one;
  try {
    const named = Object.fromEntries(Object.entries(stores).map(([kind, one]) => [kind, url(one)]));
    const home = store === undefined ? {} : { store: services.urlOf(store) };
    const system = await startOn({ ...options, name, ...home, stores: named }, keeping, program);
    // One that ends by itself takes them along too.
    const end = (): Promise<void> => services.end(isOver());
    const ended = system.ended.then(end, async (error: unknown) => {
      await end();
      throw error;
    });
    ended.catch(() => {});
    const close = async (stopping?: StopOptions): Promise<void> => {
      try {
        await system.close(stopping);
      } finally {
        await end();
      }
    };
    return { ...system, ended, close, [Symbol.asyncDispose]: () => close() };
  } catch (error) {
    await services.end(keeping === undefined);
    throw error;
  }
}

async function servicesOf(
  urls: readonly string[],
  run: string,
  { limits, record }: LaunchOptions,
  keeping: Keeping | undefined,
): Promise<Services> {
  const folder = keeping?.services ?? mkdtempSync(join(tmpdir(), "shoal-services-"));
  const services = await startServices(urls, {
    run,
    folder,
    isPassing: keeping === undefined,
    launcher: keeping?.serviceLauncher,
    network: keeping?.network,
    joinTimeoutMs: limits?.joinTimeoutMs ?? defaultLimits.joinTimeoutMs,
    say(text) {
      const said = { type: "MessageLogged", level: "info", text } as const;
      if (record === undefined) printLog(said);
      else record({ at: realWorld.date(), node: "main", ...said });
    },
  });
  return services!;
}

/** Starts it on stores that are there. */
async function startOn(options: LaunchOptions, keeping?: Keeping, program?: string): Promise<System> {
  const limits = limitsFrom(what, defaultLimits, options.limits);
  const supervision = supervisionFrom(what, defaultSupervision, options.supervision);
  const strict = options.strict ?? false;
  const run = options.name ?? newRunName();
  const seed = options.seed ?? randomSeed();
  const gpus = options.gpus === undefined ? undefined : readGpus(what, options.gpus);
  if (gpus !== undefined) lookForGpus(gpus, options.record);
  const { nodes = 1, workers: groups = [] } = options;
  const isAlone = nodes <= 1 && groups.length === 0;
  const gathering = isAlone ? undefined : gather(what, { ...options, nodes: Math.max(1, nodes) }, keeping, gpus);
  // Before anything of the program's own loads here, and in all threads that are started from now on.
  if (gpus !== undefined) {
    const own = gathering?.workers.crews[0];
    const alone = { number: 0, processes: 1, hosts: 1 };
    Object.assign(process.env, own === undefined ? gpusOfProcess(gpus, alone) : shownTo(own, 0));
  }
  const url = withTopics(gathering?.store ?? options.store ?? "memory:", options.stores);
  const storeModules = allowStoreModules(...options.storeModules ?? []);
  const storeThresholdBytes = options.storeThresholdBytes ?? storeThresholdBytesDefault;
  const store = await openStore(url, { run, environment: realWorld, strict, thresholdBytes: storeThresholdBytes });
  let home: Store | undefined;
  try {
    if (keeping !== undefined && !outlasts(store.abilities.survives, "process")) {
      home = await openStore(pathToFileURL(keeping.home).href, {
        run,
        environment: realWorld,
        strict,
        thresholdBytes: storeThresholdBytes,
      });
    }
    // Only who has its name can go on with a run, and then it has not ended.
    if (options.name !== undefined) await resumeRun(store);
    await keeping?.opened(store);
    gathering?.check(store);
  } catch (error) {
    await home?.close();
    await store.close();
    gathering?.end();
    throw error;
  }
  return await processSystem({
    run,
    node: "main",
    seed,
    strict,
    url,
    gpus,
    storeThresholdBytes,
    storeModules,
    store,
    home,
    limits,
    supervision,
    record: options.record,
    ledger: keeping?.ledger,
    recording: keeping?.recording,
    captures: keeping !== undefined,
    threads: options.threads ?? (gathering === undefined ? undefined : Math.max(1, gathering.workers.crews[0].threads)),
    workers: gathering?.workers,
    threadHeapBytesMax: options.threadHeapBytesMax,
    program,
    allow: options.allow,
    isOver: keeping?.isOver ?? (() => options.name === undefined),
  });
}

/** What is named and not seen is somebody's word: the run says so, since nobody else does. */
function lookForGpus(gpus: readonly string[], record: LaunchOptions["record"]): void {
  const here = gpusHere();
  checkGpus(what, gpus, here);
  const missing = missingGpus(gpus, here);
  if (missing.length === 0) return;
  const seen = here.length === 0 ? "none of NVIDIA's is seen here" : `${here.join()} are seen here`;
  const text = `gpus is ${gpus.join()}, and ${seen}: processes are shown those that were named all the same`;
  const said = { type: "MessageLogged", level: "info", text } as const;
  if (record === undefined) printLog(said);
  else record({ at: realWorld.date(), node: "main", ...said });
}

/** A launch inside an actor, or in a module that is loaded for its actors, would start one system per actor. */
function refuseInside(): void {
  const program = loading();
  if (program !== undefined) {
    throw new ShoalError(
      "BadInput",
      `Cannot launch inside ${program}: it is loaded for its actors; export a default function that takes the system`,
    );
  }
  const actor = inside();
  if (actor !== undefined) {
    const who = `${actor.className} ${actor.id}`;
    throw new ShoalError("BadInput", `Cannot launch inside ${who}: an actor is part of a system, use this.spawn`);
  }
}

/** Sorts by time, and two runs of one second differ. */
export function newRunName(): string {
  const stamp = new Date().toISOString().replace(/[-:]/g, "").replace("T", "-").slice(0, 15);
  return `${stamp}-${randomBytes(3).toString("hex")}`;
}
