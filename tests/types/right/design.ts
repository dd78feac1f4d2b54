// The program of DESIGN §1, as it stands there.
import { Actor, type ActorRef, launch, type Pool, type System, type TensorRef } from "../../../runtime/mod.ts";
import { type Equal, expectType } from "../equal.ts";

declare function propagate(wave: { period: number; grid: number }, data: Float64Array): void;
declare const periods: number[];

export class Wave extends Actor {
  async run(wave: { period: number; grid: number }): Promise<TensorRef<"float64">> {
    const field = await this.store.allocate("float64", [10, 2, wave.grid, wave.grid]);
    expectType<Equal<typeof field.data, Float64Array>>();
    propagate(wave, field.data); // writes straight into the store's memory
    return field.seal(); // what leaves here is a reference, not 42 MB
  }
}

export class CnnTrainer extends Actor {
  static readonly module: string = import.meta.url;
  readonly #kernel: number;

  constructor(options: { kernel: number }) {
    super();
    this.#kernel = options.kernel;
  }

  async train(fields: TensorRef<"float64">[]): Promise<number> {
    let loss = this.#kernel;
    for await (const field of this.store.getMany(fields)) loss += field.data[0] ?? 0;
    return loss;
  }
}

export default async function (system: System) {
  const waves = await system.pool(Wave, { size: 8 }); // threads, processes or nodes
  expectType<Equal<typeof waves, Pool<Wave>>>();
  const fields = await waves.map(
    "run",
    periods.map((period) => ({ period, grid: 512 })),
  );
  expectType<Equal<typeof fields, TensorRef<"float64">[]>>();
  const trainer = await system.spawn(CnnTrainer, { kernel: 3 });
  expectType<Equal<typeof trainer, ActorRef<CnnTrainer>>>();
  const loss = await trainer.ask("train", fields);
  expectType<Equal<typeof loss, number>>();
  console.log(loss);
}

export async function embedded(): Promise<void> {
  const system = await launch({ store: "redis://n1:6379,n2:6379" });
  expectType<Equal<typeof system, System>>();
  await system.close();
}
