// What leaves a trainer in the format of TensorFlow.js is read by TensorFlow.js itself, and answers as the trainer does.
import { openBackend } from "../../actors/training/backends.ts";
import cnn from "../../actors/training/cnn.ts";
import { network } from "../../actors/training/networks.ts";
import { Trainer } from "../../actors/training/trainer.ts";
import type { System, TensorRef } from "../../runtime/mod.ts";
import { assert, test } from "../suite.ts";
import { exampleInput, numbers } from "./data.ts";
import { stream, weightsOf, withPairs } from "./pairs.ts";

async function bytesOf(system: System, ref: TensorRef<"uint8">): Promise<Uint8Array<ArrayBuffer>> {
  return Uint8Array.from((await system.store.get(ref)).data);
}

test("Trainer: a network that is saved is read by loadLayersModel, and answers the same", () =>
  withPairs(async (system, pairs) => {
    const trainer = await system.spawn(Trainer, exampleInput);
    await stream(trainer, { pairs, epochs: 2 });
    const saved = await trainer.ask("saved");
    const described = JSON.parse(new TextDecoder().decode(await bytesOf(system, saved.model)));
    assert.equal(described.format, "layers-model");
    assert.deepEqual(described.weightsManifest[0].paths, ["weights.bin"]);

    const plain = await openBackend({ backend: "cpu" });
    plain.use();
    const loaded = await plain.layers.loadLayersModel({
      load: async () => ({
        modelTopology: described.modelTopology,
        weightSpecs: described.weightsManifest[0].weights,
        weightData: (await bytesOf(system, saved.weights)).buffer,
      }),
    });
    const inputs = numbers(2 * 144, 3);
    const expected = await network(plain, cnn, { grid: 12, kernel: 3 });
    await expected.load(await weightsOf(system, trainer));
    const answers = await expected.predict(inputs, 2);
    plain.use();
    const answered = loaded.predict(plain.tf.tensor(inputs, [2, 12, 12, 1]));
    assert.ok(!Array.isArray(answered));
    const found = await answered.data();
    assert.equal(found.length, answers.length);
    answers.forEach((value, at) => assert.ok(Math.abs(value - found[at]!) < 1e-5, `${at}: ${found[at]}, not ${value}`));
    assert.ok(answers.some((value) => Math.abs(value) > 1e-3), "it answers nothing but zeros");
  }));
