// A stream on the disk is a chain of openings. Number n is a file that only one writer can create; from then on the
// one before is cut: whoever finds it so says where it ended, and the first to say so is believed. A frame counts
// where, after it was written or read, there was no next opening yet, or it stands before the cut.
import { crc32 } from "../checksum.ts";
import { ShoalError } from "../error.ts";
import type { Position } from "../store.ts";
import { type Disk, ifThere } from "./disk.ts";
import { framesIn } from "./frames.ts";
import { numbered, numberedName } from "./layout.ts";
import type { Wholes } from "./whole.ts";

export interface Opening {
  readonly n: number;
  readonly epoch: number;
  /** The sequence before its first: an epoch goes on where another writer of it was cut. */
  readonly base: number;
  /** Its last sequence, where there is a next opening. */
  readonly cut: number | undefined;
  /** Where its segments begin, in order. */
  readonly firsts: readonly number[];
}

export interface Chain {
  readonly openings: readonly Opening[];
  readonly trimmed: Position | undefined;
}

export interface StreamsOptions {
  readonly disk: Disk;
  readonly wholes: Wholes;
  readonly durable: boolean;
  readonly frameBytesMax: number;
}

export interface Streams {
  load(folder: string): Promise<Chain>;
  /** Whether the opening is still the last. */
  isLast(folder: string, n: number): Promise<boolean>;
  /** The last sequence of an opening by what stands in its last segment now. */
  scan(folder: string, opening: Opening): Promise<number>;
  saltOf(folder: string, n: number): number;
}

const openName = (n: number): string => numberedName("open", n);
const rememberedMax = 16_384;

export function streams({ disk, wholes, durable, frameBytesMax }: StreamsOptions): Streams {
  /** What openings and cuts say never changes. */
  const remembered = new Map<string, number>();

  async function numberIn(folder: string, name: string): Promise<number | undefined> {
    const path = `${folder}/${name}`;
    let value = remembered.get(path);
    if (value !== undefined) return value;
    const text = await wholes.read(folder, name);
    if (text === undefined) return undefined;
    value = Number(text.split(" ")[0]);
    if (!Number.isSafeInteger(value)) throw new ShoalError("Corrupt", `Cannot read ${name}: it holds no number`);
    if (remembered.size >= rememberedMax) remembered.clear();
    remembered.set(path, value);
    return value;
  }

  const saltOf = (folder: string, n: number): number => crc32(`${folder.slice(folder.lastIndexOf("/") + 1)}\n${n}`);

  async function scan(folder: string, { n, base, firsts }: Omit<Opening, "cut">): Promise<number> {
    const first = firsts.at(-1);
    if (first === undefined) return base;
    const file = await ifThere(disk.open(`${folder}/${numberedName("log", n, first)}`, "read"));
    if (file === undefined) throw new ShoalError("Unavailable", "Cannot read log: its last segment is not there");
    try {
      let last = first - 1;
      for await (const { entry } of framesIn(file, saltOf(folder, n), frameBytesMax, 0)) {
        if (entry.sequence !== last + 1) break;
        last = entry.sequence;
      }
      // What is believed from here on must not be lost with the power when it was only in memory.
      if (durable) await file.sync();
      return last;
    } finally {
      await file.close();
    }
  }

  async function load(folder: string): Promise<Chain> {
    const names = await ifThere(disk.list(folder)) ?? [];
    const numbers = numbered(names, "open", 1).map(([n]) => n!);
    const logs = numbered(names, "log", 2);
    const [trim] = numbered(names, "trim", 2).slice(-1);
    const openings: Opening[] = [];
    for (const [index, n] of numbers.entries()) {
      const epoch = await numberIn(folder, openName(n));
      if (epoch === undefined) throw new ShoalError("Corrupt", "Cannot read log: an opening is gone");
      const before = openings.at(-1);
      const base = before?.epoch === epoch ? before.cut ?? 0 : 0;
      const opening = { n, epoch, base, firsts: logs.filter(([of]) => of === n).map(([, first]) => first!) };
      let cut: number | undefined;
      if (index < numbers.length - 1) {
        const name = numberedName("cut", n);
        cut = await numberIn(folder, name);
        if (cut === undefined) {
          // Listed anew: what was in no list yet may have been there before the next opening was.
          const again = numbered(await disk.list(folder), "log", 2);
          const firsts = again.filter(([of]) => of === n).map(([, first]) => first!);
          await wholes.place(folder, name, `${await scan(folder, { ...opening, firsts })}`);
          cut = await numberIn(folder, name);
        }
      }
      openings.push({ ...opening, cut });
    }
    return { openings, trimmed: trim === undefined ? undefined : { epoch: trim[0]!, sequence: trim[1]! } };
  }

  return {
    load,
    isLast: async (folder, n) => !await disk.exists(`${folder}/${openName(n + 1)}`),
    scan,
    saltOf,
  };
}
