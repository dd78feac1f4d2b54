// A directory of names on any store: name → value, a reference or other JSON. It stands on the store's claims, where
// only one can hold the next epoch of a name: that is a compare-and-set. A name is a claim's name and never a path.
import { cancelled, throwIfCancelled } from "./cancellation.ts";
import { ShoalError } from "./error.ts";
import { jsonFault } from "./json.ts";
import { checkName } from "./names.ts";
import type { Claimed, Store, StoreEnvironment, TensorRef } from "./store.ts";

/** What stands under a name. The version grows with every change, also when the name is deleted. */
export interface Named<Value> {
  readonly name: string;
  readonly version: number;
  readonly value: Value;
}

/** Whether a change was made, and what stands now. */
export interface Changed<Value> {
  readonly done: boolean;
  readonly now: Named<Value> | undefined;
}

export interface WatchOptions {
  /** Ends the watch with Cancelled. */
  readonly signal?: AbortSignal;
}

/**
 * Names that all who open the run share. A name keeps nothing alive: what its reference points at lives as long as its
 * maker chose. Each directory of a run is apart from its others, and from those of other runs.
 */
export interface Directory<Value = TensorRef> {
  get(name: string): Promise<Named<Value> | undefined>;
  /** Whatever stands there. Of two at once, the second follows the first. */
  set(name: string, value: Value): Promise<Named<Value>>;
  /** Only where nothing has changed since `was` was read; `undefined` where the name was not there. */
  compareAndSet(name: string, was: Named<Value> | undefined, value: Value): Promise<Changed<Value>>;
  /** Answers whether there was anything; with `was` only where nothing has changed since. */
  delete(name: string, was?: Named<Value>): Promise<boolean>;
  /** Those that begin with a prefix, in order, each as it was at some time during the call. */
  list(prefix?: string): Promise<readonly Named<Value>[]>;
  /** What stands under a name now, and each time that it has changed; of changes in quick succession only the last. */
  watch(name: string, options?: WatchOptions): AsyncGenerator<Named<Value> | undefined, void, undefined>;
}

export interface DirectoryOptions {
  readonly environment: StoreEnvironment;
  /** Which of the run's directories. `names` unless set. */
  readonly directory?: string;
  /** How often a watch looks, at first and at last. 5 ms to 1 s unless set. */
  readonly pollMs?: { readonly min: number; readonly max: number };
}

const nameCharactersMax = 512;
const directoryCharactersMax = 64;
const triesMax = 1_000;
const readsAtOnceMax = 16;

/**
 * What a claim of a directory says: who wrote it and the versions before it, the last first, and what. Two who write
 * the same are told apart; and whoever is overtaken before his claim has answered finds whether it stood.
 */
type Written<Value> = readonly [format: 1, by: readonly string[], value?: Value];
const writersMax = 100;

