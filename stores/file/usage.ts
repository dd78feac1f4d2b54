// What all openings of a run take of its capacity together. Each says in a file of its own what it takes, and reads what
// the others say before it takes more; where that is too much, their tensors are counted on the disk. Who wants more
// says so first and looks then: of two who come at once, one at least sees the other.
import { Buffer } from "node:buffer";
import type { Usage } from "../room.ts";
import type { StoreEnvironment } from "../store.ts";
import { type Disk, errnoOf, ifThere, readAll, writeAll } from "./disk.ts";
import { isAdoptedId, isWriter, type Layout } from "./layout.ts";
import { standingOf, writersOf } from "./listed.ts";
import { troubleOf } from "./trouble.ts";

export interface UsageOptions {
  readonly disk: Disk;
  readonly layout: Layout;
  readonly writer: string;
  readonly durable: boolean;
  readonly capacityBytes: number;
  readonly environment: StoreEnvironment;
  /** What this opening takes, and what of that stands on the disk as far as it knows. */
  readonly usedBytes: () => number;
  readonly standingBytes: () => number;
  /** Looks for tensors of its own that others have released, and lets go of them. */
  readonly look: () => Promise<void>;
  /** The others that have the run open, each with whether its process is known to be dead. Not told unless set. */
  readonly owners: (() => Promise<ReadonlyMap<string, boolean>>) | undefined;
}

export interface FileUsage extends Usage {
  /** Told of each that stands from now on; where it answers a promise, others know of it once that is kept. */
  sealed(): Promise<void> | undefined;
  /** Asks nothing more. */
  stop(): Promise<void>;
  /** What stands is counted on the disk from here on. */
  close(): Promise<void>;
}

/** What another takes at most, for as long as it says the same. */
interface Estimate {
  readonly said: string;
  readonly bytes: number;
}

/** So many parts of the capacity are taken at a time, shared among all: in between nobody looks at the others. */
const stepsMax = 256;
/** Two who came at once try again, each after a time of its own. */
const triesMax = 8;
const apartMs = 4;
const readsAtOnceMax = 16;
const saidBytesMax = 64;

