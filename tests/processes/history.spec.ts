// What judges the histories of accounts is tested: it accepts what accounts did one by one, and finds out each promise
// that is broken.
import { assert, fc, property, test } from "../suite.ts";
import { type Books, type History, impossible, type Paid, type Read } from "./history.ts";

const accounts = 3;
const opening = 100;

/** What one step of a made history does: a payment that is applied some time within its call, or reads. */
const stepOf = fc.record({
  from: fc.nat(accounts - 1),
  to: fc.nat(accounts - 1),
  amount: fc.integer({ min: 1, max: 9 }),
  outcome: fc.constantFrom("done" as const, "done" as const, "unknown" as const),
  before: fc.nat(20),
  after: fc.nat(20),
  reads: fc.boolean(),
});
type Step = typeof stepOf extends fc.Arbitrary<infer T> ? T : never;

/** A history of accounts that do one thing after another, 100 ticks apart, while calls reach further back and forth. */
function made(steps: readonly Step[]): History {
  const books: Books[] = Array.from({ length: accounts }, () => ({ balance: opening, paid: [], got: [] }));
  const payments: Paid[] = [];
  const reads: Read[] = [];
  const read = (at: number): void => {
    for (const [account, one] of books.entries()) reads.push({ account, began: at - 9, ended: at + 9, books: one });
  };
  for (const [id, { from, to, amount, outcome, before, after, reads: isRead }] of steps.entries()) {
    const at = id * 100;
    const payer = books[from]!;
    books[from] = { ...payer, balance: payer.balance - amount, paid: [...payer.paid, id] };
    const balance = outcome === "done" ? books[from].balance : undefined;
    const getter = books[to]!;
    books[to] = { ...getter, balance: getter.balance + amount, got: [...getter.got, id] };
    payments.push({ id, from, to, by: 0, amount, began: at - before * 20, ended: at + after * 20, outcome, balance });
    if (isRead) read(at + 50);
  }
  read(steps.length * 100);
  return { opening, accounts, payments, reads };
}

const histories = fc.array(stepOf, { minLength: 1, maxLength: 40, size: "max" }).map(made);

test("impossible: what accounts did one by one is no problem, however their calls overlap", () =>
  property([histories], (history) => assert.deepEqual(impossible(history), []), { runs: 200 }));

/** What is broken in a history, and whether it could be: each is found out wherever it could. */
const broken: Readonly<Record<string, (history: History) => History | undefined>> = {
  "an answer that tells another balance"({ payments, ...rest }) {
    const at = payments.findIndex(({ outcome }) => outcome === "done");
    if (at < 0) return undefined;
    return { ...rest, payments: payments.map((one, i) => i === at ? { ...one, balance: one.balance! + 0.5 } : one) };
  },
  "a payment that was acknowledged and is nowhere"({ payments, reads, ...rest }) {
    const lost = payments.find(({ outcome }) => outcome === "done");
    if (lost === undefined) return undefined;
    const without = reads.map((read) => ({
      ...read,
      books: { ...read.books, paid: read.books.paid.filter((id) => id !== lost.id) },
    }));
    return { ...rest, payments, reads: without };
  },
  "a read of what was before an answer that had come"({ payments, reads, ...rest }) {
    const done = payments.find(({ outcome }) => outcome === "done");
    if (done === undefined) return undefined;
    const began = Math.max(...payments.map(({ ended }) => ended), ...reads.map(({ ended }) => ended)) + 100;
    const books = { balance: opening, paid: [], got: [] };
    const last = reads.filter(({ account }) => account === done.from).at(-1)!;
    // What was before it may be what is there now only where it did nothing.
    const stale = { account: done.from, began, ended: began + 1, books };
    const again = { ...last, began: began + 2, ended: began + 3 };
    return { ...rest, payments, reads: [...reads, stale, again] };
  },
  "a payment that is made before anybody asked for it"({ payments, reads, ...rest }) {
    const early = payments.find(({ id, from }) =>
      reads.filter(({ account }) => account === from).some(({ books }) => books.paid.includes(id))
    );
    if (early === undefined) return undefined;
    const began = Math.max(...reads.map(({ ended }) => ended)) + 100;
    return {
      ...rest,
      reads,
      payments: payments.map((one) => one.id === early.id ? { ...one, began, ended: began + 1 } : one),
    };
  },
  "a deposit that is there twice"({ reads, ...rest }) {
    const last = reads.findLastIndex(({ books }) => books.got.length > 0);
    if (last < 0) return undefined;
    const { books } = reads[last]!;
    const twice = { ...books, got: [...books.got, books.got[0]!] };
    return { ...rest, reads: reads.map((read, i) => i === last ? { ...read, books: twice } : read) };
  },
  "books that forget what they had"({ reads, ...rest }) {
    const last = reads.findLast(({ books }) => books.got.length > 0);
    if (last === undefined) return undefined;
    const { account, ended } = last;
    const books = { balance: opening, paid: [], got: [] };
    return { ...rest, reads: [...reads, { account, began: ended + 1, ended: ended + 2, books }] };
  },
};

for (const [name, breaking] of Object.entries(broken)) {
  test(`impossible: finds out ${name}`, async () => {
    let tried = 0;
    await property([histories], (history) => {
      const other = breaking(history);
      if (other === undefined) return;
      tried += 1;
      assert.notDeepEqual(impossible(other), []);
    }, { runs: 100 });
    assert.ok(tried > 50, String(tried));
  });
}
