// A durable actor: what it has answered, the next process finds.

import { Actor } from "shoal";

export class Account extends Actor {
  static readonly durable = true;
  static readonly module: string = import.meta.url;
  balance = 0;

  deposit(amount: number): number {
    return this.balance += amount;
  }
}
