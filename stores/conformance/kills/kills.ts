// The kill harness: processes that write and read on one store while their parent kills them, or stops them and wakes
// them when others have long taken over, at points drawn from a seed; and the judgement of what stands in the end.
import { ShoalError } from "../../error.ts";
import type { Place } from "../../sweep.ts";
import { type Child, child } from "./children.ts";
import { type Counts, judge } from "./judge.ts";
import { openedPlace, openedStore } from "./opener.ts";
import { isShared } from "../subject.ts";
import { chanceFrom, type Task } from "./said.ts";

export interface KillOptions {
  /** Of a store that several processes can open, at a place that is new. */
  readonly url: string;
  /** How many processes are killed before their time. 10 unless said. */
  readonly kills?: number;
  /** Draws who is killed, and after which of their lines. A real kill strikes some steps sooner or later all the same. */
  readonly seed?: number;
  readonly run?: string;
  /** A module that exports `openStore`, and perhaps `openPlace`, where shoal's own do not know the URL. */
  readonly opener?: string;
  /** How often something went wrong before the harness gives up. 10 unless said. */
  readonly problemsMax?: number;
}

export interface KillReport {
  readonly url: string;
  readonly seed: number;
  readonly killed: Readonly<Record<"writers" | "readers" | "sweepers" | "zombies", number>>;
  /** What was acknowledged, and what was seen. */
  readonly counts: Counts;
  /** What was lost, half there, or changed by one that had been taken over. Empty where all is well. */
  readonly problems: readonly string[];
}

type Victim = "writer" | "reader" | "sweeper" | "zombie";

const deck: readonly Victim[] = [
  "writer",
  "zombie",
  "sweeper",
  "reader",
  "writer",
  "zombie",
  "writer",
  "sweeper",
  "zombie",
  "writer",
];
const slots = 2;
const problemsMaxUnlessSaid = 10;
/** What a process may say before it is killed, and how long it is let go on after that line. */
const linesMax = { write: 30, read: 30, sweep: 5 } as const;
const lateMsMax = 6;
/** How far a successor gets while its predecessor sleeps, and what a zombie may try. */
const successorLines = 8;
const zombieLines = 6;
/** Whose appends nobody sees need not be told so. */
const zombieLinesMax = 80;

