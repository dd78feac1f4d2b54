// The actors that are made in other processes.

import { Actor, type TensorRef } from "shoal";

export class Idle extends Actor {
  static readonly module: string = import.meta.url;

  echo(n: number): number {
    return n;
  }
}

export class Opener extends Actor {
  static readonly module: string = import.meta.url;

  /** What it begins and ends with, together. */
  async open(ref: TensorRef<"uint8">): Promise<number> {
    const { data } = await this.store.get(ref);
    return data[0]! + data.at(-1)!;
  }
}
