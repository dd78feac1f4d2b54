// The law of names: a directory on the store's claims behaves as one that does one thing at a time, whoever sets at
// once, in names that one store or another would take for each other.
import { type Directory, directory as standardDirectory, type DirectoryOptions, type Named } from "../directory.ts";
import type { Store } from "../store.ts";
import { fc, listOf } from "./arbitraries.ts";
import { type Law, law } from "./law.ts";
import { callMsMax, type Stage } from "./stage.ts";
import { isShared } from "./subject.ts";
import { hold, refused, same } from "./verdicts.ts";

type Act = "set" | "change" | "create" | "delete" | "delete this" | "get" | "list";

interface Ask {
  readonly act: Act;
  /** A directory and a name in it: `a` and `b/c` is not `a/b` and `c`. */
  readonly key: readonly [directory: string, name: string];
  readonly value: string;
  readonly handle: number;
  /** What it saw last, or what it saw before that. */
  readonly isStale: boolean;
}

const keys: readonly Ask["key"][] = [
  ["a", "b/c"],
  ["a/b", "c"],
  ["a", ".."],
  ["a", "\u00e9"],
  ["a", "e\u0301"],
  ["a", "__proto__"],
];

const asks: fc.Arbitrary<Ask> = fc.record({
  act: fc.constantFrom<Act>(
    "set",
    "set",
    "change",
    "change",
    "create",
    "create",
    "delete",
    "delete this",
    "get",
    "list",
  ),
  // Most on the first: many at once on one name.
  key: fc.oneof(fc.constant(keys[0]!), fc.constantFrom(...keys)),
  // Two who write the same at once are two all the same.
  value: fc.constantFrom("x", "y"),
  handle: fc.nat(1),
  isStale: fc.boolean(),
});

/** A change that was made: a deletion has no value, and may not know its version. */
interface Written {
  readonly version: number | undefined;
  readonly value: string | undefined;
  readonly began: number;
  readonly ended: number;
}

interface Seen {
  readonly what: string;
  readonly found: Named<string> | undefined;
  readonly began: number;
  readonly ended: number;
}

interface History {
  readonly written: Written[];
  readonly seen: Seen[];
}

/** What no order of the calls could explain; answers what stands in the end. */
function judge(key: string, { written, seen }: History): Named<string> | undefined {
  const made = new Map<number, Written>();
  for (const one of written) {
    if (one.version === undefined) continue;
    hold(!made.has(one.version), `version ${one.version} of ${key} was made twice`);
    made.set(one.version, one);
  }
  const unplaced = written.filter(({ version }) => version === undefined);
  for (let version = 1; version <= written.length; version++) {
    if (made.has(version)) continue;
    hold(unplaced.length > 0, `version ${version} of ${key} was made by nobody`);
    // One of the deletions, and nobody knows which.
    const began = Math.min(...unplaced.map((one) => one.began));
    made.set(version, { version, value: undefined, began, ended: Infinity });
  }
  hold(made.size === written.length, `${key} has ${made.size} versions of ${written.length} changes`);
  for (const [late, { began }] of made) {
    for (const [early, { ended }] of made) {
      hold(ended >= began || early < late, `${key} went back from version ${early} to ${late}`);
    }
  }
  const mayStand = (version: number, { began, ended }: Seen): boolean =>
    (version === 0 || made.get(version)!.began < ended) && (made.get(version + 1)?.ended ?? Infinity) > began &&
    [...made].every(([later, one]) => later <= version || one.ended > began);
  for (const one of seen) {
    const { what, found } = one;
    if (found === undefined) {
      const gaps = [0, ...[...made].filter(([, { value }]) => value === undefined).map(([version]) => version)];
      hold(gaps.some((version) => mayStand(version, one)), `${what} of ${key} finds nothing, and something stands`);
      continue;
    }
    const { version, value } = found;
    hold(made.get(version)?.value === value, `${what} of ${key} finds ${version} ${value}, which nobody wrote`);
    hold(mayStand(version, one), `${what} of ${key} finds version ${version}, which did not stand then`);
  }
  const value = made.get(written.length)?.value;
  return value === undefined ? undefined : { name: "", version: written.length, value };
}

type Opener = (store: Store, options: DirectoryOptions) => Directory<string>;

