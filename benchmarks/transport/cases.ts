// The cases of the suite `transport`: what it costs to get samples from those who simulate to those who train.

import type { Bar, Case, Parameters, Result } from "../case.ts";
import { type Answer, numberOf } from "../protocol.ts";
import { spread } from "../rounds.ts";

const timesAloneMax = 1.15;
const readPartMax = 0.01;
const partOfLoopMin = 0.7;
const sentPerByteMax = 1.05;
const timesLongerMax = 1.15;
const overheadSecondsMax = 1;

const isLoop = (library: string): boolean => library === "loop" || library === "summed";
const isShared = ({ library }: { readonly library: string }): boolean => library === "shm:";

/** Round by round: what disturbs one round disturbs both. */
function beside(own: Result, others: readonly Result[], library: string): number | undefined {
  const other = others.find((each) => each.library === library && each.runtime === own.runtime);
  if (other === undefined) return undefined;
  return spread(own.rounds.map(({ value }, index) => value / (other.rounds[index]?.value ?? NaN))).median;
}

const besideAlone: Bar = {
  text: `at most ${timesAloneMax} × computing alone`,
  isFor: isShared,
  holds(own, peers) {
    const times = beside(own, peers, "alone");
    return times === undefined ? undefined : times <= timesAloneMax;
  },
  reached: (own, peers) => beside(own, peers, "alone"),
};

const ahead: Bar = {
  text: "ahead of all others",
  isFor: isShared,
  holds(own, peers) {
    const others = peers.filter(({ isLimit }) => !isLimit);
    return others.length === 0 ? undefined : others.every(({ median }) => median > own.median);
  },
};

const besideLoop: Bar = {
  text: `at least ${partOfLoopMin} × a bare loop of pread that checks what it has read, as the store does`,
  isFor: ({ library }) => library === "file:",
  holds(own, peers) {
    const part = beside(own, peers, "summed");
    return part === undefined ? undefined : part >= partOfLoopMin;
  },
  reached: (own, peers) => beside(own, peers, "summed"),
};

const hardlyRead: Bar = {
  text: `readers wait for at most ${100 * readPartMax} % of the run; here %`,
  isFor: isShared,
  holds: ({ median }) => median <= 100 * readPartMax,
  reached: ({ median }) => median,
};

const sentOnce: Bar = {
  text: "the server sends each byte once to all who read on this node",
  isFor: ({ library, extras }) => library === "redis:" && (extras["sent/byte"]?.median ?? NaN) > 0,
  holds: ({ extras }) => (extras["sent/byte"]?.median ?? NaN) <= sentPerByteMax,
  reached: ({ extras }) => extras["sent/byte"]?.median,
};

/** The cases with these parameters, in the order in which they run. */
export function transportCases(workload: { readonly [name: string]: Parameters }): readonly Case[] {
  const build = (name: string, rest: Omit<Case, "name" | "parameters" | "timeoutMs" | "fault">): Case => {
    const parameters = workload[name];
    if (parameters === undefined) throw new TypeError(`Cannot find ${name} in the workload`);
    const samples = numberOf(parameters, "count") * numberOf(parameters, "steps");
    return {
      name,
      parameters,
      timeoutMs: 600_000,
      fault(answer) {
        if (answer["samples"] !== samples) return `each read ${answer["samples"]} of ${samples} samples`;
        return answer["wrong"] === 0 ? undefined : "what was read is not what was written";
      },
      ...rest,
    };
  };
  /** Nothing where a contender does not tell it. */
  const of = (name: string) => (answer: Answer): number => {
    const value = answer[name];
    return typeof value === "number" ? value : NaN;
  };
  const rate = (bytes: string, seconds: string) => (answer: Answer): number =>
    of(bytes)(answer) / of(seconds)(answer) / 1e9;
  const waits = (answer: Answer): number =>
    100 * of("getSeconds")(answer) / of("readers")(answer) / of("seconds")(answer);
  return [
    build("whole", {
      title: "simulations, and two who read all of them: from the first simulation to the last number read",
      unit: "s",
      better: "less",
      value: of("seconds"),
      extras: { "simulate s": of("simulateSeconds"), "read s": of("readSeconds") },
      bars: [besideAlone, ahead],
      isFor: ({ library }) => !isLoop(library),
      isOf: (_, limit) => limit.library === "alone",
    }),
    build("reads", {
      title: "shoal run waves on two processes: bytes that two trainers got over the seconds that they waited for them",
      unit: "GB/s",
      better: "more",
      value: rate("gotBytes", "getSeconds"),
      extras: {
        "put GB/s": rate("bytes", "putSeconds"),
        "put s": of("putSeconds"),
        "get s": of("getSeconds"),
        "run s": of("seconds"),
        "waits, %": waits,
        "sent/byte": of("sentPerByte"),
      },
      bars: [besideLoop, sentOnce],
      isFor: ({ own, library }) => own || isLoop(library),
      isOf: (own, limit) => own.library === "file:" && isLoop(limit.library),
    }),
    build("trained", {
      title: "the same with training: how long trainers wait for samples, as a part of the run",
      unit: "%",
      better: "less",
      value: waits,
      extras: { "get s": of("getSeconds"), "run s": of("seconds") },
      bars: [hardlyRead],
      isFor: ({ own, library }) => own && isShared({ library }),
    }),
    build("online", {
      title: "training while simulations run: all of it, as a multiple of the longer of both alone",
      unit: "×",
      better: "less",
      value: (answer) => of("seconds")(answer) / Math.max(of("simulateSeconds")(answer), of("trainSeconds")(answer)),
      extras: { "s": of("seconds"), "simulate s": of("simulateSeconds"), "train s": of("trainSeconds") },
      bars: [{
        text: `at most ${timesLongerMax} × the longer one`,
        holds: ({ median }) => median <= timesLongerMax,
        reached: ({ median }) => median,
      }],
      isFor: ({ own, library }) => own && isShared({ library }),
    }),
    build("seed", {
      title: "64 simulations of 512² in 32 slots that sleep: launch and I/O, above what the sleeping takes",
      unit: "s",
      better: "less",
      rounds: 1,
      value: of("overheadSeconds"),
      extras: {
        "floor s": of("floorSeconds"),
        "launch s": of("launchSeconds"),
        "GB": (answer) => of("bytes")(answer) / 1e9,
      },
      bars: [{
        text: `at most ${overheadSecondsMax} s`,
        holds: ({ median }) => median <= overheadSecondsMax,
        reached: ({ median }) => median,
      }],
      isFor: ({ own, library }) => own && isShared({ library }),
    }),
  ];
}
