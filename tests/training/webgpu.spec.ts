// The backend on WebGPU, where the runtime and the machine have it, if only played by software: it learns what the plain
// backend learns.
import { openBackend } from "../../actors/training/backends.ts";
import cnn from "../../actors/training/cnn.ts";
import { network } from "../../actors/training/networks.ts";
import { isShoalError } from "../../runtime/mod.ts";
import { assert, long, skip, test } from "../suite.ts";
import { numbers } from "./data.ts";
import { learnt } from "./learnt.ts";

test("webgpu: learns what the plain backend learns", async () => {
  const plain = await openBackend({ backend: "cpu" });
  const graphics = await openBackend({ backend: "webgpu" }).catch((error: unknown) => {
    if (isShoalError(error, "Unavailable")) skip(error.message);
    throw error;
  });
  const inputs = numbers(4 * 64, 1);
  const shape = [8, 8, 1];
  const examples = { count: 4, inputShape: shape, targetShape: shape, inputs, targets: inputs.map((each) => each / 2) };
  const networks = [];
  for (const backend of [plain, graphics]) {
    const learning = { seed: 1, optimizer: "momentum", learningRate: 0.01 } as const;
    networks.push(await network(backend, cnn, { grid: 8 }, learning));
  }
  const [expected, actual] = networks;
  await actual!.load(await expected!.weights());
  const losses = await Promise.all(networks.map(async (each) => {
    const all: number[] = [];
    for await (const { loss } of each.train(examples, { epochs: 3, batch: 2 })) all.push(loss);
    return all;
  }));
  losses[0]!.forEach((loss, at) => assert.ok(Math.abs(loss - losses[1]![at]!) < 1e-4 * loss, JSON.stringify(losses)));
  assert.ok(losses[1]![2]! < losses[1]![0]!, JSON.stringify(losses));
}, { timeoutMs: 120_000 });

const what = "webgpu: a fifth of the error of no change, for waves that were not seen";
if (!long) test.skip(what, "takes minutes; --long runs it");
else {
  test(what, async () => {
    const { said } = await openBackend({ backend: "webgpu" }).catch((error: unknown) => {
      if (isShoalError(error, "Unavailable")) skip(error.message);
      throw error;
    });
    if (/llvmpipe|lavapipe|swiftshader|software/i.test(said)) skip(`${said}: that is software`);
    const { loss, unchanged } = await learnt("webgpu", 16, 64, 5, 60);
    assert.ok(loss <= unchanged / 5, `error ${loss}, of no change ${unchanged}`);
  }, { timeoutMs: 1_200_000 });
}
