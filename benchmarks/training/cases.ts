// The cases of the suite `training`: how fast the network of the waves learns, by the processor's time.

import type { Bar, Case, Parameters, Result } from "../case.ts";
import { type Answer, numberOf } from "../protocol.ts";
import { spread } from "../rounds.ts";

const partOfTorchMin = 0.7;
const multipleOfPlainMin = 1.3;
const partOfNodeMin = 0.8;
const twiceMin = 1.7;
const partOfMachineMin = 0.9;

/** A step's operations on one pixel of one sample: three times those of the forward pass, without the first input's. */
const operationsOf = (kernel: number): number => {
  const weights = kernel ** 2 * (1 * 8 + 8 * 16 + 16 * 8 + 8 * 1);
  return 2 * (3 * weights - kernel ** 2 * 8);
};

/** So many times another's, round by round: what disturbs one round disturbs both. */
function times(own: Result, other: Result | undefined): number | undefined {
  if (other === undefined) return undefined;
  return spread(own.rounds.map(({ value }, index) => value / (other.rounds[index]?.value ?? NaN))).median;
}

/** So many times what somebody else reaches. */
function least(
  text: string,
  part: number,
  isFor: (own: Result) => boolean,
  other: (own: Result, peers: readonly Result[], ours: readonly Result[]) => Result | undefined,
): Bar {
  return {
    text,
    isFor,
    holds(own, peers, ours) {
      const found = times(own, other(own, peers, ours));
      return found === undefined ? undefined : found >= part;
    },
    reached: (own, peers, ours) => times(own, other(own, peers, ours)),
  };
}

/** Ours on one backend beside one of the others. */
const beside = (backend: string, part: number, peer: string, title: string): Bar =>
  least(
    `${backend} at least ${part} × ${title}, one thread each`,
    part,
    ({ library }) => library === backend,
    (_, peers) => peers.find(({ library }) => library === peer),
  );

const besideNode: Bar = least(
  `Deno at least ${partOfNodeMin} × Node`,
  partOfNodeMin,
  ({ runtime }) => runtime === "deno",
  (own, _, ours) => ours.find(({ runtime, library }) => runtime === "node" && library === own.library),
);

const ofMachine = ({ median, extras }: Result): number => median / (extras["machine ×"]?.median ?? NaN);

const twice: Bar = {
  text: `at least ${twiceMin} × one trainer; open where two bare loops reach less`,
  holds: ({ median, extras }) =>
    median >= twiceMin ? true : (extras["machine ×"]?.median ?? NaN) < twiceMin ? undefined : false,
  reached: ({ median }) => median,
};

const nearMachine: Bar = {
  text: `at least ${partOfMachineMin} × what two bare loops reach`,
  holds: (own) => ofMachine(own) >= partOfMachineMin,
  reached: ofMachine,
};

/** The cases with these parameters, in the order in which they run. */
export function trainingCases(workload: { readonly [name: string]: Parameters }): readonly Case[] {
  const build = (name: string, rest: Pick<Case, "title" | "unit" | "value" | "extras" | "bars" | "isFor">): Case => {
    const parameters = workload[name];
    if (parameters === undefined) throw new TypeError(`Cannot find ${name} in the workload`);
    const count = numberOf(parameters, "count");
    return {
      name,
      better: "more",
      parameters,
      timeoutMs: 600_000,
      fault(answer) {
        if (answer["count"] !== count) return `learnt from ${answer["count"]} of ${count} samples`;
        // Targets are half the inputs, which are spread over −1 to 1: a network that says 0 has a loss of 1/12.
        const loss = numberOf(answer, "loss");
        return loss >= 0 && loss < 1 ? undefined : `the loss is ${loss}`;
      },
      ...rest,
    };
  };
  const training = (name: string, grid: number): Case =>
    build(name, {
      title: `epochs on fields of ${grid} × ${grid}`,
      unit: "samples/CPU-s",
      value: (answer) => numberOf(answer, "count") / numberOf(answer, "cpuSeconds"),
      extras: {
        "samples/s": (answer) => numberOf(answer, "count") / numberOf(answer, "seconds"),
        "GFLOP/CPU-s": (answer) =>
          numberOf(answer, "count") * grid ** 2 * operationsOf(3) / numberOf(answer, "cpuSeconds") / 1e9,
        loss: (answer) => numberOf(answer, "loss"),
      },
      bars: [
        beside("wasm", partOfTorchMin, "torch", "PyTorch in its default layout"),
        beside("tensorflow", 1, "torch", "PyTorch in its default layout"),
        beside("tensorflow", multipleOfPlainMin, "tfjs-node", "TensorFlow.js as it comes"),
        besideNode,
      ],
    });
  return [
    training("train-128", 128),
    training("train-512", 512),
    build("two-threads", {
      title: "two trainers on two threads, as a multiple of one",
      unit: "×",
      value: (answer) => 2 * numberOf(answer, "aloneSeconds") / numberOf(answer, "seconds"),
      extras: {
        seconds: (answer: Answer) => numberOf(answer, "seconds"),
        // Where the machine is busy with others, this tells what two cost each other; 1 is nothing.
        "CPU of both by twice one's": (answer) =>
          numberOf(answer, "cpuSeconds") / (2 * numberOf(answer, "aloneCpuSeconds")),
        // What two loops in registers reach, right behind it: no two trainers reach more.
        "machine ×": (answer) => numberOf(answer, "machine"),
      },
      bars: [twice, nearMachine],
      isFor: ({ own }) => own,
    }),
  ];
}
