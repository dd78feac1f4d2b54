// A trainer that learns from what comes over a topic: as from references in the order of their arrival, also where it goes
// on from a checkpoint; and what cannot be learnt from is an error that says why.
import type { System, TensorRef } from "../../runtime/mod.ts";
import type { Arrival } from "../../actors/training/arrivals.ts";
import { Trainer } from "../../actors/training/trainer.ts";
import { assert, test } from "../suite.ts";
import { exampleInput } from "./data.ts";
import { stream, thrown, weightsOf, withPairs } from "./pairs.ts";

const supervision = { on: "resume" } as const;

async function publish(system: System, topic: string, all: readonly TensorRef[]): Promise<void> {
  for (const samples of all) await system.topic<Arrival>(topic).publish({ samples });
}

test("Trainer: what comes over a topic is learnt from as it comes, to the weights of the same samples in that order", () =>
  withPairs(async (system, pairs) => {
    const [whole, half, rest] = [
      await system.spawn(Trainer, exampleInput),
      await system.spawn(Trainer, exampleInput),
      await system.spawn(Trainer, exampleInput),
    ];
    const coming = { topic: "samples", samples: 12 };
    // It waits for the first before anything was told.
    const learning = stream(whole, { coming, epochs: 3 });
    const order = [pairs[2]!, pairs[0]!, pairs[1]!];
    await publish(system, "samples", order);
    assert.deepEqual((await learning).map(({ epoch, samples }) => [epoch, samples]), [[1, 12], [2, 12], [3, 12]]);

    await stream(half, { pairs: order, epochs: 1, shuffle: false });
    const checkpoint = await half.ask("checkpoint");
    await stream(half, { pairs: order, epochs: 3 });
    assert.deepEqual(await weightsOf(system, half), await weightsOf(system, whole));

    const last = await stream(rest, { coming, epochs: 3, checkpoint });
    assert.deepEqual(last.map(({ epoch }) => epoch), [2, 3]);
    assert.deepEqual(await weightsOf(system, rest), await weightsOf(system, whole));
  }));

test("Trainer: what comes over a topic and cannot be learnt from is refused with its reason", () =>
  withPairs(async (system, pairs) => {
    const trainer = await system.spawn(Trainer, exampleInput, { supervision });
    const refused = async (topic: string, samples: number, expected: RegExp): Promise<void> => {
      assert.match(await thrown(() => stream(trainer, { coming: { topic, samples } })), expected);
    };
    await publish(system, "other", [await system.store.put({ data: new Float64Array(2 * 9), shape: [1, 2, 3, 3] })]);
    await refused("other", 1, /samples of tensor .* are 3 × 3, expected 12 × 12/);
    await publish(system, "few", [pairs[0]!]);
    await system.topic("few").close();
    await refused("few", 5, /4 of 5 samples have come, and no more will/);
    await refused("few", 0, /coming.samples is 0/);
    const both = { coming: { topic: "few", samples: 4 }, pairs };
    assert.match(await thrown(() => stream(trainer, both)), /both pairs and a topic/);
    const data = new Float64Array(4 * 2 * 144);
    data[5 * 144] = Number.NaN;
    await publish(system, "none", [pairs[0]!, await system.store.put({ data, shape: [4, 2, 12, 12] })]);
    await refused("none", 8, /the target of sample 6 holds NaN at 0/);
    // It goes on as if nothing had happened.
    assert.equal((await stream(trainer, { coming: { topic: "few", samples: 4 } })).length, 1);
  }));
