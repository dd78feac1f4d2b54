// The actors that are made in other processes.

import { Actor } from "shoal";

export class Idle extends Actor {
  static readonly module: string = import.meta.url;

  echo(n: number): number {
    return n;
  }
}
