// `route:`: a store made of stores. Where a tensor goes is said by its size, or by the topic of who puts it; its
// reference leads back to the store that has it. Logs, claims and names are those of one store, which is home.
import { ShoalError } from "./error.ts";
import { inlineStore } from "./inline.ts";
import type { PartStore } from "./route/later.ts";
import { opening, type OpenPart, type Part, type Parts } from "./route/parts.ts";
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
  mail: text,
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
  const urls = [...new Set([read.mail ?? small, ...wanted])] as [string, ...string[]];
  const needed = new Set((options.only?.topics ?? []).flatMap((topic) => storesFor(read, topic)));
  const { home, parts } = await opening(urls, options, openPart, (url) => needed.has(url));
  const partOf = (asked: string): Part => parts.find((part) => part.asked === asked)!;
  const rules: Rule[] = [{ part: partOf(small), belowBytes: large === undefined ? Infinity : from }];
  if (large !== undefined) rules.push({ part: partOf(large), belowBytes: Infinity });
  const isMailApart = read.mail !== undefined && read.mail !== small;
  return routed({
    url,
    options,
    home,
    parts,
    rules,
    isMailApart,
    topicOf: (topic) => topicOf(read, topic, options, partOf),
  });
}

/** Where the tensors of a kind of task lie. */
function storesFor(
  read: { readonly [Name in TaskKind | "small" | "large"]?: string },
  topic: string,
): readonly string[] {
  const own = isTaskKind(topic) ? read[topic] : undefined;
  return own === undefined ? [read.small, read.large].filter((url) => url !== undefined) : [own];
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

interface RoutedOptions extends Parts {
  readonly url: StoreUrl;
  readonly options: OpenOptions;
  readonly rules: readonly Rule[];
  /** Whether home has no tensors. */
  readonly isMailApart: boolean;
  readonly topicOf: (topic: string) => OwnWay | undefined;
}

function routed({ url, options, home, parts, rules, isMailApart, topicOf }: RoutedOptions): Store {
  const stores = parts.map(({ store }) => store);
  const byTopic = new Map<string, Tensors | undefined>();
  /** Topics whose tensors lie together share one: what is the same for both is put once. */
  const byWay = new Map<string, Tensors>();

  async function close(): Promise<void> {
    const ends = await Promise.allSettled(stores.map((store) => store.close()));
    for (const end of ends) if (end.status === "rejected") throw end.reason;
  }

  const routedStore: Store = {
    url: url.redacted,
    run: options.run,
    abilities: weakest(home, parts, rules, isMailApart),
    tensors: routedTensors(parts, rules),
    logs: home.logs,
    claims: home.claims,
    others: stores.slice(1).flatMap(({ claims }) => claims === undefined ? [] : [{ claims }]),
    statistics: () => added(parts),
    ended: Promise.race([home.ended, firstError(stores)]),
    close,
    [Symbol.asyncDispose]: close,
  };

  function ownTensors({ rules, thresholdBytes }: OwnWay): Tensors {
    const way = `${thresholdBytes} ${rules[0]!.part.asked}`;
    let tensors = byWay.get(way);
    if (tensors === undefined) {
      const inner = { ...routedStore, tensors: routedTensors(parts, rules) };
      byWay.set(way, tensors = inlineStore(inner, { ...options, thresholdBytes }).tensors);
    }
    return tensors;
  }

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
function firstError(stores: readonly PartStore[]): Promise<Error | undefined> {
  return new Promise((resolve) => {
    for (const { ended } of stores) void ended.then((error) => error !== undefined && resolve(error));
  });
}

const reaches: readonly Abilities["shared"][] = ["thread", "threads", "host", "network"];

/** What all parts can do that tensors without a topic may go to; those that are opened later say nothing yet. */
function weakest(home: Store, parts: readonly Part[], rules: readonly Rule[], isMailApart: boolean): Abilities {
  const said = (stores: readonly PartStore[]): readonly Abilities[] =>
    stores.flatMap(({ abilities }) => abilities === undefined ? [] : [abilities]);
  const ruled = said(rules.map(({ part }) => part.store));
  const all = isMailApart || ruled.length === 0 ? [home.abilities, ...ruled] : ruled;
  const reached = said(parts.map(({ store }) => store)).map(({ shared }) => shared);
  const last = rules.at(-1)!;
  const first = rules[0]!;
  const bytesMaxOf = ({ part }: Rule): number => part.store.abilities?.tensorBytesMax ?? Number.MAX_SAFE_INTEGER;
  const smallBytesMax = bytesMaxOf(first);
  return {
    survives: all.map(({ survives }) => survives).reduce((a, b) => outlasts(a, b) ? b : a),
    lossWindowMs: Math.max(...all.map(({ lossWindowMs }) => lossWindowMs)),
    // The tensors of topics may mean something to everybody.
    shared: reaches.find((reach) => reached.includes(reach))!,
    zeroCopy: all.every(({ zeroCopy }) => zeroCopy),
    // What is too large for the first part does not go there, where there is another.
    tensorBytesMax: smallBytesMax < first.belowBytes - 1 ? smallBytesMax : bytesMaxOf(last),
    frameBytesMax: home.abilities.frameBytesMax,
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
