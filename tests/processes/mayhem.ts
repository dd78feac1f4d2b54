// A run of several processes in which durable accounts pay each other while the processes are killed, and stopped for
// longer than their lease and woken, and what stands between them fails; and what must hold of the books meanwhile and
// in the end.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assert, fc } from "../suite.ts";
import { type ActorRef, isShoalError, launch, type RunRecord } from "../../runtime/mod.ts";
import { Account, clock, opening, ordered, Teller } from "./bank.ts";
import { gate } from "./gate.ts";
import { type Books, impossible, type Order, type Paid, type Read } from "./history.ts";

export interface MayhemOptions {
  readonly store: string;
  readonly nodes: number;
  readonly blows: number;
  readonly seed: number;
  readonly leaseMs: number;
  readonly link?: "auto" | "log";
  /** What else can go wrong, by name: each settles once it is over. */
  readonly troubles?: Readonly<Record<string, () => Promise<void>>>;
  /** Half-way a node is barred: it lives on in another process. */
  readonly bars?: boolean;
}

interface Mayhem {
  /** How often each kind of blow has fallen. */
  readonly fell: Readonly<Record<string, number>>;
  readonly calls: { readonly done: number; readonly failed: number; readonly unknown: number };
  /** Processes that came back, and were told that they are not the node any more. */
  readonly fenced: number;
  /** Nodes that have moved into the process of another. */
  readonly moved: number;
  readonly problems: readonly string[];
}

const accountsMax = 4;
const tellersMax = 2;
const settleMsMax = 120_000;
const lodged = /^node (\S+) lives on in the process of (\S+),/;

interface Blow {
  readonly node: number;
  readonly payments: readonly Omit<Order, "id">[];
}

const blowOf = (nodes: number): fc.Arbitrary<Blow> =>
  fc.record({
    node: fc.integer({ min: 2, max: nodes }),
    payments: fc.array(
      fc.record({
        from: fc.nat(accountsMax - 1),
        to: fc.nat(accountsMax - 1),
        by: fc.nat(tellersMax),
        amount: fc.integer({ min: 1, max: 9 }),
      }),
      { minLength: 4, maxLength: 12, size: "max" },
    ),
  });

/** Kinds of blows in an order of chance, none of them rarer than another. */
function kindsOf(kinds: readonly string[], count: number, seed: number): readonly string[] {
  const shuffled = fc.shuffledSubarray([...kinds], { minLength: kinds.length });
  return fc.sample(shuffled, { numRuns: Math.ceil(count / kinds.length), seed }).flat().slice(0, count);
}

const isPrefix = (short: readonly number[], long: readonly number[]): boolean =>
  short.every((id, index) => id === long[index]);

