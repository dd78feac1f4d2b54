// Trainers on references that another process made: the loss falls, what is fixed stays fixed, one that is killed goes
// on to the same weights, and what cannot be learnt from is an error that says why.
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { launch, type TensorRef } from "../../runtime/mod.ts";
import { Evaluator, Predictor } from "../../actors/training/predictor.ts";
import { unpack } from "../../actors/training/safetensors.ts";
import { type Progress, Trainer } from "../../actors/training/trainer.ts";
import { errorOf } from "../stores/world.ts";
import { assert, root, runtime, test } from "../suite.ts";
import { exampleInput, numbers } from "./data.ts";
import { stream, thrown, weightsOf, withPairs } from "./pairs.ts";

const program = fileURLToPath(new URL(`program.${runtime === "node" ? "js" : "ts"}`, import.meta.url));
const flags = runtime === "node" ? [] : ["run", "-A", "--no-lock", "--conditions=source"];

interface Child {
  readonly process: ChildProcess;
  /** The next line that it says. */
  line(): Promise<string>;
  end(): Promise<void>;
}

function child(...args: readonly string[]): Child {
  const process_ = spawn(process.execPath, [...flags, program, ...args], { stdio: ["pipe", "pipe", "pipe"] });
  let errors = "";
  process_.stderr.setEncoding("utf8").on("data", (chunk: string) => errors += chunk);
  const ended = new Promise<void>((resolve) => process_.on("close", () => resolve()));
  const lines = createInterface(process_.stdout)[Symbol.asyncIterator]();
  return {
    process: process_,
    async line() {
      const { done, value } = await lines.next();
      if (done === true) throw new Error(`the process ended: ${errors}`);
      return value;
    },
    async end() {
      process_.stdin.end();
      await ended;
    },
  };
}

