// The ensemble of networks: it learns energies from fingerprints, its members differ, and its campaign runs to its end.
import { chemistry, fingerprintWords } from "../../actors/molecules/chemistry.ts";
import { Ensemble } from "../../actors/molecules/ensemble.ts";
import { readTable, recordedSpace } from "../../actors/molecules/table.ts";
import { launch } from "../../runtime/mod.ts";
import { assert, test } from "../suite.ts";
import { inFolder } from "../cli/stage.ts";

const timeoutMs = 240_000;

test("Ensemble learns what it is shown, and two of its networks are not the same", async () => {
  const kit = await chemistry();
  const { smiles, energies } = readTable(recordedSpace);
  const count = 300;
  const bits = new Uint32Array(count * fingerprintWords);
  for (let row = 0; row < count; row++) {
    assert.ok(kit.fingerprint(smiles[row]!, bits.subarray(row * fingerprintWords, (row + 1) * fingerprintWords)));
  }
  const system = await launch({ store: "memory:", threads: 0, seed: 1 });
  try {
    const fingerprints = await system.store.put({ data: bits, dtype: "uint32" });
    const rows = Array.from({ length: 100 }, (_, index) => index * 3);
    const set = {
      rows: await system.store.put({ data: Uint32Array.from(rows), dtype: "uint32" }),
      values: await system.store.put({ data: Float64Array.from(rows, (row) => energies![row]!), dtype: "float64" }),
    };
    const actor = await system.spawn(Ensemble, { fingerprints, epochs: 80, learningRate: 0.003 });
    const predictions: number[][] = [];
    for (const model of [0, 1]) {
      const learnt = await actor.ask("train", { model, seed: `1/100/${model}`, set });
      const predicted: number[] = [];
      for (const [from, to] of [[0, 170], [170, count]] as const) {
        const part = await actor.ask("predict", { model: learnt, from, to });
        predicted.push(...(await system.store.get(part)).data);
      }
      predictions.push(predicted);
      const off = (values: (row: number) => number): number =>
        predicted.reduce((sum, _, row) => sum + Math.abs(values(row) - energies![row]!), 0) / count;
      const mean = energies!.slice(0, count).reduce((sum, energy) => sum + energy, 0) / count;
      // Better than saying the mean of all for each of them.
      assert.ok(off((row) => predicted[row]!) < 0.7 * off(() => mean), `${off((row) => predicted[row]!)} eV off`);
    }
    const [one = [], other = []] = predictions;
    assert.ok(one.some((value, row) => Math.abs(value - other[row]!) > 0.05));
  } finally {
    await system.close();
  }
}, { timeoutMs });

test("shoal run molecules --model ensemble trains every model for every ranking", async () => {
  await inFolder(async ({ shoal }) => {
    const flags = [
      "--simulator",
      "recorded",
      "--policy",
      "sequential",
      "--initial",
      "6",
      "--batch",
      "6",
      "--max",
      "18",
    ];
    const model = ["--model", "ensemble", "--model-count", "3", "--epochs", "20", "--beta", "0.5"];
    const said = await shoal("run", "molecules", ...flags, ...model, "--json", "--quiet");
    assert.equal(said.code, 0, said.stderr);
    const { simulated, iterations, meanRelativeError } = JSON.parse(said.stdout);
    assert.deepEqual([simulated, iterations, meanRelativeError.length], [18, 2, 2]);
  });
}, { timeoutMs });