/** Does it, and answers what was wrong. */
async function mayhem(options: MayhemOptions): Promise<Mayhem> {
  const { store, nodes, blows, seed, leaseMs, link, troubles = {}, bars = false } = options;
  const problems: string[] = [];
  const pids = new Map<string, number>();
  const hosts = new Map<string, string>();
  const heard = new Set<() => void>();
  let fenced = 0;

  function record(one: RunRecord): void {
    if (one.type === "NodeJoined") pids.set(one.node, one.pid);
    if (one.type === "MessageLogged" && /which was node .* ended with exit code 75/.test(one.text)) fenced += 1;
    const [, node = "", host = ""] = one.type === "MessageLogged" ? lodged.exec(one.text) ?? [] : [];
    if (node !== "") hosts.set(node, host);
    for (const look of heard) look();
  }

  /** The worker that a node lives in. */
  const hostOf = (node: string): string => hosts.has(node) ? hostOf(hosts.get(node)!) : node;

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

  /** One may have ended for what happened before, and its successor is the one that is struck. */
  async function strike(node: string, signal: NodeJS.Signals): Promise<number> {
    while (true) {
      const pid = pids.get(node)!;
      try {
        process.kill(pid, signal);
        return pid;
      } catch {
        await until(`somebody is ${node} after ${pid}`, () => pids.get(node) !== pid);
      }
    }
  }

  const folder = mkdtempSync(join(tmpdir(), "shoal-mayhem-gate-"));
  const { command, bar } = gate(folder);
  const system = await launch({
    store,
    nodes,
    threads: 0,
    record,
    ...(bars ? { workerCommand: command } : {}),
    limits: { leaseMs, ...(bars ? { replaceTimeoutMs: 200 } : {}) },
    ...(link === undefined ? {} : { link }),
  });
  const orders: Order[] = [];
  const paid: Paid[] = [];
  const reads: Read[] = [];
  const calls: Promise<void>[] = [];
  let latest: readonly Books[] = [];
  const kinds = kindsOf(["kill", "stop", ...Object.keys(troubles)], blows, seed);
  const fell: Record<string, number> = Object.fromEntries(kinds.map((kind) => [kind, 0]));

  try {
    const accounts: ActorRef<Account>[] = [];
    for (let i = 0; i < accountsMax; i++) {
      const node = `n${2 + i % (nodes - 1)}`;
      accounts.push(await system.spawn(Account, undefined, { name: `a${i}`, node }));
    }
    const tellers: ActorRef<Teller>[] = [];
    for (let i = 0; i < tellersMax; i++) tellers.push(await system.spawn(Teller, undefined, { node: "main" }));

    function order(one: Omit<Order, "id">): void {
      const next: Order = { ...one, id: orders.length };
      orders.push(next);
      const call = one.by === 0
        ? ordered(accounts, next)
        : tellers[one.by - 1]!.ask("order", { accounts, order: next });
      calls.push(call.then((outcome) => void paid.push(outcome), (error: unknown) => {
        problems.push(`payment ${next.id}: ${String(error)}`);
      }));
    }

    /** Asked again where it was not answered: whoever reads changes nothing. */
    async function booksOf(account: number): Promise<Books> {
      for (let tries = 1;; tries++) {
        const began = ++clock.ticks;
        try {
          const books = await accounts[account]!.ask("books");
          reads.push({ account, began, ended: ++clock.ticks, books });
          return books;
        } catch (error) {
          if (!isShoalError(error) || tries === 10) throw error;
        }
      }
    }

    /** What each account says of itself: it adds up, and goes on where it was. */
    async function look(): Promise<readonly Books[]> {
      const books = await Promise.all(accounts.map((_, account) => booksOf(account)));
      for (const [index, { balance, paid: gave, got }] of books.entries()) {
        const total = (ids: readonly number[]): number => ids.reduce((sum, id) => sum + (orders[id]?.amount ?? NaN), 0);
        if (balance !== opening - total(gave) + total(got)) problems.push(`a${index}: ${balance} does not add up`);
        for (const list of [gave, got]) if (new Set(list).size < list.length) problems.push(`a${index}: paid twice`);
        const before = latest[index];
        if (before !== undefined && !(isPrefix(before.paid, gave) && isPrefix(before.got, got))) {
          problems.push(`a${index}: has lost what it had`);
        }
      }
      return books;
    }

    for (const [index, { node, payments }] of fc.sample(blowOf(nodes), { numRuns: blows, seed }).entries()) {
      const kind = kinds[index]!;
      const half = payments.length >> 1;
      for (const one of payments.slice(0, half)) order(one);
      const trouble = troubles[kind]?.();
      fell[kind] = (fell[kind] ?? 0) + 1;
      const name = hostOf(`n${node}`);
      const pid = trouble === undefined ? await strike(name, kind === "kill" ? "SIGKILL" : "SIGSTOP") : 0;
      for (const one of payments.slice(half)) order(one);
      await trouble;
      if (trouble === undefined) {
        await until(`${name} comes back after a ${kind}`, () => pids.get(name) !== pid);
      }
      if (kind === "stop") {
        const told = fenced;
        process.kill(pid, "SIGCONT");
        await until(`process ${pid}, which was ${name}, is fenced`, () => fenced > told);
      }
      if (bars && index === blows >> 1) {
        bar(`n${nodes}`);
        await strike(`n${nodes}`, "SIGKILL");
        await until(`n${nodes} lives on elsewhere`, () => hosts.has(`n${nodes}`));
      }
      latest = await look();
    }
    await Promise.all(calls);
    // What was told before a death arrives after it.
    for (let rest = 0; rest < 1_000; rest++) {
      latest = await look();
      const got = new Set(latest.flatMap((one) => one.got));
      if (latest.every(({ paid: gave }) => gave.every((id) => got.has(id)))) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const sum = latest.reduce((total, { balance }) => total + balance, 0);
    if (sum !== accountsMax * opening) problems.push(`the sum is ${sum}, not ${accountsMax * opening}`);
    const made = new Set(latest.flatMap((one) => one.paid));
    for (const { id, outcome } of paid) {
      if (outcome === "done" && !made.has(id)) problems.push(`payment ${id} is acknowledged and not made`);
      if (outcome === "failed" && made.has(id)) problems.push(`payment ${id} is told as failed, and was made`);
    }
    for (const [from, books] of latest.entries()) {
      for (let by = 0; by <= tellersMax; by++) {
        const mine = books.paid.filter((id) => orders[id]?.from === from && orders[id].by === by);
        if (!mine.every((id, index) => index === 0 || id > mine[index - 1]!)) {
          problems.push(`a${from}: paid out of order`);
        }
      }
      for (const [to, { got }] of latest.entries()) {
        const between = (ids: readonly number[]): string =>
          ids.filter((id) => orders[id]?.from === from && orders[id]?.to === to).join();
        if (between(got) !== between(books.paid)) problems.push(`a${to} got of a${from} ${between(got)}`);
      }
    }
    problems.push(...impossible({ opening, accounts: accountsMax, payments: paid, reads }));
  } finally {
    await system.close();
    rmSync(folder, { recursive: true, force: true });
  }
  const counts = { done: 0, failed: 0, unknown: 0 };
  for (const { outcome } of paid) counts[outcome] += 1;
  return { fell, calls: counts, fenced, moved: hosts.size, problems };
}

/** Does it, and fails where anything was wrong, or nothing was tried. */
export async function stands(options: MayhemOptions): Promise<void> {
  const { fell, calls, fenced, moved, problems } = await mayhem(options);
  assert.deepEqual(problems, [], `seed ${options.seed}`);
  // Nothing is proven of what was never tried.
  assert.ok(Math.min(...Object.values(fell), calls.done) > 0, JSON.stringify({ fell, calls }));
  assert.ok(fenced >= fell["stop"]!, `${fenced} were told`);
  assert.equal(moved, options.bars === true ? 1 : 0);
  assert.equal(Object.values(fell).reduce((sum, count) => sum + count, 0), options.blows);
}
