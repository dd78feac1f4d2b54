// A bank of durable accounts on several nodes: whatever goes wrong, no money is made, and none is lost for good.
import { Actor } from "../../runtime/actor.ts";
import type { ActorRef } from "../../runtime/ref.ts";
import { isShoalError } from "../../stores/error.ts";
import type { Simulated, SimulatedWorld } from "../../runtime/simulator/mod.ts";
import type { System } from "../../runtime/system.ts";

export interface Transfer {
  readonly from: number;
  readonly to: number;
  readonly amount: number;
  /** How the program orders it, and how the account passes the money on: only those further on are asked. */
  readonly ordered: "tell" | "ask";
  readonly paid: "tell" | "ask";
}

interface Payment {
  readonly to: ActorRef<Account>;
  readonly amount: number;
  readonly by: "tell" | "ask";
}

export interface Balance {
  readonly balance: number;
  /** What was sent in a call of which nobody could say how it ended: it may have arrived. */
  readonly uncertain: number;
  readonly deposits: number;
}

export class Account extends Actor<Account> {
  static readonly durable = true;
  balance: number;
  uncertain = 0;
  deposits = 0;

  constructor(balance: number) {
    super();
    this.balance = balance;
  }

  async pay({ to, amount, by }: Payment): Promise<number> {
    this.balance -= amount;
    if (by === "tell") void to.tell("deposit", amount);
    else {
      try {
        await to.ask("deposit", amount);
      } catch (error) {
        if (!isShoalError(error)) throw error;
        if (error.outcome === "failed") this.balance += amount;
        else this.uncertain += amount;
      }
    }
    return this.balance;
  }

  deposit(amount: number): number {
    this.balance += amount;
    this.deposits += 1;
    return this.balance;
  }

  look(): Balance {
    const { balance, uncertain, deposits } = this;
    return { balance, uncertain, deposits };
  }
}

export interface BankResult {
  readonly total: number;
  readonly initial: number;
  readonly uncertain: number;
  /** How the program's own calls ended. */
  readonly outcomes: Readonly<Record<string, number>>;
}

export const initialBalance = 1_000;

/** Does something again and again until it works: the nodes are coming back. */
export async function persistently<T>(call: () => Promise<T>, world: SimulatedWorld, limitMs: number): Promise<T> {
  const deadline = world.now() + limitMs;
  while (true) {
    try {
      return await call();
    } catch (error) {
      if (!isShoalError(error) || world.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}

/** Makes an actor that may have been made already, by a call of which nobody heard how it ended. */
export async function spawned<T>(spawn: () => Promise<T>, find: () => Promise<T | undefined>): Promise<T> {
  try {
    return await spawn();
  } catch (error) {
    const found = isShoalError(error, "Conflict") ? await find() : undefined;
    if (found === undefined) throw error;
    return found;
  }
}

/** A program of transfers: the sum of all accounts must be what it was, once all has arrived. */
export function bank(nodes: number, transfers: readonly Transfer[], quietMs = 600_000): Simulated<BankResult> {
  return async (system: System, world) => {
    const accounts: ActorRef<Account>[] = [];
    for (let index = 0; index < nodes; index++) {
      const options = { name: `account-${index}`, node: `n${index + 1}` };
      accounts.push(
        await persistently(
          () => spawned(() => system.spawn(Account, initialBalance, options), () => system.find(Account, options.name)),
          world,
          quietMs,
        ),
      );
    }
    const outcomes: Record<string, number> = {};
    const calls = transfers.map(async ({ from, to, amount, ordered, paid }) => {
      // Two that ask each other at once would wait for each other.
      const by = to % nodes > from % nodes ? paid : "tell";
      const payment = { to: accounts[to % nodes]!, amount, by };
      const account = accounts[from % nodes]!;
      let outcome = "done";
      try {
        if (ordered === "tell") await account.tell("pay", payment);
        else await account.ask("pay", payment);
      } catch (error) {
        if (!isShoalError(error)) throw error;
        outcome = `${error.code} ${error.outcome}`;
      }
      outcomes[`${ordered} ${outcome}`] = (outcomes[`${ordered} ${outcome}`] ?? 0) + 1;
    });
    await Promise.all(calls);
    const initial = nodes * initialBalance;
    const deadline = world.now() + quietMs;
    while (true) {
      const balances = await persistently(
        () => Promise.all(accounts.map((account) => account.ask("look", undefined, { timeoutMs: 60_000 }))),
        world,
        quietMs,
      );
      const total = balances.reduce((sum, { balance }) => sum + balance, 0);
      const uncertain = balances.reduce((sum, one) => sum + one.uncertain, 0);
      if ((total <= initial && total + uncertain >= initial) || world.now() > deadline) {
        return { total, initial, uncertain, outcomes };
      }
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
  };
}
