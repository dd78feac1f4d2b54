// An actor that puts a tensor into the store of its kind of task, and looks at those of others.
import { Actor, type TensorRef } from "../../runtime/mod.ts";

export class Keeper extends Actor {
  static readonly module: string = import.meta.url;

  async keep(fill: number): Promise<TensorRef<"uint8">> {
    return await this.store.put({ data: new Uint8Array(100).fill(fill), dtype: "uint8" });
  }

  async look(ref: TensorRef<"uint8">): Promise<number> {
    return (await this.store.get(ref)).data[99]!;
  }
}