export async function kills(options: KillOptions): Promise<KillReport> {
  const { url, kills: wanted = 10, run = "kills", opener, problemsMax = problemsMaxUnlessSaid } = options;
  await mustBeShared(url, run, opener);
  const place = await openedPlace(url, opener);
  const { seed = Math.floor(Math.random() * 2 ** 31) } = options;
  const chance = chanceFrom(seed);
  const upTo = (count: number): number => Math.floor(chance() * count);
  const all: Child[] = [];
  const killed = { writers: 0, readers: 0, sweepers: 0, zombies: 0 };

  function start(role: Task["role"], slot: number): Child {
    const who = all.length + 1;
    const one = child({ role, url, opener, run, who, slot, slots, seed: seed + 7_919 * who });
    all.push(one);
    return one;
  }

  /** Lets a process live until a line of its own that was drawn, and some time more. */
  async function ripen(one: Child): Promise<void> {
    const from = one.said.length + 1 + upTo(linesMax[one.task.role]);
    await one.until((_, index) => index >= from);
    await new Promise((resolve) => setTimeout(resolve, chance() * lateMsMax));
  }

  const leaders: Child[] = [];
  const followers: Child[] = [];
  const sweepers: Child[] = [];

  /** Now and then two at once, of whom one leads. */
  async function lead(slot: number): Promise<void> {
    const racing = Array.from({ length: chance() < 0.3 ? 2 : 1 }, () => start("write", slot));
    // Both may lead, one after the other: the first is a zombie from then on, perhaps before it could open anything.
    for (const one of racing) await one.until(({ say }) => say === "opened" || say === "fenced");
    const living = racing.filter((one) => !one.isOver).sort((a, b) => claimedBy(b) - claimedBy(a));
    const [leader, ...others] = living;
    if (leader === undefined) throw new Error(`Nobody leads slot ${slot}`);
    leaders[slot] = leader;
    for (const other of others) {
      await stray(other);
      await other.kill();
    }
  }

  /** Lets a zombie try until it has been refused, and some time more. */
  async function stray(one: Child): Promise<void> {
    const from = one.said.length;
    await one.until(({ say }, index) => say === "fenced" || index > from + zombieLinesMax);
    const late = one.said.length + zombieLines;
    await one.until((_, index) => index >= late);
  }

  /** Stops what holds on to tensors, or is in the middle of a sweep, while others go on; and looks at it when it wakes. */
  async function nap(one: Child): Promise<void> {
    one.stop();
    const other = leaders[0]!;
    const from = other.said.length + successorLines;
    await other.until((_, index) => index >= from);
    const slept = one.said.length;
    one.wake();
    await one.until(({ say }, index) => index >= slept && say === "woken");
    await ripen(one);
  }

  async function strike(victim: Victim): Promise<void> {
    if (victim === "reader" || victim === "sweeper") {
      const all = victim === "reader" ? followers : sweepers;
      const at = upTo(all.length);
      await ripen(all[at]!);
      if (chance() < 0.5) await nap(all[at]!);
      await all[at]!.kill();
      killed[`${victim}s`] += 1;
      all[at] = start(victim === "reader" ? "read" : "sweep", 0);
      return;
    }
    const slot = upTo(slots);
    const old = leaders[slot]!;
    await ripen(old);
    if (victim === "writer") {
      await old.kill();
      killed.writers += 1;
      return await lead(slot);
    }
    old.stop();
    await lead(slot);
    const next = leaders[slot]!;
    const from = next.said.length + successorLines;
    await next.until((_, index) => index >= from);
    const slept = old.said.length;
    old.wake();
    await old.until(({ say }, index) => index >= slept && say === "woken");
    await stray(old);
    await old.kill();
    killed.zombies += 1;
  }

  const problems: string[] = [];
  try {
    for (let slot = 0; slot < slots; slot++) await lead(slot);
    followers.push(start("read", 0));
    if (place !== undefined) sweepers.push(start("sweep", 0));
    for (let index = 0; index < wanted; index++) {
      const victim = deck[index % deck.length]!;
      await strike(victim === "sweeper" && place === undefined ? "reader" : victim);
      if (all.some(({ said }) => said.some(({ say }) => say === "problem"))) break;
    }
    // The last reader gets to see all that stands.
    for (const one of [...leaders, ...followers, ...sweepers]) await ripen(one);
  } catch (error) {
    problems.push(error instanceof Error ? error.message : String(error));
  } finally {
    await Promise.all(all.map((one) => one.kill()));
  }
  if (place !== undefined) problems.push(...await finalSweep(place, run));
  const store = await openedStore(url, run, opener);
  try {
    const { counts, problems: found } = await judge(all, store, slots);
    return { url, seed, killed, counts, problems: [...problems, ...found].slice(0, problemsMax) };
  } finally {
    await store.close();
  }
}

/** Throws BadInput for a store that only one process can have. */
async function mustBeShared(url: string, run: string, opener: string | undefined): Promise<void> {
  const store = await openedStore(url, run, opener);
  await store.close();
  if (isShared(store.abilities)) return;
  const why = `it is shared by ${store.abilities.shared}, and other processes cannot open it`;
  throw new ShoalError("BadInput", `Cannot kill processes on ${store.url}: ${why}; kill the threads that use it`);
}

/** The newest epoch that a writer has claimed for itself. */
function claimedBy({ said }: Child): number {
  return Math.max(0, ...said.map((line) => line.say === "claimed" && line.held ? line.epoch : 0));
}

/** Sweeps once more, when all are gone; what is judged is what is left then. */
async function finalSweep(place: Place, run: string): Promise<string[]> {
  for await (const _ of place.sweep());
  const left: string[] = [];
  for await (const { kind, what, run: of } of place.sweep({ dryRun: true })) {
    if (of === run && kind === "half-made") left.push(`a sweep leaves ${what}, whose writer is gone`);
  }
  return left;
}
