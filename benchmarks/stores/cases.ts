// The cases of the suite `stores`: a put and a get of each size, and what many of them leave in memory.

import type { Bar, Case, Contender, Parameters, Result } from "../case.ts";
import { type Answer, numberOf } from "../protocol.ts";
import { checkOf } from "./data.ts";

const MB = 1e6;
const GB = 1e9;
/** From here on what counts is bytes a second, below it tensors a second. */
const largeBytesMin = 1e6;

const perSecond = (answer: Answer, field: string): number => numberOf(answer, "count") / numberOf(answer, field);

/** Compares what was read with what the serial numbers must lead to. */
function faultOf(bytes: number, count: number): Case["fault"] {
  return (answer) => {
    if (answer["count"] !== count) return `read ${answer["count"]} of ${count}`;
    if (answer["misplaced"] !== 0) return `${answer["misplaced"]} were others`;
    const check = checkOf(bytes, count);
    return answer["check"] === check ? undefined : `summed ${answer["check"]}, expected ${check}`;
  };
}

const isStore = (...names: string[]) => ({ library }: Result): boolean => names.includes(library);

/** Ours against another's, which is found beside it, both as this case counts. */
function ofOther(
  text: string,
  factor: number,
  isFor: (own: Result) => boolean,
  find: (own: Result, others: readonly Result[], ours: readonly Result[]) => Result | undefined,
): Bar {
  return {
    text,
    isFor,
    holds(own, ...all) {
      const other = find(own, ...all);
      return other === undefined ? undefined : own.median >= factor * other.median;
    },
    reached(own, ...all) {
      const other = find(own, ...all);
      return other === undefined ? undefined : own.median / other.median;
    },
  };
}

/** Against what the machine can do on the same runtime. */
const ofLimit = (text: string, factor: number, library: string, isFor: (own: Result) => boolean): Bar =>
  ofOther(
    text,
    factor,
    isFor,
    (own, others) => others.find((other) => other.library === library && other.runtime === own.runtime),
  );

const ofPeer = (text: string, factor: number, library: string, isFor: (own: Result) => boolean): Bar =>
  ofOther(text, factor, isFor, (_, others) => others.find((other) => other.library === library));

const atLeast = (text: string, least: number, isFor: (own: Result) => boolean): Bar => ({
  text,
  isFor,
  holds: ({ median }) => median >= least,
});

/** Several Redis servers on one host. */
export const shards = "redis: on shards";
/** What two runs of the same differ by. */
const evenShare = 0.95;
const noSlower: Bar = ofOther(
  `no slower than one server (≥ ${evenShare} ×)`,
  evenShare,
  isStore(shards),
  (own, _, ours) => ours.find((other) => other.library === "redis:" && other.runtime === own.runtime),
);

const viewMicrosMax = 5;

/** What others do between two processes, of the same 64 MB. */
const peerBars: readonly Bar[] = [
  ofPeer("≥ 3 × Ray", 3, "ray", isStore("shm:")),
  ofPeer("≥ 4 × numpy.save on tmpfs", 4, "numpy", isStore("shm:")),
];

function barsOf(name: string, bytes: number): Bar[] {
  if (name.startsWith("make")) return [...peerBars];
  const isPut = name.startsWith("put");
  const bars: Bar[] = [];
  if (name === "put-1kB") {
    bars.push(atLeast("≥ 100 k/s", 100, isStore("memory:", "shm:")), atLeast("≥ 50 k/s", 50, isStore("file:")));
  }
  if (name === "put-1kB") bars.push(atLeast("≥ 60 k/s", 60, isStore("redis:")));
  if (bytes === 64 * MB) {
    bars.push(
      ofLimit("≥ 1.3 × ioredis, one value", 1.3, "ioredis", isStore("redis:")),
      ofLimit("≥ 0.9 × ioredis in a window", 0.9, "window", isStore("redis:")),
      ofPeer("≥ 4 × ProxyStore's Redis connector", 4, "proxystore", isStore("redis:")),
      noSlower,
    );
  }
  if (bytes >= largeBytesMin) {
    bars.push(ofLimit("≥ 0.8 × the loop in place", 0.8, "loop", isStore("file:")));
    if (isPut) bars.push(ofLimit("≥ 0.8 × memcpy", 0.8, "memcpy", isStore("shm:")));
    else {
      bars.push({
        text: `≤ ${viewMicrosMax} µs again: nothing is copied`,
        isFor: isStore("memory:", "shm:"),
        holds: ({ extras }) => (extras["againMicros"]?.median ?? Infinity) <= viewMicrosMax,
      });
    }
  }
  if (name === "put-64MB") bars.push(...peerBars);
  return bars;
}

