// `route:`: a store made of stores. Where a tensor goes is said by its size, or by the topic of who puts it; its
// reference leads back to the store that has it. Logs, claims and names are those of the first store, which is home.
import { ShoalError } from "./error.ts";
import { inlineStore } from "./inline.ts";
import { opening, type OpenPart, type Part } from "./route/parts.ts";
import { sharing } from "./route/sharing.ts";
import { routedTensors, type Rule } from "./route/tensors.ts";
import type { Abilities, OpenOptions, Store, StoreStatistics, Tensors } from "./store.ts";
import { outlasts } from "./survival.ts";
import { isTaskKind, type TaskKind, taskKinds } from "./topics.ts";
import { readOptions, sizeOption, type StoreUrl } from "./url.ts";

const fromUnlessSaid = 1_000_000;
const text = (value: string): string => value;

/** What a `route:` URL may say, and how each is read. */
const urlOptions = {
  small: text,
  large: text,
  from: sizeOption,
  simulate: text,
  train: text,
  infer: text,
  simulateThreshold: thresholdOption,
  trainThreshold: thresholdOption,
  inferThreshold: thresholdOption,
};

function thresholdOption(value: string, name: string): number {
  return value === "0" ? 0 : sizeOption(value, name);
}

const example = "route:?small=redis://n1&large=file:///scratch/run42&from=1MB";
const bad = (why: string): ShoalError => new ShoalError("BadInput", `Cannot open store: ${why}`);

/** Opens the store of a `route:` URL. */
export async function openRoute(url: StoreUrl, options: OpenOptions, openPart: OpenPart): Promise<Store> {
  if (url.address !== "") throw bad(`route: has no address of its own; write its parts, as in ${example}`);
  const read = readOptions(url, urlOptions);
  const { small, large, from = fromUnlessSaid } = read;
  if (small === undefined) throw bad(`route: lacks its first store, small=URL, as in ${example}`);
  if (large === undefined && url.options.has("from")) throw bad("route: has a size, from, and no store for it, large");
  for (const topic of taskKinds) {
    if (read[`${topic}Threshold`] !== undefined && read[topic] === undefined) {
      throw bad(`route: has a threshold for ${topic}, and no store for it; add ${topic}=URL`);
    }
  }
  // Which store is home is the same for all who open the URL; two words for one store open it once.
  const wanted = [small, large, ...taskKinds.map((topic) => read[topic])].filter((part) => part !== undefined);
  const parts = await opening([...new Set(wanted)], options, openPart);
  const partOf = (asked: string): Part => parts.find((part) => part.asked === asked)!;
  const rules: Rule[] = [{ part: partOf(small), belowBytes: large === undefined ? Infinity : from }];
  if (large !== undefined) rules.push({ part: partOf(large), belowBytes: Infinity });
  return routed({ url, options, parts, rules, topicOf: (topic) => topicOf(read, topic, options, partOf) });
}

/** Where the tensors of one topic go, if not where all go. */
interface OwnWay {
  readonly rules: readonly Rule[];
  readonly thresholdBytes: number;
}

function topicOf(
  read: { readonly [Name in TaskKind | `${TaskKind}Threshold`]?: string | number },
  topic: string,
  { thresholdBytes }: OpenOptions,
  partOf: (asked: string) => Part,
): OwnWay | undefined {
  if (!isTaskKind(topic)) return undefined;
  const asked = read[topic];
  if (typeof asked !== "string") return undefined;
  const own = read[`${topic}Threshold`];
  return {
    rules: [{ part: partOf(asked), belowBytes: Infinity }],
    thresholdBytes: typeof own === "number" ? own : thresholdBytes,
  };
}

interface RoutedOptions {
  readonly url: StoreUrl;
  readonly options: OpenOptions;
  /** The first is home. */
  readonly parts: readonly Part[];
  readonly rules: readonly Rule[];
  readonly topicOf: (topic: string) => OwnWay | undefined;
}

function routed({ url, options, parts, rules, topicOf }: RoutedOptions): Store {
  const stores = parts.map(({ store }) => store);
  const home = stores[0]!;
  const byTopic = new Map<string, Tensors | undefined>();

  async function close(): Promise<void> {
    const ends = await Promise.allSettled(stores.map((store) => store.close()));
    for (const end of ends) if (end.status === "rejected") throw end.reason;
  }

  const routedStore: Store = {
    url: url.redacted,
    run: options.run,
    abilities: weakest(parts, rules),
    tensors: routedTensors(parts, rules),
    logs: home.logs,
    claims: home.claims,
    statistics: () => added(parts),
    ended: Promise.race([home.ended, firstError(stores)]),
    close,
    [Symbol.asyncDispose]: close,
  };

  const ownTensors = ({ rules, thresholdBytes }: OwnWay): Tensors =>
    inlineStore({ ...routedStore, tensors: routedTensors(parts, rules) }, { ...options, thresholdBytes }).tensors;

  return {
    ...routedStore,
    ...(stores.some(({ share }) => share !== undefined) ? { share: () => sharing(stores) } : {}),
    topic(name) {
      if (!byTopic.has(name)) {
        const own = topicOf(name);
        byTopic.set(name, own && ownTensors(own));
      }
      return byTopic.get(name);
    },
  };
}

/** Settles with the first error that ends a part. */
function firstError(stores: readonly Store[]): Promise<Error | undefined> {
  return new Promise((resolve) => {
    for (const { ended } of stores) void ended.then((error) => error !== undefined && resolve(error));
  });
}

const reaches: readonly Abilities["shared"][] = ["thread", "threads", "host", "network"];

/** What all parts can do that tensors without a topic may go to. */
function weakest(parts: readonly Part[], rules: readonly Rule[]): Abilities {
  const all = rules.map(({ part }) => part.store.abilities);
  const reached = parts.map(({ store }) => store.abilities.shared);
  const last = rules.at(-1)!;
  const first = rules[0]!;
  const smallBytesMax = first.part.store.abilities.tensorBytesMax;
  return {
    survives: all.map(({ survives }) => survives).reduce((a, b) => outlasts(a, b) ? b : a),
    lossWindowMs: Math.max(...all.map(({ lossWindowMs }) => lossWindowMs)),
    // The tensors of topics may mean something to everybody.
    shared: reaches.find((reach) => reached.includes(reach))!,
    zeroCopy: all.every(({ zeroCopy }) => zeroCopy),
    // What is too large for the first part does not go there, where there is another.
    tensorBytesMax: smallBytesMax < first.belowBytes - 1 ? smallBytesMax : last.part.store.abilities.tensorBytesMax,
    frameBytesMax: parts[0]!.store.abilities.frameBytesMax,
  };
}

function added(parts: readonly Part[]): StoreStatistics {
  const each = parts.map((part) => ({ part, counted: part.store.statistics() }));
  const sum = (of: (counted: StoreStatistics) => number): number =>
    each.reduce((all, { counted }) => all + of(counted), 0);
  return {
    tensors: sum(({ tensors }) => tensors),
    bytes: sum(({ bytes }) => bytes),
    pooledBytes: sum(({ pooledBytes }) => pooledBytes),
    putBytes: sum(({ putBytes }) => putBytes),
    getBytes: sum(({ getBytes }) => getBytes),
    parts: each.map(({ part, counted: { putBytes, getBytes } }) => ({ url: part.store.url, putBytes, getBytes })),
  };
}
