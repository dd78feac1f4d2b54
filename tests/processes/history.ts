// What whoever asked accounts has heard, each answer with the time in which it was awaited; and whether each account
// could have said so, had it done one thing after another.

import { type Call, linearizable, type Model } from "../delivery/linear.ts";

/** What an account has committed: the payments that made it what it is, in their order. */
export interface Books {
  readonly balance: number;
  readonly paid: readonly number[];
  readonly got: readonly number[];
}

/** A time that all who ask share: it goes on by one with each look at it. */
export interface Clock {
  ticks: number;
}

export interface Order {
  readonly id: number;
  /** Accounts by their number, and who asked: each asks in the order of the ids. */
  readonly from: number;
  readonly to: number;
  readonly by: number;
  readonly amount: number;
}

/** A payment, between the time at which it was asked for and that of its answer. */
export interface Paid extends Order {
  readonly began: number;
  readonly ended: number;
  readonly outcome: "done" | "failed" | "unknown";
  /** What the payer had afterwards, as it said. */
  readonly balance?: number | undefined;
}

/** What an account said of itself. */
export interface Read {
  readonly account: number;
  readonly began: number;
  readonly ended: number;
  readonly books: Books;
}

export interface History {
  readonly opening: number;
  readonly accounts: number;
  readonly payments: readonly Paid[];
  readonly reads: readonly Read[];
}

type Input = { readonly pay: number } | { readonly deposit: number } | "read";
/** How many of its payments and deposits an account has done: what it has done, its last books say in order. */
interface State {
  readonly paid: number;
  readonly got: number;
  readonly balance: number;
}
type Output = State | "impossible" | "anything";

const equal = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((id, index) => id === b[index]);

/** What cannot be, in words; nothing where all could have happened one by one. */
export function impossible({ opening, accounts, payments, reads }: History): readonly string[] {
  const problems: string[] = [];
  const amountOf = new Map(payments.map(({ id, amount }) => [id, amount]));
  for (let account = 0; account < accounts; account++) {
    const own = reads.filter((read) => read.account === account);
    const last = own.at(-1)?.books;
    if (last === undefined) continue;
    /** When it was first read that something was done. */
    const shown = (list: "paid" | "got"): ReadonlyMap<number, number> => {
      const first = new Map<number, number>();
      for (const { books, ended } of own) for (const id of books[list]) if (!first.has(id)) first.set(id, ended);
      return first;
    };
    const [paid, got] = [shown("paid"), shown("got")];
    const calls: Call<Input, Output>[] = [];
    for (const { id, from, to, began, ended, outcome, balance } of payments) {
      if (from === account && outcome === "done") {
        const output = balance === undefined ? "anything" : { paid: NaN, got: NaN, balance };
        calls.push({ from: began, to: ended, input: { pay: id }, output });
      } else if (from === account && paid.has(id)) {
        calls.push({ from: began, to: paid.get(id), input: { pay: id }, output: "anything" });
      }
      if (to === account && got.has(id)) {
        calls.push({ from: began, to: got.get(id), input: { deposit: id }, output: "anything" });
      }
    }
    for (const { began, ended, books } of own) {
      const isPart = equal(last.paid.slice(0, books.paid.length), books.paid) &&
        equal(last.got.slice(0, books.got.length), books.got);
      if (!isPart) problems.push(`a${account}: what was read at ${ended} is no part of its last books`);
      const output = { paid: books.paid.length, got: books.got.length, balance: books.balance };
      calls.push({ from: began, to: ended, input: "read", output });
    }
    const model: Model<State, Input, Output> = {
      initial: { paid: 0, got: 0, balance: opening },
      apply(state, input) {
        if (input === "read") return [state, state];
        const [list, id] = "pay" in input ? ["paid", input.pay] as const : ["got", input.deposit] as const;
        if (last[list][state[list]] !== id) return [state, "impossible"];
        const amount = amountOf.get(id) ?? NaN;
        const balance = list === "paid" ? state.balance - amount : state.balance + amount;
        const next = { ...state, [list]: state[list] + 1, balance };
        return [next, next];
      },
      key: ({ paid: one, got: two }) => `${one} ${two}`,
      same(given, said) {
        if (given === "impossible" || given === "anything" || said === "impossible") return false;
        if (said === "anything") return true;
        return given.balance === said.balance &&
          (Number.isNaN(said.paid) || (given.paid === said.paid && given.got === said.got));
      },
    };
    const verdict = linearizable(calls, model);
    if (verdict !== "ok") problems.push(`a${account}: its ${calls.length} calls are no linear history (${verdict})`);
  }
  return problems;
}
