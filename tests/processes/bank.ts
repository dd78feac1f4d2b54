// Durable accounts that pay each other, wherever they live.

import { Actor, type ActorRef } from "../../runtime/mod.ts";

export interface Payment {
  readonly id: number;
  readonly to: ActorRef<Account>;
  readonly amount: number;
}

/** What an account has committed: the payments that made it what it is, in their order. */
export interface Books {
  readonly balance: number;
  readonly paid: readonly number[];
  readonly got: readonly number[];
}

export const opening = 100;

export class Account extends Actor {
  static readonly durable = true;
  static readonly module: string = import.meta.url;
  balance: number = opening;
  paid: number[] = [];
  got: number[] = [];

  pay({ id, to, amount }: Payment): number {
    this.balance -= amount;
    this.paid.push(id);
    void to.tell("deposit", { id, amount });
    return this.balance;
  }

  deposit({ id, amount }: { readonly id: number; readonly amount: number }): void {
    this.balance += amount;
    this.got.push(id);
  }

  books(): Books {
    return { balance: this.balance, paid: this.paid, got: this.got };
  }
}
