// A system with pairs that are easy to learn, and what the tests of trainers ask of one.
import { type ActorRef, launch, type System, type TensorRef } from "../../runtime/mod.ts";
import type { Progress, Trainer } from "../../actors/training/trainer.ts";
import { errorOf } from "../stores/world.ts";
import { numbers } from "./data.ts";

/** Runs something in a system of its own, with pairs of a few waves. */
export async function withPairs(
  call: (system: System, pairs: TensorRef<"float64">[]) => Promise<void>,
  change?: (data: Float64Array) => void,
): Promise<void> {
  const system = await launch({ store: "memory:", threads: 0 });
  try {
    const pairs: TensorRef<"float64">[] = [];
    for (let count = 0; count < 3; count++) {
      const draft = await system.store.allocate("float64", [4, 2, 12, 12]);
      const values = numbers(draft.data.length, count + 1);
      // The target is the input, half as high: easy to learn.
      draft.data.forEach((_, at) =>
        draft.data[at] = Math.floor(at / 144) % 2 === 0 ? values[at]! : draft.data[at - 144]! / 2
      );
      if (count === 1) change?.(draft.data);
      pairs.push(await draft.seal());
    }
    await call(system, pairs);
  } finally {
    await system.close();
  }
}

/** What a handler, or a start, threw: the error that the caller gets is the runtime's, and says it. */
export const thrown = async (call: () => unknown): Promise<string> => (await errorOf("HandlerError", call)).message;

export async function stream(trainer: ActorRef<Trainer>, task: Parameters<Trainer["train"]>[0]): Promise<Progress[]> {
  const all: Progress[] = [];
  for await (const progress of trainer.stream("train", task)) all.push(progress);
  return all;
}

export async function weightsOf(system: System, trainer: ActorRef<Trainer>): Promise<Uint8Array> {
  return Uint8Array.from((await system.store.get(await trainer.ask("weights"))).data);
}
