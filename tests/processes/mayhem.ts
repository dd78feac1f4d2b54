// A run of several processes in which durable accounts pay each other while the processes are killed, and stopped for
// longer than their lease and woken; and what must hold of the books meanwhile and in the end.

import { fc } from "../suite.ts";
import { type ActorRef, isShoalError, launch, type RunRecord } from "../../runtime/mod.ts";
import { Account, type Books, opening } from "./bank.ts";

export interface MayhemOptions {
  readonly store: string;
  readonly nodes: number;
  readonly blows: number;
  readonly seed: number;
  readonly leaseMs: number;
  readonly link?: "auto" | "log";
}

export interface Mayhem {
  readonly kills: number;
  readonly stops: number;
  readonly calls: { readonly done: number; readonly failed: number; readonly unknown: number };
  /** Processes that came back, and were told that they are not the node any more. */
  readonly fenced: number;
  readonly problems: readonly string[];
}

const accountsMax = 4;
const settleMsMax = 120_000;

interface Blow {
  readonly node: number;
  readonly kind: "kill" | "stop";
  readonly payments: readonly { readonly from: number; readonly to: number; readonly amount: number }[];
}

const blowOf = (nodes: number): fc.Arbitrary<Blow> =>
  fc.record({
    node: fc.integer({ min: 2, max: nodes }),
    kind: fc.constantFrom("kill" as const, "kill" as const, "stop" as const),
    payments: fc.array(
      fc.record({
        from: fc.nat(accountsMax - 1),
        to: fc.nat(accountsMax - 1),
        amount: fc.integer({ min: 1, max: 9 }),
      }),
      { minLength: 4, maxLength: 12, size: "max" },
    ),
  });

const isPrefix = (short: readonly number[], long: readonly number[]): boolean =>
  short.every((id, index) => id === long[index]);

/** Does it, and answers what was wrong. */
export async function mayhem({ store, nodes, blows, seed, leaseMs, link }: MayhemOptions): Promise<Mayhem> {
  const problems: string[] = [];
  const pids = new Map<string, number>();
  const heard = new Set<() => void>();
  let fenced = 0;
  let joins = 0;

  function record(one: RunRecord): void {
    if (one.type === "NodeJoined") {
      pids.set(one.node, one.pid);
      joins += 1;
    }
    if (one.type === "MessageLogged" && /which was node .* ended with exit code 75/.test(one.text)) fenced += 1;
    for (const look of heard) look();
  }

  /** Settles once something holds; what is recorded is when it may have come true. */
  function until(what: string, holds: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => over(new Error(`Hangs: ${what}`)), settleMsMax);
      const over = (error?: Error): void => {
        clearTimeout(timer);
        heard.delete(look);
        if (error === undefined) resolve();
        else reject(error);
      };
      const look = (): void => void (holds() && over());
      heard.add(look);
      look();
    });
  }

  const system = await launch({
    store,
    nodes,
    threads: 0,
    record,
    limits: { leaseMs },
    ...(link === undefined ? {} : { link }),
  });
  const counts = { done: 0, failed: 0, unknown: 0 };
  const ordered: { readonly id: number; readonly from: number; readonly to: number; outcome: string }[] = [];
  const calls: Promise<void>[] = [];
  let latest: readonly Books[] = [];
  const done = { kills: 0, stops: 0 };

  try {
    const accounts: ActorRef<Account>[] = [];
    for (let i = 0; i < accountsMax; i++) {
      const node = `n${2 + i % (nodes - 1)}`;
      accounts.push(await system.spawn(Account, undefined, { name: `a${i}`, node }));
    }

    function order({ from, to, amount }: Blow["payments"][number]): void {
      const payment = { id: ordered.length, from, to, outcome: "" };
      ordered.push(payment);
      const call = accounts[from]!.ask("pay", { id: payment.id, to: accounts[to]!, amount });
      calls.push(
        call.then(() => "done" as const, (error: unknown) => {
          if (!isShoalError(error)) problems.push(`payment ${payment.id}: ${String(error)}`);
          return isShoalError(error) && error.outcome === "failed" ? "failed" as const : "unknown" as const;
        }).then((outcome) => {
          payment.outcome = outcome;
          counts[outcome] += 1;
        }),
      );
    }

    /** What each account says of itself: it adds up, and goes on where it was. */
    async function look(): Promise<readonly Books[]> {
      const books = await Promise.all(accounts.map((account) => account.ask("books")));
      const sums = new Map(ordered.map(({ id }, index) => [id, amounts[index]!]));
      for (const [index, { balance, paid, got }] of books.entries()) {
        const total = (ids: readonly number[]): number => ids.reduce((sum, id) => sum + (sums.get(id) ?? NaN), 0);
        if (balance !== opening - total(paid) + total(got)) problems.push(`a${index}: ${balance} does not add up`);
        for (const list of [paid, got]) if (new Set(list).size < list.length) problems.push(`a${index}: paid twice`);
        const before = latest[index];
        if (before !== undefined && !(isPrefix(before.paid, paid) && isPrefix(before.got, got))) {
          problems.push(`a${index}: has lost what it had`);
        }
      }
      return books;
    }

    const amounts: number[] = [];
    const zombies: { readonly pid: number; readonly node: string }[] = [];
    for (const { node, kind, payments } of fc.sample(blowOf(nodes), { numRuns: blows, seed })) {
      const half = payments.length >> 1;
      for (const one of payments.slice(0, half)) {
        amounts.push(one.amount);
        order(one);
      }
      const name = `n${node}`;
      const pid = pids.get(name)!;
      const before = joins;
      process.kill(pid, kind === "kill" ? "SIGKILL" : "SIGSTOP");
      done[kind === "kill" ? "kills" : "stops"] += 1;
      for (const one of payments.slice(half)) {
        amounts.push(one.amount);
        order(one);
      }
      await until(`${name} comes back after a ${kind}`, () => joins > before && pids.get(name) !== pid);
      if (kind === "stop") {
        const told = fenced;
        zombies.push({ pid, node: name });
        process.kill(pid, "SIGCONT");
        await until(`process ${pid}, which was ${name}, is fenced`, () => fenced > told);
      }
      latest = await look();
    }
    await Promise.all(calls);
    // What was told before a death arrives after it.
    for (let rest = 0; rest < 1_000; rest++) {
      latest = await look();
      const got = new Set(latest.flatMap((one) => one.got));
      if (latest.every(({ paid }) => paid.every((id) => got.has(id)))) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const sum = latest.reduce((total, { balance }) => total + balance, 0);
    if (sum !== accountsMax * opening) problems.push(`the sum is ${sum}, not ${accountsMax * opening}`);
    const paid = new Set(latest.flatMap((one) => one.paid));
    for (const { id, outcome } of ordered) {
      if (outcome === "done" && !paid.has(id)) problems.push(`payment ${id} is acknowledged and not made`);
      if (outcome === "failed" && paid.has(id)) problems.push(`payment ${id} is told as failed, and was made`);
    }
    for (const [from, books] of latest.entries()) {
      const mine = books.paid.filter((id) => ordered[id]?.from === from);
      if (!mine.every((id, index) => index === 0 || id > mine[index - 1]!)) {
        problems.push(`a${from}: paid out of order`);
      }
      for (const [to, { got }] of latest.entries()) {
        const between = (ids: readonly number[]): string =>
          ids.filter((id) => ordered[id]?.from === from && ordered[id]?.to === to).join();
        if (between(got) !== between(books.paid)) problems.push(`a${to} got of a${from} ${between(got)}`);
      }
    }
  } finally {
    await system.close();
  }
  return { ...done, calls: counts, fenced, problems };
}
