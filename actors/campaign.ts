// A campaign: simulations that a model learns from, and that the model chooses. Whoever brings candidates, a way to
// simulate one, and a way to learn gets six agents that keep simulations, training and inference busy side by side.

import { random, ShoalError, type System } from "../runtime/mod.ts";
import { infer } from "./agents/infer.ts";
import { processing } from "./agents/process.ts";
import { select } from "./agents/select.ts";
import type { Agents, Shop } from "./agents/shop.ts";
import { slots } from "./agents/slots.ts";
import { submit } from "./agents/submit.ts";
import { train } from "./agents/train.ts";
import { update } from "./agents/update.ts";
import { type Found, type Parts, planOf, type Settings } from "./controller.ts";
import { journal } from "./journal.ts";

/** The flags that every campaign has; a program adds its own to them. */
export const campaignSettings = {
  "initial": { default: 8, about: "random simulations before the first model", least: 1 },
  "max": { default: 24, about: "simulations in all, failed ones not counted", least: 1 },
  "batch": { default: 4, about: "simulations between two models, with --policy sequential", least: 1 },
  "policy": {
    default: "continuous",
    about: "when simulations wait for models",
    choices: ["continuous", "sequential", "delay", "interleaved", "no-retrain", "random"],
  },
  "delay": { default: 5, fraction: true, about: "seconds that --policy delay waits for a ranking at most" },
  "refill": {
    default: "always",
    about: "pause: no refills of the buffer while models update",
    choices: ["always", "pause"],
  },
  "pause-during-update": { default: false, about: "submit nothing while models update" },
  "retrain-frequency": { default: 1, about: "successes after which models are trained again", least: 1 },
  "model-count": { default: 8, about: "models of an ensemble", least: 1 },
  "beta": { default: 1, fraction: true, about: "how much the models' disagreement counts, in mean + beta * spread" },
  "buffer": { default: 500, about: "ranked candidates that wait for a slot, at most", least: 1 },
  "chunk": { default: 10_000, about: "candidates of one inference task", least: 1 },
  "simulate-workers": { default: 2, about: "slots for simulations", least: 1 },
  "train-workers": { default: 1, about: "slots for training", least: 1 },
  "infer-workers": { default: 1, about: "slots for inference", least: 1 },
} as const;

/** A program's own flags beside those of every campaign; where both have one, its own stands. */
export type CampaignFlags<Own> = Omit<typeof campaignSettings, keyof Own> & Own;

/** The values of flags, as a program receives them. */
export type Values<F> = {
  readonly [K in keyof F]: F[K] extends { readonly default: string } ? string
    : F[K] extends { readonly default: boolean } ? boolean
    : number;
};

/** What a campaign needs of its flags. */
export function settingsOf(values: Values<typeof campaignSettings>, seed: number): Settings {
  return {
    seed,
    initial: values.initial,
    max: values.max,
    batch: values.batch,
    policy: values.policy as Settings["policy"],
    delaySeconds: values.delay,
    refill: values.refill as Settings["refill"],
    pauseDuringUpdate: values["pause-during-update"],
    retrainFrequency: values["retrain-frequency"],
    models: values["model-count"],
    beta: values.beta,
    buffer: values.buffer,
    chunk: values.chunk,
    simulateSlots: values["simulate-workers"],
    trainSlots: values["train-workers"],
    inferSlots: values["infer-workers"],
  };
}

/** Runs a campaign to its end. What an earlier life of the run has simulated is not simulated again. */
export async function campaign<Candidate, Model>(system: System, parts: Parts<Candidate, Model>): Promise<Found> {
  const { settings, candidates } = parts;
  check(settings, candidates.length);
  let finish!: (found: Found) => void;
  let fail!: (error: Error) => void;
  const finished = new Promise<Found>((resolve, reject) => {
    finish = resolve;
    fail = reject;
  });
  const shop: Shop = {
    parts,
    settings,
    plan: planOf(settings),
    shuffled: random(`${settings.seed}/candidates`).shuffled([...candidates.keys()]),
    slots: slots(
      { simulate: settings.simulateSlots, train: settings.trainSlots, infer: settings.inferSlots },
      (kind) => {
        if (kind === "simulate") shop.agents.submit.tell("gained");
      },
    ),
    book: journal(parts.directory, fail),
    agents: undefined as never,
    finish,
    fail,
  };
  // An agent that throws has lost what it knew: the run ends with the reason, and a resume goes on from the journal.
  const supervision = { on: "escalate" } as const;
  const agents: Agents = {
    submit: await system.spawn(submit(shop), undefined, { name: "submit", supervision }),
    process: await system.spawn(processing(shop), undefined, { name: "process", supervision }),
    train: await system.spawn(train(shop), undefined, { name: "train", task: "train", supervision }),
    update: await system.spawn(update(shop), undefined, { name: "update", supervision }),
    infer: await system.spawn(infer(shop), undefined, { name: "infer", task: "infer", supervision }),
    select: await system.spawn(select(shop), undefined, { name: "select", supervision }),
  };
  shop.agents = agents;
  const known = shop.book.known.size;
  if (known > 0) parts.say?.(`kept: ${known} simulations; those that were under way run again`);
  try {
    await agents.submit.tell("begin");
    const found = await finished;
    // Whoever was taken for dead, and has been succeeded, has nothing to tell.
    shop.book.check();
    if (found.simulated.length === 0) {
      const why = `each of ${candidates.length} simulations failed, and a resume tries none of them again`;
      throw new ShoalError(
        "HandlerError",
        `Cannot find anything: ${why}; cure what stopped the first, and run it anew`,
      );
    }
    return found;
  } finally {
    for (const agent of Object.values(agents)) await system.stop(agent, { now: true });
    shop.book.close();
  }
}

/** Settings that contradict each other, before anything runs. */
function check({ initial, max, batch, simulateSlots }: Settings, count: number): void {
  const fail = (why: string): never => {
    throw new ShoalError("BadInput", `Cannot run the campaign: ${why}`);
  };
  if (count === 0) fail("there is no candidate");
  if (batch < 1) fail("--batch is 0; a batch has one simulation at least");
  if (simulateSlots < 1) fail("--simulate-workers is 0; somebody has to simulate");
  if (initial >= max) {
    fail(`--initial ${initial} leaves nothing to choose of --max ${max}; lower the one or raise the other`);
  }
  if (max > count) fail(`--max ${max} is more than there are candidates: ${count}; lower it, or bring more`);
}