async function play(rounds: readonly (readonly Ask[])[], stage: Stage, stores: readonly Store[], open: Opener) {
  const histories = new Map<string, History>();
  const known = new Map<string, (Named<string> | undefined)[]>();
  let clock = 0;

  async function ask({ act, key, value, handle, isStale }: Ask): Promise<void> {
    const [directory, name] = key;
    const names = open(stores[handle]!, { environment: stage.world, directory });
    const history = histories.get(key.join("\n")) ?? { written: [], seen: [] };
    histories.set(key.join("\n"), history);
    const views = known.get(key.join("\n")) ?? [];
    known.set(key.join("\n"), views);
    const was = views.at(isStale ? -2 : -1);
    const began = clock++;
    const wrote = (version: number | undefined, value: string | undefined): void =>
      void history.written.push({ version, value, began, ended: clock++ });
    const saw = (found: Named<string> | undefined): void => {
      history.seen.push({ what: act, found, began, ended: clock++ });
      views.push(found);
    };
    if (act === "set") {
      const now = await names.set(name, value);
      wrote(now.version, value);
      views.push(now);
    } else if (act === "change" || act === "create") {
      const before = act === "change" ? was : undefined;
      const { done, now } = await names.compareAndSet(name, before, value);
      hold(done || now?.version !== before?.version, `${act} of ${key} is refused, and nothing had changed`);
      hold(!done || before === undefined || now?.version === before.version + 1, `${act} of ${key} skipped a change`);
      stage.happened(done ? act : `${act} refused`);
      if (done) wrote(now!.version, value);
      else saw(now);
      if (done) views.push(now);
    } else if (act === "delete" || act === "delete this") {
      if (act === "delete this" && was === undefined) return;
      const done = act === "delete" ? await names.delete(name) : await names.delete(name, was);
      if (done) wrote(act === "delete" ? undefined : was!.version + 1, undefined);
      else if (act === "delete") saw(undefined);
      if (done) stage.happened("deleted");
    } else if (act === "get") saw(await names.get(name));
    else {
      const all = await names.list();
      same(all.map((one) => one.name), all.map((one) => one.name).toSorted(), "names in order");
      for (const [directoryOf, own] of keys) {
        if (directoryOf === directory && own === name) saw(all.find((one) => one.name === own));
      }
    }
  }

  for (const round of rounds) {
    if (round.length > 1) stage.happened("at once");
    await Promise.all(round.map(ask));
  }
  return histories;
}

/** The law, for a directory of one's own; the one that stands on claims unless given. */
export const namesLaw = (open: Opener = standardDirectory): Law =>
  law({
    name: "names are set by one at a time",
    about: "a directory's sets, compare-and-sets, deletions, lists and watches are as if one came after the other",
    cases: () => listOf(listOf(asks, 6, 1), 8, 1),
    wants: ["change", "change refused", "create", "create refused", "deleted", "at once"],
    async holds(rounds, stage) {
      const first = await stage.open();
      const stores = [first, isShared(first.abilities) ? await stage.open() : first];
      const options = { environment: stage.world, directory: "a" };
      const watching = (async () => {
        const versions: number[] = [];
        for await (const one of open(stores[1]!, options).watch("watched")) {
          versions.push(one?.version ?? 0);
          if (one?.value === "last") return versions;
        }
        throw new Error("a watch ended by itself");
      })();
      watching.catch(() => {});
      const watched = open(first, options);
      await watched.set("watched", "first");
      const histories = await play(rounds, stage, stores, open);
      await watched.set("watched", "last");
      const versions = await stage.world.until(watching, callMsMax);
      same(versions, [...new Set(versions)].toSorted((a, b) => a - b), "versions that a watch shows");

      const standing = new Map<string, Named<string>>();
      for (const [key, history] of histories) {
        const [directory = "", name = ""] = key.split("\n");
        const last = judge(JSON.stringify(key), history);
        const wanted = last && { ...last, name };
        const found = await open(stores[1]!, { environment: stage.world, directory }).get(name);
        same(found ?? null, wanted ?? null, `what stands under ${JSON.stringify(key)}`);
        if (wanted !== undefined) standing.set(key, wanted);
      }
      for (const directory of new Set(keys.map(([directory]) => directory))) {
        const wanted = [...standing].filter(([key]) => key.startsWith(`${directory}\n`)).map(([, one]) => one.name)
          .sort();
        const names = open(first, { environment: stage.world, directory });
        const found = (await names.list()).map(({ name }) => name).filter((name) => name !== "watched");
        same(found, wanted, `names in ${JSON.stringify(directory)}`);
        for (const start of ["..", "b/", "\u00e9"]) {
          const own = (await names.list(start)).map(({ name }) => name);
          same(own, wanted.filter((name) => name.startsWith(start)), `names in ${directory} from ${start} on`);
        }
      }
      const other = await stage.open({ run: "run-2" });
      const others = open(other, options);
      same([await others.get("watched") ?? null, await others.list()], [null, []], "names in another run");
      await refused("BadInput", "a name that is none", () => watched.set("", "x"));
      await refused("BadInput", "a name that is no text", () => watched.get("\ud800"));
      const numbers = standardDirectory<number>(first, options);
      await refused("BadInput", "a value that JSON cannot say", () => numbers.set("n", NaN));
    },
  });
