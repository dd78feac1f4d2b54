// A network of a model that was built on a backend: the loop that trains it, its answers, and all of it as bytes.

import { setImmediate } from "node:timers/promises";
import { ShoalError } from "../../runtime/mod.ts";
import type { Backend } from "./backends.ts";
import { fuse } from "./kernels/fusion.ts";
import { loss as lossOf, lossNames } from "./losses.ts";
import { checkedModel, type ModelBuilder } from "./models.ts";
import type { Epoch, Examples, LearningOptions, Network, Numbers, Samples, Schedule } from "./network.ts";
import { optimizer as optimizerOf, optimizerNames } from "./optimizers.ts";
import { perceptron } from "./perceptron.ts";
import { savedModel } from "./saved.ts";
import { dice, drawing, shuffled } from "./order.ts";
import { pack, unpack } from "./safetensors.ts";
import { batchesOf, checkFinite, inOrder, samplesOf, sizeOf } from "./samples.ts";
import type { LayersModel, Scalar, Tensor, Variable } from "./tensorflow.ts";
import { arrayOf, weightsOf } from "./weights.ts";

/** How long the loop keeps the thread to itself: mail and timers wait for so long. */
const turnMs = 20;

/** Builds a model and makes a network of it. */
export async function network<Input>(
  backend: Backend,
  build: ModelBuilder<Input>,
  input: Input,
  learning: LearningOptions = {},
): Promise<Network> {
  const { loss = "mse", optimizer = "adam", learningRate = 0.001, seed = 0 } = learning;
  const wrong = !lossNames.includes(loss)
    ? `loss is ${loss}, expected ${lossNames.join(", ")}`
    : !optimizerNames.includes(optimizer)
    ? `optimizer is ${optimizer}, expected ${optimizerNames.join(", ")}`
    : !(learningRate > 0 && learningRate < Number.POSITIVE_INFINITY)
    ? `learningRate is ${learningRate}, expected a number above 0`
    : !Number.isSafeInteger(seed)
    ? `seed is ${seed}, expected a whole number`
    : undefined;
  if (wrong !== undefined) throw new ShoalError("BadInput", `Cannot make a network: ${wrong}`);
  backend.use();
  const made = await drawing(dice(seed, -1), () => build(backend, input));
  backend.use();
  const model = checkedModel(made, "the model");
  if (backend.isFused) fuse(backend.tf, model);
  return networkOf(backend, model, { loss, optimizer, learningRate, seed });
}

