// `shoal run patterns`: how fast tensors get from those who write to those who read, in the patterns of coupled campaigns:
// one to one, one to many, many to one. Each number is verified by its reader.

import { Actor, ShoalError, type System, type TensorRef } from "../../runtime/mod.ts";
import type { Values } from "../campaign.ts";
import { placesOf } from "./places.ts";
import { shownBytes } from "./times.ts";

export const settings = {
  "pattern": { default: "1:1", about: "who reads what whom has written", choices: ["1:1", "1:many", "many:1"] },
  "many": { default: 2, about: "how many there are of many", least: 1 },
  "bytes": { default: 1_048_576, about: "of one transfer, in float32", least: 4 },
  "transfers": { default: 24, about: "by each who writes, beside the first, which does not count", least: 1 },
} as const;

/** Some numbers, and the seconds that they took. */
interface Moved {
  readonly ref: TensorRef<"float32">;
  readonly seconds: number;
}

interface Read {
  /** Until it was in hand. */
  readonly getSeconds: number;
  /** Until every number of it had been read as well. */
  readonly readSeconds: number;
}

/** Bytes over seconds, and the mean of each transfer's own rate: the two are no more alike than transfers are. */
interface Rate {
  readonly transfers: number;
  readonly bytesOverSeconds: number;
  readonly meanOfRates: number;
}

/** Whole numbers that differ from place to place and from transfer to transfer, small enough that sums are exact. */
const numberAt = (at: number, serial: number): number => (at + 7 * serial) & 255;

export class Source extends Actor {
  static readonly module: string = import.meta.url;
  #data = new Float32Array(0);

  async put({ numbers, serial }: { readonly numbers: number; readonly serial: number }): Promise<Moved> {
    if (this.#data.length !== numbers) this.#data = new Float32Array(numbers);
    for (let at = 0; at < numbers; at++) this.#data[at] = numberAt(at, serial);
    const began = performance.now();
    const ref = await this.store.put({ data: this.#data, dtype: "float32" });
    return { ref, seconds: (performance.now() - began) / 1000 };
  }
}

export class Sink extends Actor {
  static readonly module: string = import.meta.url;

  /** Gets all of them before it reads the first, as one who waits for many does. */
  async read(
    { refs, serial }: { readonly refs: readonly TensorRef<"float32">[]; readonly serial: number },
  ): Promise<Read> {
    const began = performance.now();
    const tensors = await Promise.all(refs.map((ref) => this.store.get(ref)));
    const got = performance.now();
    const sums = tensors.map(({ data }) => {
      let sum = 0;
      for (let at = 0; at < data.length; at++) sum += data[at]!;
      return sum;
    });
    const read = performance.now();
    tensors.forEach(({ data }, index) => {
      let expected = 0;
      for (let at = 0; at < data.length; at++) expected += numberAt(at, serial);
      if (sums[index] === expected) return;
      throw new ShoalError("Corrupt", `Cannot trust the store: transfer ${serial} is not what was put`);
    });
    return { getSeconds: (got - began) / 1000, readSeconds: (read - began) / 1000 };
  }
}

export default async function patterns(
  system: System,
  { pattern, many, bytes, transfers }: Values<typeof settings>,
  say: (line: string) => void,
): Promise<object> {
  const numbers = Math.max(1, Math.floor(bytes / Float32Array.BYTES_PER_ELEMENT));
  const transferBytes = numbers * Float32Array.BYTES_PER_ELEMENT;
  const { actor } = await placesOf(system);
  const [sources, sinks] = [pattern === "many:1" ? many : 1, pattern === "1:many" ? many : 1];
  const writers = await several(sources, () => system.spawn(Source, undefined, actor));
  const readers = await several(sinks, () => system.spawn(Sink, undefined, actor));
  const [puts, gets, reads]: [number[], number[], number[]] = [[], [], []];

  async function readAll(refs: readonly TensorRef<"float32">[], serial: number): Promise<void> {
    const done = await Promise.all(readers.map((reader) => reader.ask("read", { refs, serial })));
    await Promise.all(refs.map((ref) => system.store.release(ref)));
    if (serial === 0) return;
    gets.push(...done.map(({ getSeconds }) => getSeconds));
    reads.push(...done.map(({ readSeconds }) => readSeconds));
  }

  // While one transfer is read the next is written, and no more than that.
  let reading: Promise<void> = Promise.resolve();
  let where = "";
  for (let serial = 0; serial <= transfers; serial++) {
    const moved = await Promise.all(writers.map((writer) => writer.ask("put", { numbers, serial })));
    where = moved[0]!.ref.where;
    await reading;
    if (serial > 0) puts.push(...moved.map(({ seconds }) => seconds));
    reading = readAll(moved.map(({ ref }) => ref), serial);
    reading.catch(() => {});
  }
  await reading;

  const together = pattern === "many:1" ? writers.length : 1;
  const [write, get, read] = [
    rateOf(transferBytes, puts),
    rateOf(transferBytes * together, gets),
    rateOf(transferBytes * together, reads),
  ];
  const shown = ({ bytesOverSeconds }: Rate): string => `${(bytesOverSeconds / 1e9).toFixed(2)} GB/s`;
  say(`${pattern}, transfers of ${shownBytes(transferBytes)} over ${where}`);
  say(`written at ${shown(write)}; in hand at ${shown(get)}, read through at ${shown(read)}`);
  return {
    program: "patterns",
    pattern,
    store: where,
    writers: writers.length,
    readers: readers.length,
    transferBytes,
    write,
    get,
    read,
  };
}

async function several<A>(count: number, make: () => Promise<A>): Promise<readonly A[]> {
  const all: A[] = [];
  while (all.length < count) all.push(await make());
  return all;
}

function rateOf(bytes: number, seconds: readonly number[]): Rate {
  const sum = seconds.reduce((sum, each) => sum + each, 0);
  const rates = seconds.map((each) => bytes / each);
  return {
    transfers: seconds.length,
    bytesOverSeconds: bytes * seconds.length / sum,
    meanOfRates: rates.reduce((sum, each) => sum + each, 0) / rates.length,
  };
}