export function directory<Value = TensorRef>(
  { claims, ended }: Pick<Store, "claims" | "ended">,
  { environment, directory: own = "names", pollMs = { min: 5, max: 1_000 } }: DirectoryOptions,
): Directory<Value> {
  checkLength("directory", own, directoryCharactersMax);
  // Where the directory's name ends, no name can shift: it holds no slash of its own.
  const prefix = `names/${encodeURIComponent(own)}/`;
  const watchers = new Map<string, Set<() => void>>();
  let isOver = false;
  void ended.then(() => {
    isOver = true;
    for (const name of watchers.keys()) wake(name);
  });

  function keyOf(name: string): string {
    checkLength("name", name, nameCharactersMax);
    return prefix + name;
  }

  async function standing(name: string): Promise<Claimed & { readonly written: Written<Value> } | undefined> {
    const claimed = await claims.claimed(keyOf(name));
    return claimed === undefined ? undefined : { ...claimed, written: writtenIn<Value>(name, claimed.value) };
  }

  const namedOf = (name: string, found: Awaited<ReturnType<typeof standing>>): Named<Value> | undefined =>
    found === undefined || found.written.length < 3
      ? undefined
      : { name, version: found.epoch, value: found.written[2]! };

  /** Writes the next version while what stands is as it should be; answers what stands in the end. */
  async function change(
    name: string,
    value: Value | undefined,
    isRight: (now: Named<Value> | undefined) => boolean,
  ): Promise<Changed<Value>> {
    const by = environment.token().slice(-8);
    for (let tries = 0; tries < triesMax; tries++) {
      const found = await standing(name);
      const now = namedOf(name, found);
      if (!isRight(now)) return { done: false, now };
      const version = (found?.epoch ?? 0) + 1;
      const writers = [by, ...(found?.written[1] ?? []).slice(0, writersMax - 1)];
      const text = JSON.stringify(value === undefined ? [1, writers] : [1, writers, value]);
      const answer = await claims.claim(keyOf(name), version, text);
      if (!answer.held && !stood(name, answer, version, by)) continue;
      wake(name);
      return { done: true, now: value === undefined ? undefined : { name, version, value: copied(text) } };
    }
    throw new ShoalError("Unavailable", `Cannot set ${show(name)}: others were faster ${triesMax} times; try again`);
  }

  /** Whether a claim that is told of a later one was that version all the same, and was overtaken. */
  function stood(name: string, { epoch, value }: Claimed, version: number, by: string): boolean {
    const later = epoch - version;
    if (later <= 0) return false;
    const [, writers] = writtenIn<Value>(name, value);
    if (later < writers.length) return writers[later] === by;
    const message = `Cannot say whether ${show(name)} was set: it was changed ${later} times meanwhile; read it`;
    throw new ShoalError("Unavailable", message, { outcome: "unknown" });
  }

  const copied = (text: string): Value => JSON.parse(text)[2];

  function wake(name: string): void {
    for (const look of watchers.get(name) ?? []) look();
  }

  /** Until this process changes the name, or it is time to look for changes of others. */
  function changed(name: string, waitMs: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiting = watchers.get(name) ?? new Set();
      const end = (): void => {
        waiting.delete(end);
        if (waiting.size === 0 && watchers.get(name) === waiting) watchers.delete(name);
        cancelTimer();
        signal?.removeEventListener("abort", end);
        if (signal?.aborted) reject(cancelled(signal));
        else resolve();
      };
      watchers.set(name, waiting.add(end));
      const cancelTimer = environment.after(waitMs, end);
      signal?.addEventListener("abort", end);
    });
  }

  return {
    async get(name) {
      return namedOf(name, await standing(name));
    },
    async set(name, value) {
      checkValue(name, value);
      const { now } = await change(name, value, () => true);
      return now!;
    },
    async compareAndSet(name, was, value) {
      checkValue(name, value);
      return await change(name, value, (now) => now?.version === was?.version);
    },
    async delete(name, was) {
      const isRight = (now: Named<Value> | undefined): boolean =>
        now !== undefined && (was === undefined || now.version === was.version);
      return (await change(name, undefined, isRight)).done;
    },
    async list(start = "") {
      const names = (await claims.claims(prefix + start)).map((claim) => claim.slice(prefix.length));
      const found: Named<Value>[] = [];
      for (let at = 0; at < names.length; at += readsAtOnceMax) {
        const some = names.slice(at, at + readsAtOnceMax);
        const read = await Promise.all(some.map(async (name) => namedOf(name, await standing(name))));
        for (const one of read) if (one !== undefined) found.push(one);
      }
      return found.sort((a, b) => a.name < b.name ? -1 : 1);
    },
    async *watch(name, { signal } = {}) {
      throwIfCancelled(signal);
      let seen: number | undefined;
      for (let delayMs = pollMs.min;; delayMs = Math.min(2 * delayMs, pollMs.max)) {
        const found = await standing(name);
        throwIfCancelled(signal);
        if (seen !== (found?.epoch ?? 0)) {
          seen = found?.epoch ?? 0;
          delayMs = pollMs.min;
          yield namedOf(name, found);
          throwIfCancelled(signal);
        }
        if (isOver) throw new ShoalError("ShuttingDown", `Cannot watch ${show(name)}: the store was closed`);
        await changed(name, delayMs, signal);
      }
    },
  };
}

const show = (name: string): string => JSON.stringify(name.slice(0, 80));

function checkLength(kind: string, name: string, charactersMax: number): void {
  checkName(kind, name);
  if (name.length <= charactersMax) return;
  throw new ShoalError("BadInput", `Cannot use ${kind}: it has ${name.length} of at most ${charactersMax} characters`);
}

function checkValue(name: string, value: unknown): void {
  const fault = jsonFault(value);
  if (fault !== undefined) throw new ShoalError("BadInput", `Cannot set ${show(name)}: ${fault}`);
}

function writtenIn<Value>(name: string, text: string): Written<Value> {
  let written: unknown;
  try {
    written = JSON.parse(text);
  } catch {
    // Not ours, and told so below.
  }
  if (Array.isArray(written) && written[0] === 1 && Array.isArray(written[1]) && written.length <= 3) {
    const by = written[1].map(String);
    return written.length === 3 ? [1, by, written[2]] : [1, by];
  }
  const cure = "use the shoal that wrote it, or a later one";
  throw new ShoalError(
    "Incompatible",
    `Cannot read ${show(name)}: what stands there is no entry of a directory; ${cure}`,
  );
}