export function fileUsage(options: UsageOptions): FileUsage {
  const { disk, layout, writer, durable, capacityBytes, environment, usedBytes, standingBytes, look, owners } = options;
  const path = `${layout.usage}/${writer}`;
  const estimates = new Map<string, Estimate>();
  const dead = new Set<string>();
  /** Given, and not taken yet. */
  let spareBytes = 0;
  let othersBytes = 0;
  let othersCount = 0;
  let count = 0;
  /** Said already, but not given yet. */
  let wantedBytes: number | undefined;
  let saidComingBytes = 0;
  let stepBytes = 0;
  let saying: Promise<void> = Promise.resolve();
  let asking: Promise<unknown> | undefined;
  let isClosed = false;
  let hurry = (): void => {};

  /** Says what it may take, one word after the other: none may be overtaken by an older one. */
  function say(): Promise<void> {
    const next = saying.then(write);
    saying = next.catch(() => {});
    return next;
  }

  const comingBytes = (): number => Math.max(0, usedBytes() + (wantedBytes ?? spareBytes) - standingBytes());

  /** All that it may take, and how much of that does not stand on the disk yet. */
  async function write(): Promise<void> {
    const coming = comingBytes();
    const text = `${++count} ${usedBytes() + (wantedBytes ?? spareBytes)} ${coming}`;
    const aside = `${path}-${count.toString(36)}.temp`;
    // Whole or not at all: who reads it must not find half a number.
    const file = await disk.open(aside, "create").catch(async (error: unknown) => {
      if (errnoOf(error) !== "ENOENT") throw error;
      await disk.makeFolder(layout.usage);
      return await disk.open(aside, "create");
    });
    try {
      try {
        await writeAll(file, Buffer.from(`${text.padEnd(saidBytesMax - 1)}\n`), 0);
        if (durable) await file.sync();
      } finally {
        await file.close();
      }
      await disk.rename(aside, path);
      // A word that is older than the tensors would let others take their room after a power cut.
      if (durable) await disk.syncFolder(layout.usage);
      saidComingBytes = coming;
    } catch (error) {
      await disk.remove(aside).catch(() => {});
      throw error;
    }
  }

  /** What was coming stands now, or never will: said as before, it would be counted for nothing. */
  function lower(): Promise<void> | undefined {
    if (saidComingBytes - comingBytes() <= stepBytes || isClosed || wantedBytes !== undefined) return undefined;
    return say().catch(() => {});
  }

  async function saidBy(other: string): Promise<string> {
    const file = await ifThere(disk.open(`${layout.usage}/${other}`, "read"));
    if (file === undefined) return "";
    try {
      const bytes = Buffer.alloc(saidBytesMax);
      return bytes.toString("latin1", 0, await readAll(file, bytes, 0));
    } finally {
      await file.close();
    }
  }

  async function counted(other: string): Promise<number> {
    let bytes = 0;
    for await (const one of standingOf(disk, layout, other)) if (!isAdoptedId(one.id)) bytes += one.bytes;
    return bytes;
  }

  /** What another takes at most: by its own word, or as its tensors are counted now. */
  async function taken(other: string, known: Known, isThorough: boolean): Promise<number> {
    const said = await saidBy(other);
    const numbers = /^\d+ (\d+) (\d+) *\n$/.exec(said);
    const estimate = estimates.get(other);
    if (!isThorough) {
      if (estimate?.said === said) return estimate.bytes;
      if (numbers !== null && !dead.has(other)) return Number(numbers[1]);
    }
    const isDead = (await known()).get(other);
    if (isDead === true) dead.add(other);
    // What it may still write is not there to be counted; of one that is dead nothing will come.
    const [most, coming] = numbers === null || dead.has(other) ? [Infinity, 0] : [+numbers[1]!, +numbers[2]!];
    const bytes = Math.min(most, await counted(other) + coming);
    // Who says nothing and is there may take more at any time.
    if (numbers !== null || isDead !== false) estimates.set(other, { said, bytes });
    return bytes;
  }

  async function all(isThorough: boolean): Promise<number> {
    let owning: Promise<ReadonlyMap<string, boolean>> | undefined;
    const known: Known = () => owning ??= owners === undefined ? Promise.resolve(new Map()) : owners();
    const saying = (await ifThere(disk.list(layout.usage)) ?? []).filter(isWriter);
    const others = [...new Set([...saying, ...await writersOf(disk, layout)])].filter((other) => other !== writer);
    let sum = 0;
    for (let at = 0; at < others.length; at += readsAtOnceMax) {
      const some = others.slice(at, at + readsAtOnceMax);
      for (const bytes of await Promise.all(some.map((other) => taken(other, known, isThorough)))) sum += bytes;
    }
    othersBytes = sum;
    othersCount = others.length;
    return sum;
  }

  /** Answers nothing where somebody came at the same time. */
  async function given(bytes: number, isThorough: boolean): Promise<boolean | undefined> {
    const before = await all(isThorough);
    stepBytes = Math.floor(capacityBytes / stepsMax / (othersCount + 1));
    for (const bytesMore of [Math.max(bytes, stepBytes), bytes]) {
      if (before + usedBytes() + bytesMore > capacityBytes) continue;
      let isGiven = false;
      wantedBytes = bytesMore;
      try {
        await say();
        isGiven = await all(false) + usedBytes() + bytesMore <= capacityBytes;
        if (isGiven) spareBytes = bytesMore;
      } finally {
        wantedBytes = undefined;
        // Also where the disk failed: others must not be kept from what nobody has.
        if (!isGiven) await say().catch(() => {});
      }
      return isGiven || undefined;
    }
    return false;
  }

  async function tried(bytes: number, isThorough: boolean): Promise<boolean> {
    for (let tries = 1; tries <= triesMax; tries++) {
      const answer = isClosed ? false : await given(bytes, isThorough);
      if (answer !== undefined) return answer;
      await later(tries);
    }
    return false;
  }

  async function asked(bytes: number, isThorough: boolean): Promise<boolean> {
    if (await tried(bytes, false)) return true;
    if (!isThorough || isClosed) return false;
    await look();
    return await tried(bytes, true);
  }

  const later = (tries: number): Promise<void> =>
    new Promise((resolve) => {
      const part = parseInt(environment.token().slice(0, 4), 16) / 2 ** 16;
      const cancelTimer = environment.after(apartMs * tries * part, resolve);
      hurry = () => {
        cancelTimer();
        resolve();
      };
    });

  return {
    get allBytes() {
      return othersBytes + usedBytes();
    },
    spend(bytes) {
      if (bytes > spareBytes) return false;
      spareBytes -= bytes;
      return true;
    },
    async ask(bytes, isThorough) {
      if (bytes <= spareBytes) return true;
      try {
        return await (asking = asked(bytes, isThorough));
      } catch (error) {
        throw troubleOf(error, `allocate ${bytes} bytes`);
      }
    },
    sealed: lower,
    left: () => void lower(),
    async stop() {
      isClosed = true;
      hurry();
      await asking?.catch(() => {});
    },
    async close() {
      await saying;
      if (count > 0) await ifThere(disk.remove(path)).catch(() => {});
    },
  };
}

type Known = () => Promise<ReadonlyMap<string, boolean>>;
