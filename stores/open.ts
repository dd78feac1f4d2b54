// URL → store: the one place that picks an implementation. Each is loaded when it is first asked for, and what it
// needs with it.
import { ShoalError } from "./error.ts";
import { inlineStore } from "./inline.ts";
import { isRunName } from "./reference.ts";
import type { OpenOptions, Store } from "./store.ts";
import type { OwnServer } from "./own.ts";
import { ownUrl, parseStoreUrl, readOptions, type StoreUrl, unknown, wordOption } from "./url.ts";

export { type Changed, type Directory, directory, type DirectoryOptions, type Named } from "./directory.ts";
export { dtypes } from "./dtype.ts";
export { type ErrorCode, isShoalError, type Outcome, ShoalError } from "./error.ts";
export { allowStoreModules, type StoreModule } from "./module.ts";
export type { OwnPlace, OwnServer } from "./own.ts";
export { isRunName, isTensorRef } from "./reference.ts";
export { isSurvives, outlasts } from "./survival.ts";
export { isTaskKind, type TaskKind, taskKinds, type TaskStores, withTopics } from "./topics.ts";
export { redactUrl } from "./url.ts";
export type * from "./store.ts";
export type * from "./sweep.ts";
export { endRun, resumeRun } from "./sweep/ended.ts";
export { openPlace } from "./sweep/places.ts";
export { msOption, readOptions, sizeOption, type StoreUrl, wordOption } from "./url.ts";

type Opener = (url: StoreUrl, options: OpenOptions) => Store | Promise<Store>;

const openers: ReadonlyMap<string, () => Promise<Opener>> = new Map([
  ["memory", async (): Promise<Opener> => (await import("./memory.ts")).openMemory],
  ["module", async (): Promise<Opener> => (await import("./module.ts")).openModule],
  ["file", async (): Promise<Opener> => (await import("./file.ts")).openFile],
  ["shm", async (): Promise<Opener> => (await import("./shm.ts")).openShm],
  ["kafka", async (): Promise<Opener> => (await import("./kafka.ts")).openKafka],
  ["redis", async (): Promise<Opener> => (await import("./redis.ts")).openRedis],
  ["rediss", async (): Promise<Opener> => (await import("./redis.ts")).openRedis],
  ["redis+cluster", async (): Promise<Opener> => (await import("./redis.ts")).openRedis],
  ["rediss+cluster", async (): Promise<Opener> => (await import("./redis.ts")).openRedis],
  ["route", async (): Promise<Opener> => {
    const { openRoute } = await import("./route.ts");
    return (url, options) => openRoute(url, options, openStore);
  }],
]);

const owns: ReadonlyMap<string, () => Promise<OwnServer>> = new Map([
  ["redis", async (): Promise<OwnServer> => (await import("./redis/own.ts")).redisOwn],
  ["kafka", async (): Promise<OwnServer> => (await import("./kafka/own.ts")).kafkaOwn],
]);

export const isOwnUrl = (url: unknown): boolean => typeof url === "string" && ownUrl.test(url);

/** What `redis:auto` and `kafka:auto` ask for. */
export interface OwnAsked {
  readonly server: OwnServer;
  /** Whether what it is told is to be there when a run is resumed. */
  readonly keeps: boolean;
  /** All other options, for the URL by which it is opened. */
  readonly options: string;
}

/** The server that a run is to start for itself; nothing for the URL of any other store. */
export async function ownServer(url: string): Promise<OwnAsked | undefined> {
  const [, scheme, query = ""] = ownUrl.exec(url) ?? [];
  if (scheme === undefined) return undefined;
  const { keep } = readOptions(
    { ...parseStoreUrl(url), options: new Map([...parseStoreUrl(url).options].filter(([name]) => name === "keep")) },
    { keep: wordOption("on", "off") },
  );
  const options = query.split("&").filter((option) => option !== "" && !option.startsWith("keep=")).join("&");
  return { server: await owns.get(scheme.toLowerCase())!(), keeps: keep !== "off", options };
}

/**
 * Opens the store that a URL names. Tensors below `thresholdBytes` stay in their references, and references that carry
 * their bytes resolve whatever the threshold is. Throws BadInput for a URL or an option that is not understood.
 */
export async function openStore(url: string, options: OpenOptions): Promise<Store> {
  if (!isRunName(options.run)) {
    const wanted = "a name of letters, digits, -, _ and . is wanted, at most 64 characters";
    throw new ShoalError("BadInput", `Cannot open store: run is ${JSON.stringify(options.run)}; ${wanted}`);
  }
  const parsed = parseStoreUrl(url);
  const load = openers.get(parsed.scheme);
  if (load === undefined) {
    throw new ShoalError(
      "BadInput",
      unknown("scheme", `${parsed.scheme}:`, [...openers.keys()].map((name) => `${name}:`)),
    );
  }
  const open = await load();
  const store = await open(parsed, options);
  try {
    return inlineStore(store, options);
  } catch (error) {
    await store.close();
    throw error;
  }
}