/** The cases with these parameters, in the order in which they run. */
export function storeCases(workload: { readonly [name: string]: Parameters }): readonly Case[] {
  return Object.entries(workload).map(([name, parameters]): Case => {
    const [bytes, count] = [numberOf(parameters, "bytes"), numberOf(parameters, "count")];
    const shared = { name, parameters, better: "more" as const, fault: faultOf(bytes, count), isOf: isLimitOf };
    if (name === "stream" || name === "drafts") return { ...shared, ...memoryCase(name, bytes, count) };
    const isLarge = bytes >= largeBytesMin;
    const extras: Record<string, (answer: Answer) => number> = {
      microsEach: (answer) => 1e6 / perSecond(answer, "seconds"),
      cpuMicros: (answer) => 1e6 / perSecond(answer, "cpuSeconds"),
    };
    if (name.startsWith("get") && isLarge) {
      extras["againMicros"] = (answer) => 1e6 * numberOf(answer, "againSeconds") / numberOf(answer, "againCount");
      extras["readGBs"] = (answer) => perSecond(answer, "readSeconds") * bytes / GB;
    }
    if (name.startsWith("put") && isLarge) {
      extras["coldMicros"] = (answer) => 1e6 * numberOf(answer, "coldSeconds");
    }
    return {
      ...shared,
      title: name.startsWith("make")
        ? `tensors of ${name.slice(5)} made and then read by another process: filled in place, or filled and put`
        : name.startsWith("put")
        ? `tensors of ${name.slice(4)} put, and read by another process`
        : `tensors of ${name.slice(4)} that another process put are got${isLarge ? "; readGBs: and read" : ""}`,
      unit: isLarge ? "GB/s" : "k/s",
      timeoutMs: 120_000,
      value: (answer) => perSecond(answer, "seconds") * (isLarge ? bytes / GB : 1e-3),
      extras,
      bars: barsOf(name, bytes),
    };
  });
}

/** What stays in memory is measured by a copy in memory, read as the store's tensors are; and files by files. */
function isLimitOf(own: Result, limit: Result): boolean {
  if (own.library.startsWith("redis") || limit.library === "window") {
    return own.library.startsWith("redis") && limit.library === "window";
  }
  if (own.library === "memory:") return limit.library === "alone";
  return (own.library === "shm:") === (limit.library === "memcpy" || limit.library === "alone");
}

type MemoryCase = Omit<Case, "name" | "parameters" | "better" | "fault" | "isOf">;

/** What stays in memory when much goes through: once is enough, in processes of their own. */
function memoryCase(name: "stream" | "drafts", bytes: number, count: number): MemoryCase {
  const gigabytes = bytes * count / GB;
  const mostMB = name === "stream" ? 400 : 300;
  return {
    title: name === "stream"
      ? `${gigabytes.toFixed(0)} GB from one process to another in tensors of ${bytes / MB} MB; own memory of both`
      : `${count} tensors of ${bytes / MB} MB made in place, read and released one after the other; own memory`,
    unit: "GB/s",
    rounds: 1,
    isFor: ({ own }: Contender) => own,
    timeoutMs: 600_000,
    value: (answer) => gigabytes / numberOf(answer, "seconds"),
    extras: {
      ownMB: (answer) => numberOf(answer, "ownBytes") / MB,
      partnerMB: (answer) => numberOf(answer, "partnerBytes") / MB,
    },
    bars: [{
      text: `< ${mostMB} MB of own memory in each process`,
      holds({ extras }) {
        const most = Math.max(extras["ownMB"]?.median ?? Infinity, extras["partnerMB"]?.median ?? Infinity);
        // A machine that does not tell answers 0.
        return most === 0 ? undefined : most < mostMB;
      },
    }],
  };
}
