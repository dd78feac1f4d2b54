// The network of the waves learns them: on WebAssembly to a fifth of the error of saying that nothing changes, for waves
// it has not seen; on the plain backend the loss falls.
// minutes: 10
import { launch, type System, type TensorRef } from "../../runtime/mod.ts";
import { Evaluator } from "../../actors/training/predictor.ts";
import { Trainer } from "../../actors/training/trainer.ts";
import { Wave } from "../../actors/waves/wave.ts";
import { assert, long, test } from "../suite.ts";

/** Waves with periods from 40 to 80, and as many between them. */
async function waves(system: System, count: number, grid: number): Promise<TensorRef<"float64">[][]> {
  const pool = await system.pool(Wave, { size: 2 });
  const all = Array.from(
    { length: 2 * count - 1 },
    (_, at) => ({ period: 40 + 20 * at / (count - 1), grid, steps: 10 }),
  );
  const seen = all.filter((_, at) => at % 2 === 0);
  const unseen = all.filter((_, at) => at % 2 === 1);
  return [await pool.map("run", seen), await pool.map("run", unseen)];
}

/** What a training on some of the waves comes to, and how good it is at the others. */
async function learnt(backend: "wasm" | "cpu", sims: number, grid: number, kernel: number, epochs: number) {
  const system = await launch({ store: "memory:", threads: 0 });
  try {
    const [seen, unseen] = await waves(system, sims, grid);
    const model = { module: "cnn", input: { grid, kernel } };
    const trainer = await system.spawn(Trainer, { model, backend, learningRate: 0.003, seed: 42 });
    const losses: number[] = [];
    for await (const { loss } of trainer.stream("train", { pairs: seen!, epochs })) losses.push(loss);
    const judge = await system.spawn(Evaluator, { model, backend, weights: await trainer.ask("weights") });
    return { losses, ...await judge.ask("evaluate", unseen!) };
  } finally {
    await system.close();
  }
}

if (long) {
  test("waves: a fifth of the error of no change, for waves that were not seen", async () => {
    const { loss, unchanged, samples } = await learnt("wasm", 16, 64, 5, 60);
    assert.equal(samples, 150);
    assert.ok(loss <= unchanged / 5, `error ${loss}, of no change ${unchanged}`);
  }, { timeoutMs: 1_200_000 });
} else {
  test.skip("waves: a fifth of the error of no change, for waves that were not seen", "takes minutes; --long runs it");
}

test("waves: the loss falls on the plain backend", async () => {
  const { losses } = await learnt("cpu", 2, 16, 3, 3);
  assert.ok(losses.every((loss, at) => at === 0 || loss < losses[at - 1]!), losses.join(" "));
}, { timeoutMs: 120_000 });