function networkOf(backend: Backend, model: LayersModel, learning: Required<LearningOptions>): Network {
  const { tf } = backend;
  const inputShape = model.inputs[0]!.shape.slice(1) as number[];
  const outputShape = model.outputs[0]!.shape.slice(1) as number[];
  const [inputSize, outputSize] = [sizeOf(inputShape), sizeOf(outputShape)];
  const optimizer = optimizerOf(backend, learning.optimizer, learning.learningRate);
  const { slots, step: change } = optimizer;
  const lossTo = lossOf(tf, learning.loss);
  const all = weightsOf(tf, model);
  const learnt = model.trainableWeights.map((weight) => weight.read() as Variable);
  const memories = learnt.map((weight) => slots.map(() => tf.zeros(weight.shape)));
  const dense = perceptron(backend, model, learnt, learning.loss, optimizer);
  let [epoch, step] = [0, 0];

  function check(samples: Samples): void {
    const sizes: [string, readonly number[], readonly number[]][] = [
      ["inputs", samples.inputShape, inputShape],
      ["targets", samples.targetShape, outputShape],
    ];
    for (const [what, given, expected] of sizes) {
      if (sizeOf(given) === sizeOf(expected)) continue;
      throw new ShoalError(
        "BadInput",
        `Cannot use the samples: their ${what} are ${given.join(" × ")}, the model's ${expected.join(" × ")}`,
      );
    }
    if (samples.count === 0) throw new ShoalError("BadInput", "Cannot train: there are no samples");
    // Those that are fetched are looked at as they come.
    if (samples.ready === undefined) checkFinite(samples);
  }

  /** Some samples as one tensor. */
  function gathered(chosen: Uint32Array, size: number, shape: readonly number[], one: (index: number) => Numbers) {
    const numbers = new Float32Array(chosen.length * size);
    chosen.forEach((index, place) => numbers.set(one(index), place * size));
    return tf.tensor(numbers, [chosen.length, ...shape], "float32");
  }

  function lossOfBatch(samples: Samples, chosen: Uint32Array, training: boolean): Scalar {
    const inputs = gathered(chosen, inputSize, inputShape, samples.input);
    const targets = gathered(chosen, outputSize, outputShape, samples.target);
    const lost = lossTo(model.apply(inputs, { training }) as Tensor, targets);
    // What layers ask for beside being right: that their weights be small.
    return training ? model.calculateLosses().reduce((sum, each) => tf.add(sum, each), lost) : lost;
  }

  /** Runs operations; what the backend lacks is told with a cure. */
  function computed<T extends Tensor>(run: () => T): T {
    try {
      return tf.tidy(run);
    } catch (error) {
      const lacking = /Kernel '(\w+)' not registered/.exec(String(error))?.[1];
      if (lacking === undefined) throw error;
      const message = `Cannot compute on ${backend.name}: it has no operation ${lacking}; ask for backend cpu`;
      throw new ShoalError("Incompatible", message, { cause: error });
    }
  }

  /** One step; answers the loss of its samples before it, summed. */
  function learn(samples: Samples, chosen: Uint32Array): Tensor | number {
    step++;
    if (dense !== undefined) return dense.learn(samples, chosen, memories, step);
    return computed(() => {
      const forward = (): Scalar => lossOfBatch(samples, chosen, true);
      const { value, grads } = drawing(dice(learning.seed, step, 1), () => tf.variableGrads(forward, learnt));
      const given = learnt.map((weight, index) => ({
        weight,
        gradient: grads[weight.name]!,
        memories: memories[index]!,
      }));
      change(given, step).forEach(([next, ...rest], index) => {
        learnt[index]!.assign(next!);
        memories[index]!.forEach((memory) => memory.dispose());
        memories[index] = rest.map((memory) => tf.keep(memory));
      });
      return tf.mul(value, chosen.length);
    });
  }

  function added(sum: Tensor | number, lost: Tensor | number): Tensor | number {
    if (typeof sum === "number" && typeof lost === "number") return sum + lost;
    const next = tf.add(sum, lost);
    tf.dispose([sum, lost].filter((each) => typeof each !== "number"));
    return next;
  }

  const memoryName = (index: number, slot: string): string => `${all.nameOf(model.trainableWeights[index]!)}.${slot}`;

  return {
    backend: backend.name,
    inputShape,
    outputShape,
    parameters: model.countParams(),
    get epoch() {
      return epoch;
    },

    async *train(examples: Examples | Samples, schedule: Schedule = {}): AsyncGenerator<Epoch> {
      const { epochs = 1, batch = 4, shuffle = true, signal } = schedule;
      const samples = samplesOf(examples);
      checkCount("epochs", epochs);
      checkCount("batch", batch);
      check(samples);
      while (epoch < epochs) {
        const began = performance.now();
        const order = shuffle ? shuffled(samples.count, learning.seed, epoch + 1) : inOrder(samples.count);
        let [steps, seen, turn] = [0, 0, began];
        backend.use();
        let sum: Tensor | number = 0;
        try {
          for await (const chosen of batchesOf(samples, order, batch)) {
            backend.use();
            const lost = learn(samples, chosen);
            sum = added(sum, lost);
            steps++;
            seen += chosen.length;
            if (performance.now() - turn < turnMs) continue;
            await setImmediate();
            if (signal?.aborted === true) {
              throw new ShoalError("Cancelled", `Cannot go on training: it was stopped in epoch ${epoch + 1}`);
            }
            turn = performance.now();
          }
        } catch (error) {
          if (typeof sum !== "number") sum.dispose();
          throw error;
        }
        backend.use();
        const total = typeof sum === "number" ? sum : (await sum.data())[0]!;
        if (typeof sum !== "number") sum.dispose();
        if (!Number.isFinite(total)) {
          throw new ShoalError(
            "BadInput",
            `Cannot train: the loss became ${total} in epoch ${epoch + 1}; take a smaller learningRate than ` +
              `${learning.learningRate}`,
          );
        }
        epoch++;
        const seconds = (performance.now() - began) / 1000;
        yield { epoch, steps, samples: seen, loss: total / seen, seconds };
      }
    },

    async predict(inputs: Numbers, count: number, batch = 32) {
      if (inputs.length !== count * inputSize) {
        throw new ShoalError(
          "BadInput",
          `Cannot predict: ${count} inputs of ${inputSize} numbers take ${
            count * inputSize
          }, given are ${inputs.length}`,
        );
      }
      checkCount("batch", batch);
      const answers = new Float32Array(count * outputSize);
      for (let at = 0; at < count; at += batch) {
        backend.use();
        const some = Math.min(batch, count - at);
        const numbers = new Float32Array(inputs.subarray(at * inputSize, (at + some) * inputSize));
        if (dense !== undefined) {
          answers.set(dense.answer(numbers, some), at * outputSize);
          continue;
        }
        const answer = computed(() => {
          return model.apply(tf.tensor(numbers, [some, ...inputShape]), { training: false }) as Tensor;
        });
        answers.set(await answer.data(), at * outputSize);
        answer.dispose();
      }
      return answers;
    },

    async evaluate(examples: Examples | Samples, batch = 32) {
      const samples = samplesOf(examples);
      checkCount("batch", batch);
      check(samples);
      let total = 0;
      for await (const chosen of batchesOf(samples, inOrder(samples.count), batch)) {
        backend.use();
        const loss = computed(() => lossOfBatch(samples, chosen, false));
        total += (await loss.data())[0]! * chosen.length;
        loss.dispose();
      }
      return total / samples.count;
    },

    async weights() {
      backend.use();
      return pack({ arrays: await all.read(), words: { format: "shoal-weights-1" } });
    },

    async saved() {
      backend.use();
      return await savedModel(tf, model);
    },

    async load(bytes: Uint8Array) {
      backend.use();
      all.take(unpack(bytes).arrays);
    },

    async checkpoint() {
      backend.use();
      const [arrays, ...kept] = await Promise.all([
        all.read(),
        ...memories.flatMap((each, index) =>
          each.map(async (memory, slot) => [memoryName(index, slots[slot]!), await arrayOf(memory)] as const)
        ),
      ]);
      for (const [name, array] of kept) arrays.set(name, array);
      const { optimizer, loss, seed } = learning;
      const words = { format: "shoal-checkpoint-1", epoch: String(epoch), step: String(step), optimizer, loss };
      return pack({ arrays, words: { ...words, seed: String(seed) } });
    },

    async restore(checkpoint: Uint8Array) {
      const { arrays, words } = unpack(checkpoint);
      if (words["format"] !== "shoal-checkpoint-1") {
        throw new ShoalError("Incompatible", "Cannot restore: these are weights alone, not a checkpoint; load them");
      }
      if (words["optimizer"] !== learning.optimizer) {
        throw new ShoalError(
          "Incompatible",
          `Cannot restore: the checkpoint is of optimizer ${
            words["optimizer"]
          }, this network has ${learning.optimizer}`,
        );
      }
      backend.use();
      all.take(new Map([...arrays].slice(0, all.count)));
      memories.forEach((each, index) => {
        slots.forEach((slot, place) => {
          const { data, shape } = arrays.get(memoryName(index, slot))!;
          each[place]!.dispose();
          each[place] = tf.tensor(data, [...shape], "float32");
        });
      });
      [epoch, step] = [Number(words["epoch"]), Number(words["step"])];
    },

    dispose() {
      for (const each of memories) tf.dispose(each);
      dense?.dispose();
      model.dispose();
    },
  };
}

function checkCount(name: string, value: number): void {
  if (Number.isSafeInteger(value) && value > 0) return;
  throw new ShoalError("BadInput", `Cannot train: ${name} is ${value}, expected a whole number from 1`);
}
