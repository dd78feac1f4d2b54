// The native backend, brought in by `shoal doctor --fix tensorflow`: it is taken first, computes what the plain one does,
// and gives the same for the same seed, also to one who goes on from a checkpoint.
// needs: tensorflow
// minutes: 10
import { launch } from "../../runtime/mod.ts";
import { openBackend } from "../../actors/training/backends.ts";
import { network } from "../../actors/training/networks.ts";
import { Trainer } from "../../actors/training/trainer.ts";
import { nativeService } from "../services/native.ts";
import { errorOf } from "../stores/world.ts";
import { assert, fc, long, property, skip, test } from "../suite.ts";
import { exampleInput, numbers } from "./data.ts";
import { learnt } from "./learnt.ts";

const service = await nativeService();
if ("cache" in service) process.env["XDG_CACHE_HOME"] = service.cache;

function native(name: string, body: () => Promise<void>): void {
  test(name, async () => {
    if ("reason" in service) skip(service.reason);
    await body();
  }, { timeoutMs: 120_000 });
}

native("native: is taken before every other backend, and says so", async () => {
  const { name, said } = await openBackend();
  assert.equal(name, "tensorflow");
  assert.match(said, /^computing on tensorflow \(@tensorflow\/tfjs-node-gpu\)$/);
});

const layers = fc.record({
  grid: fc.integer({ min: 1, max: 7 }),
  channels: fc.integer({ min: 1, max: 5 }),
  filters: fc.integer({ min: 1, max: 6 }),
  kernelSize: fc.integer({ min: 1, max: 4 }),
  strides: fc.integer({ min: 1, max: 2 }),
  padding: fc.constantFrom<("same" | "valid")[]>("same", "valid"),
  activation: fc.constantFrom<("relu" | "linear" | "tanh" | "relu6")[]>("relu", "linear", "tanh", "relu6"),
  useBias: fc.boolean(),
  seed: fc.nat(1000),
}).filter(({ padding, grid, kernelSize }) => padding === "same" || grid >= kernelSize);

native(
  "native: layers of convolution learn what they learn on the plain backend",
  () =>
    property([layers], async ({ grid, channels, seed, ...layer }) => {
      const all = [];
      const shape = [grid, grid, channels];
      for (const backend of [await openBackend({ backend: "cpu" }), await openBackend({ backend: "tensorflow" })]) {
        const learner = await network(
          backend,
          ({ layers: { layers, sequential } }) => {
            const model = sequential();
            model.add(
              layers.conv2d({
                ...layer,
                inputShape: shape,
              }),
            );
            model.add(layers.flatten());
            model.add(layers.dense({ units: 2 }));
            model.add(layers.reLU());
            model.add(layers.dense({ units: 2 }));
            return model;
          },
          {},
          { seed, optimizer: "momentum", learningRate: 0.01 },
        );
        all.push(learner);
      }
      const [plain, fast] = all;
      await fast!.load(await plain!.weights());
      const given = {
        count: 5,
        inputShape: shape,
        targetShape: [2],
        inputs: numbers(5 * grid * grid * channels, seed),
        targets: numbers(10, seed + 1),
      };
      const losses: number[][] = [];
      for (const each of all) {
        const own: number[] = [];
        for await (const { loss } of each.train(given, { epochs: 3, batch: 2 })) own.push(loss);
        losses.push(own);
        each.dispose();
      }
      losses[0]!.forEach((loss, at) => {
        assert.ok(Math.abs(loss - losses[1]![at]!) <= 1e-4 * (Math.abs(loss) + 1e-3), JSON.stringify(losses));
      });
    }, { runs: 12 }),
);

native("native: the step function is 1 above 0, 0 below, and NaN for NaN", async () => {
  const { tf, use } = await openBackend({ backend: "tensorflow" });
  use();
  const given = [-Infinity, -1, -0, 0, 1e-30, 2, Infinity, NaN];
  assert.deepEqual([...tf.step(tf.tensor(given)).dataSync()], [0, 0, 0, 0, 1, 1, 1, NaN]);
  assert.deepEqual([...tf.step(tf.tensor([-1, 2]), 0.5).dataSync()], [0.5, 1]);
});

native(
  "native: a seed is one result, on the whole way as from a checkpoint, and no tensor is left behind",
  async () => {
    const backend = await openBackend({ backend: "tensorflow" });
    const system = await launch({ store: "memory:", threads: 0 });
    try {
      const draft = await system.store.allocate("float64", [6, 2, 12, 12]);
      draft.data.set(numbers(draft.data.length, 3));
      const pairs = [await draft.seal()];
      const weightsOf = async (input: object, ...epochs: number[]): Promise<Uint8Array> => {
        const trainer = await system.spawn(Trainer, { ...exampleInput, backend: "tensorflow", ...input });
        let last = trainer;
        for (const [index, until] of epochs.entries()) {
          if (index === 0) await trainer.ask("fit", { pairs, epochs: until });
          else {
            const checkpoint = await last.ask("checkpoint");
            last = await system.spawn(Trainer, { ...exampleInput, backend: "tensorflow", ...input });
            await last.ask("fit", { pairs, epochs: until, checkpoint });
          }
        }
        return Uint8Array.from((await system.store.get(await last.ask("weights"))).data);
      };
      const whole = await weightsOf({}, 4);
      assert.deepEqual(await weightsOf({}, 4), whole);
      assert.deepEqual(await weightsOf({}, 2, 4), whole);
      assert.notDeepEqual(await weightsOf({ seed: 12 }, 4), whole);
      const learner = await system.spawn(Trainer, { ...exampleInput, backend: "tensorflow" });
      await learner.ask("fit", { pairs, epochs: 1 });
      const before = backend.tf.memory().numTensors;
      await learner.ask("fit", { pairs, epochs: 20 });
      assert.equal(backend.tf.memory().numTensors, before);
    } finally {
      await system.close();
    }
  },
);

native("native: GPUs that are not there are refused before anything loads", async () => {
  const error = await errorOf("BadInput", () => openBackend({ gpus: "97" }));
  assert.match(error.message, /no GPU 97|has none/);
});

if (long) {
  native("native: a fifth of the error of no change, for waves that were not seen", async () => {
    const { loss, unchanged } = await learnt("tensorflow", 16, 64, 5, 60);
    assert.ok(loss <= unchanged / 5, `error ${loss}, of no change ${unchanged}`);
  });
} else {
  test.skip("native: a fifth of the error of no change, for waves that were not seen", "takes minutes; --long runs it");
}