async function inFolder(call: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "shoal-training-"));
  try {
    await call(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

for (const kind of ["file", "shm"] as const) {
  test(`Trainer: the loss falls on references that another process made (${kind}:)`, () =>
    inFolder(async (folder) => {
      const store = kind === "file" ? `file://${folder}` : `shm:?dir=${folder}`;
      const maker = child("make", store, "waves");
      const pairs = JSON.parse(await maker.line()) as TensorRef<"float64">[];
      if (kind === "file") await maker.end();
      const system = await launch({ store, name: "waves", threads: 0 });
      try {
        const trainer = await system.spawn(Trainer, exampleInput);
        const losses = (await stream(trainer, { pairs, epochs: 6 })).map(({ loss }) => loss);
        losses.forEach((loss, epoch) => assert.ok(epoch === 0 || loss < losses[epoch - 1]!, losses.join(" ")));
        assert.ok(losses.at(-1)! < losses[0]! / 4, losses.join(" "));
      } finally {
        await system.close();
        if (kind === "shm") await maker.end();
      }
    }), { timeoutMs: 60_000 });
}

test(
  "Trainer: one that is killed in its epoch goes on from its checkpoint to the same weights",
  () =>
    inFolder(async (folder) => {
      const store = `file://${folder}`;
      const maker = child("make", store, "waves");
      const pairs = JSON.parse(await maker.line()) as TensorRef[];
      await maker.end();
      const task = { pairs, epochs: 400, checkpointEpochs: 1 };
      const victim = child("train", store, "waves", JSON.stringify(task));
      const heard: Progress[] = [];
      while (heard.length < 3) heard.push(JSON.parse(await victim.line()) as Progress);
      victim.process.kill("SIGKILL");
      await victim.end();

      const system = await launch({ store, name: "waves", threads: 0 });
      try {
        const last = heard.at(-1)!;
        const resumed = await system.spawn(Trainer, { ...exampleInput });
        const rest = await stream(resumed, { pairs, epochs: 6, checkpoint: last.checkpoint! });
        assert.deepEqual(rest.map(({ epoch }) => epoch), [4, 5, 6]);
        const undisturbed = await system.spawn(Trainer, { ...exampleInput });
        const whole = await stream(undisturbed, { pairs, epochs: 6 });
        assert.deepEqual(whole.map(({ loss }) => loss), [...heard, ...rest].map(({ loss }) => loss));
        assert.deepEqual(await weightsOf(system, resumed), await weightsOf(system, undisturbed));
      } finally {
        await system.close();
      }
    }),
  { timeoutMs: 60_000 },
);

test("Trainer: a seed is one result, and another seed another", () =>
  withPairs(async (system, pairs) => {
    const results: string[] = [];
    for (const seed of [5, 5, 6]) {
      const trainer = await system.spawn(Trainer, { ...exampleInput, seed });
      await trainer.ask("fit", { pairs, epochs: 2 });
      results.push(Buffer.from(await weightsOf(system, trainer)).toString("base64"));
    }
    assert.equal(results[0], results[1]);
    assert.notEqual(results[0], results[2]);
  }));

for (const optimizer of ["sgd", "momentum", "rmsprop", "adagrad", "adam"] as const) {
  test(`Trainer: ${optimizer} learns, and goes on from a checkpoint to the same weights`, () =>
    withPairs(async (system, pairs) => {
      const input = { ...exampleInput, optimizer, learningRate: optimizer === "sgd" ? 0.05 : 0.003 };
      const [whole, half, rest] = [
        await system.spawn(Trainer, input),
        await system.spawn(Trainer, input),
        await system.spawn(Trainer, { ...input, seed: 11 }),
      ];
      const losses = (await stream(whole, { pairs, epochs: 4 })).map(({ loss }) => loss);
      assert.ok(losses.at(-1)! < losses[0]!, losses.join(" "));
      await stream(half, { pairs, epochs: 2 });
      await stream(rest, { pairs, epochs: 4, checkpoint: await half.ask("checkpoint") });
      assert.deepEqual(await weightsOf(system, rest), await weightsOf(system, whole));
    }));
}

test("Trainer: stops early when nothing becomes better, and keeps the best weights", () =>
  withPairs(async (system, pairs) => {
    // What it is judged by contradicts what it learns: the sooner it stops, the better.
    const draft = await system.store.allocate("float64", [4, 2, 12, 12]);
    const { data } = await system.store.get(pairs[0]!);
    draft.data.forEach((_, at) => draft.data[at] = Math.floor(at / 144) % 2 === 0 ? data[at]! : -5 * data[at - 144]!);
    const validation = [await draft.seal()];
    const trainer = await system.spawn(Trainer, exampleInput);
    const { epochs, stoppedEarly, weights } = await trainer.ask("fit", {
      pairs,
      validation,
      epochs: 50,
      patienceEpochs: 3,
    });
    assert.ok(stoppedEarly && epochs.length < 50, String(epochs.length));
    const losses = epochs.map(({ validationLoss }) => validationLoss!);
    const best = losses.indexOf(Math.min(...losses));
    assert.equal(best, epochs.length - 4);
    const judge = await system.spawn(Evaluator, { model: exampleInput.model, weights });
    assert.ok(Math.abs((await judge.ask("evaluate", validation)).loss - losses[best]!) < 1e-6);
  }));

test("Trainer: keeps the last two checkpoints in the store, and no more", () =>
  withPairs(async (system, pairs) => {
    const trainer = await system.spawn(Trainer, exampleInput);
    const made = (await stream(trainer, { pairs, epochs: 5, checkpointEpochs: 1 })).map(({ checkpoint }) =>
      checkpoint!
    );
    for (const ref of made.slice(0, 3)) await errorOf("Missing", () => system.store.get(ref));
    for (const ref of made.slice(3)) {
      assert.equal(unpack((await system.store.get(ref)).data).words["format"], "shoal-checkpoint-1");
    }
  }));

test("Predictor: answers as the trainer learnt, and rolls its answers on", () =>
  withPairs(async (system, pairs) => {
    const trainer = await system.spawn(Trainer, exampleInput);
    const { weights } = await trainer.ask("fit", { pairs, epochs: 3 });
    const predictor = await system.spawn(Predictor, { model: exampleInput.model, weights });
    const inputs = await system.store.put({ data: numbers(3 * 144, 9), shape: [3, 12, 12] });
    const answers = await system.store.get(await predictor.ask("predict", { inputs, batch: 2 }));
    assert.deepEqual(answers.shape, [3, 12, 12, 1]);
    const from = await system.store.put({ data: numbers(144, 9), shape: [12, 12] });
    const rolled = await system.store.get(await predictor.ask("rollout", { from, steps: 2 }));
    assert.deepEqual(rolled.data.slice(0, 144), answers.data.slice(0, 144));
    const again = await system.store.put({ data: Float32Array.from(rolled.data.slice(0, 144)), shape: [1, 12, 12] });
    assert.deepEqual(
      rolled.data.slice(144),
      (await system.store.get(await predictor.ask("predict", { inputs: again }))).data,
    );
    const judge = await system.spawn(Evaluator, { model: exampleInput.model, weights });
    const { samples, loss, unchanged } = await judge.ask("evaluate", pairs);
    assert.ok(samples === 12 && loss > 0 && loss < unchanged, `${samples} ${loss} ${unchanged}`);
  }));

const faults: { readonly [what: string]: readonly [(data: Float64Array) => void, RegExp] } = {
  "NaN": [(data) => data[5 * 144 + 3] = NaN, /the target of sample 6 holds NaN at 3/],
  "infinity": [(data) => data[3 * 288] = -Infinity, /the input of sample 7 holds -Infinity at 0/],
};
for (const [what, [change, expected]] of Object.entries(faults)) {
  test(`Trainer: ${what} in the data is refused by the name of the sample`, () =>
    withPairs(async (system, pairs) => {
      const trainer = await system.spawn(Trainer, exampleInput, { supervision: { on: "resume" } });
      await stream(trainer, { pairs: [pairs[0]!], epochs: 1 });
      const before = await weightsOf(system, trainer);
      const message = await thrown(() => stream(trainer, { pairs, epochs: 2 }));
      assert.match(message, expected);
      assert.deepEqual(await weightsOf(system, trainer), before);
    }, change));
}

test("Trainer: a task that makes no sense is refused with its reason", () =>
  withPairs(async (system, pairs) => {
    const trainer = await system.spawn(Trainer, exampleInput);
    const refused = async (task: Parameters<Trainer["train"]>[0], expected: RegExp): Promise<void> => {
      const message = await thrown(() => stream(trainer, task));
      assert.match(message, expected);
    };
    await refused({ pairs: [] }, /there are no samples/);
    await refused({ pairs, epochs: 0 }, /epochs is 0/);
    await refused({ pairs, batch: 1.5 }, /batch is 1.5/);
    const flat = await system.store.put({ data: new Float32Array(6), shape: [2, 3] });
    await refused({ pairs: [flat] }, /expected samples × 2/);
    const small = await system.store.put({ data: new Float32Array(2 * 2 * 9), shape: [2, 2, 3, 3] });
    await refused({ pairs: [small] }, /inputs are 3 × 3, the model's 12 × 12 × 1/);
    await refused({ pairs: [...pairs, small] }, /those of the first are 12 × 12/);
    const other = await system.spawn(Trainer, {
      ...exampleInput,
      model: { module: "cnn", input: { grid: 12, kernel: 5 } },
    });
    const checkpoint = await other.ask("checkpoint");
    const wrong = await thrown(() => stream(trainer, { pairs, checkpoint }));
    assert.match(wrong, /another model's/);
    const cut = await system.store.put({ data: new Uint8Array(40).fill(7) });
    assert.match(await thrown(() => trainer.ask("load", cut as TensorRef<"uint8">)), /no safetensors file/);
    // It goes on as if nothing had happened.
    assert.equal((await stream(trainer, { pairs, epochs: 1 })).length, 1);
  }));

test("Trainer: a loss that grows beyond all numbers is an error that says what to change", () =>
  withPairs(async (system, pairs) => {
    const trainer = await system.spawn(Trainer, { ...exampleInput, optimizer: "sgd", learningRate: 1e6 });
    const message = await thrown(() => stream(trainer, { pairs, epochs: 20 }));
    assert.match(message, /smaller learningRate/);
  }));

test("Trainer: a model of one's own by its module; one that is none is refused", async () => {
  const folder = await mkdtemp(join(root, "dist", "models-"));
  const system = await launch({ store: "memory:", threads: 0 });
  try {
    const path = join(folder, "model.mjs");
    const outside = join(tmpdir(), `${basename(folder)}.mjs`);
    await writeFile(outside, "export default () => undefined;");
    await writeFile(
      path,
      `export default ({ layers }, { units }) => {
         const model = layers.sequential();
         model.add(layers.layers.flatten({ inputShape: [12, 12] }));
         model.add(layers.layers.dense({ units, activation: "tanh" }));
         model.add(layers.layers.dense({ units: 144 }));
         return model;
       };
       export const nothing = () => undefined;
       export const version = 1;`,
    );
    const module = relative(process.cwd(), path);
    const trainer = await system.spawn(Trainer, { model: { module, input: { units: 3 } }, backend: "wasm" });
    assert.equal((await trainer.ask("about")).parameters, 144 * 3 + 3 + 3 * 144 + 144);
    const refused = async (input: ConstructorParameters<typeof Trainer>[0], expected: RegExp): Promise<void> => {
      const message = await thrown(() => system.spawn(Trainer, input));
      assert.match(message, expected);
    };
    await refused({ model: { module: join(folder, "none.mjs") } }, /no such file/);
    await refused({ model: { module, name: "nothing" } }, /returned undefined/);
    await refused({ model: { module, name: "version" } }, /exports no function version; its functions are/);
    await refused({ model: { module: outside } }, /not below the working directory/);
    await rm(outside);
    await refused({ ...exampleInput, learningRate: 0 }, /learningRate is 0/);
    await refused({ ...exampleInput, model: { module: "cnn", input: { grid: 12, kernel: 4 } } }, /kernel is 4/);
    await refused({ ...exampleInput, model: { module: "cnn", input: { grid: 1, kernel: 3 } } }, /grid is 1/);
  } finally {
    await system.close();
    await rm(folder, { recursive: true, force: true });
  }
});

test("Trainer: the GPUs of one in a thread are what the process shows to the libraries that it loads", async () => {
  delete process.env["CUDA_VISIBLE_DEVICES"];
  const system = await launch({ store: "memory:", threads: 1 });
  try {
    await system.spawn(Trainer, { ...exampleInput, gpus: "-1" }, { on: "threads" });
    assert.equal(process.env["CUDA_VISIBLE_DEVICES"], "-1");
  } finally {
    await system.close();
  }
});

test("Trainer: a backend that was asked for and is not there is an error that says so", async () => {
  // What the user of this machine may have brought in is not there for this test.
  process.env["XDG_CACHE_HOME"] = join(root, "dist", "nowhere");
  const system = await launch({ store: "memory:", threads: 0 });
  try {
    const message = await thrown(() => system.spawn(Trainer, { ...exampleInput, backend: "tensorflow" }));
    assert.match(message, /Cannot compute on tensorflow: .*shoal doctor --fix tensorflow/);
    const beyond = await thrown(() => system.spawn(Trainer, { ...exampleInput, gpus: "97" }));
    assert.match(beyond, /GPUs 97 are asked for, and this machine has none|no GPU 97/);
    const trainer = await system.spawn(Trainer, { model: exampleInput.model });
    assert.match((await trainer.ask("about")).said, /^computing on \w+ \(.+\); not tensorflow: /);
  } finally {
    await system.close();
  }
});
