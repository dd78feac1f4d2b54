// An actor that reads the tensors it is told of in many ways, and what the tests of references put and look up.
import { Actor, type Lifetime, type Tensor, type TensorRef } from "../../runtime/mod.ts";
import { type TensorEntry } from "../../stores/store.ts";
import { type Stage } from "./stage.ts";

export const timeoutMs = 8_000;

export const elements = 2_000;

export const bytes: number = elements * 8;

/** Large enough to stand in the store, and not in its reference. */
export function put(at: Stage, value = 1, lifetime?: Lifetime): Promise<TensorRef<"float64">> {
  const item = { data: new Float64Array(elements).fill(value), dtype: "float64" as const };
  return at.system.store.put(item, lifetime === undefined ? {} : { lifetime });
}

/** Where the store has a tensor: gone, or in what state. */
export async function stateOf(at: Stage, ref: TensorRef): Promise<TensorEntry["state"] | "gone"> {
  for await (const entry of at.system.store.list()) if (entry.id === ref.id) return entry.state;
  return "gone";
}

export class Reader extends Actor {
  view: Tensor<"float64"> | undefined;

  async first(ref: TensorRef<"float64">): Promise<number> {
    return (await this.store.get(ref)).data[0]!;
  }

  async firstOf(message: { refs: TensorRef<"float64">[]; note?: string }): Promise<number[]> {
    const found: number[] = [];
    for await (const tensor of this.store.getMany(message.refs)) found.push(tensor.data[0]!);
    return found;
  }

  ignore(_ref: TensorRef | { deep: TensorRef[] }): void {}

  async hang(_ref: TensorRef): Promise<void> {
    await new Promise(() => {});
  }

  fail(_ref: TensorRef): void {
    throw new Error("wrong");
  }

  async hold(ref: TensorRef<"float64">): Promise<number> {
    this.view = await this.store.get(ref);
    return this.view.data[0]!;
  }

  async keep(ref: TensorRef<"float64">): Promise<number> {
    this.view = (await this.store.get(ref)).keep();
    return this.view.data[0]!;
  }

  look(): number {
    return this.view!.data[0]!;
  }

  drop(): void {
    this.view!.done();
    this.view = undefined;
  }

  async spoil(ref: TensorRef<"float64">): Promise<number> {
    const tensor = await this.store.get(ref);
    tensor.data[0] = 99;
    return 1;
  }
}

export const lastRead: Lifetime = { reads: 1 };
