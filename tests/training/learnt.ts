// A training on some waves, judged by others: what it comes to on a backend.
import { launch, type System, type TensorRef } from "../../runtime/mod.ts";
import type { BackendName } from "../../actors/training/network.ts";
import { type Evaluation, Evaluator } from "../../actors/training/predictor.ts";
import { Trainer } from "../../actors/training/trainer.ts";
import { Wave } from "../../actors/waves/wave.ts";

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
export async function learnt(
  backend: BackendName,
  sims: number,
  grid: number,
  kernel: number,
  epochs: number,
): Promise<Evaluation & { readonly losses: readonly number[] }> {
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
