// The program of the design, small: a pool of simulations writes fields into the store, and another actor reads them
// by reference. It imports `shoal` as users do, and prints what does not differ between engines.
import { Actor, type System, type TensorRef } from "shoal";

/** Makes a field of numbers that two engines compute alike: with + − × ÷ only. */
export class Wave extends Actor {
  static readonly module: string = import.meta.url;

  async run(wave: { period: number; grid: number }): Promise<TensorRef<"float64">> {
    const field = await this.store.allocate("float64", [wave.grid, wave.grid]);
    for (let index = 0; index < field.data.length; index += 1) field.data[index] = (index % wave.period) / wave.period;
    return await field.seal();
  }
}

export class Trainer extends Actor {
  static readonly module: string = import.meta.url;

  async train(fields: TensorRef<"float64">[]): Promise<{ fields: number; mean: number }> {
    let sum = 0;
    let count = 0;
    for await (const field of this.store.getMany(fields)) {
      for (const value of field.data) sum += value;
      count += field.data.length;
      field.done();
    }
    return { fields: fields.length, mean: sum / count };
  }
}

export default async function (system: System): Promise<void> {
  const waves = await system.pool(Wave, { size: 4 });
  const periods = [2, 4, 8, 16, 32, 64];
  const fields = await waves.map("run", periods.map((period) => ({ period, grid: 64 })));
  const trainer = await system.spawn(Trainer);
  const { fields: count, mean } = await trainer.ask("train", fields);
  console.log(`${count} fields, mean ${mean.toFixed(6)}`);
}
