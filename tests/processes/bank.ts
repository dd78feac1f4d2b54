// Durable accounts that pay each other, wherever they live.

import { Actor, type ActorRef, isShoalError } from "../../runtime/mod.ts";
import type { Books, Clock, Order, Paid } from "./history.ts";

export interface Payment {
  readonly id: number;
  readonly to: ActorRef<Account>;
  readonly amount: number;
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

/** Time as all see it that ask in the process of the test. */
export const clock: Clock = { ticks: 0 };

/** Asks an account, and says what has become of it; what is no error of shoal's goes up. */
export async function ordered(accounts: readonly ActorRef<Account>[], order: Order): Promise<Paid> {
  const { id, from, to, amount } = order;
  const began = ++clock.ticks;
  try {
    const balance = await accounts[from]!.ask("pay", { id, to: accounts[to]!, amount });
    return { ...order, began, ended: ++clock.ticks, outcome: "done", balance };
  } catch (error) {
    if (!isShoalError(error)) throw error;
    return { ...order, began, ended: ++clock.ticks, outcome: error.outcome === "failed" ? "failed" : "unknown" };
  }
}

/** Asks for payments beside the test itself, one after the other: what it asks overlaps with what others ask. */
export class Teller extends Actor {
  static readonly module: string = import.meta.url;

  order({ accounts, order }: { accounts: ActorRef<Account>[]; order: Order }): Promise<Paid> {
    return ordered(accounts, order);
  }
}
