// Topics in one thread: what is bounded, who waits for whom, what pins what, and how each ends.
import { Actor, type ActorRef, launch, type LaunchOptions, ShoalError, type System } from "../../runtime/mod.ts";
import type { TensorRef, TopicCursor, TopicEntry, TopicLoss, TopicOptions } from "../../runtime/mod.ts";
import { pathToFileURL } from "node:url";
import { inFolder } from "../file/place.ts";
import { errorOf } from "../stores/world.ts";
import { Keeper } from "./actors.ts";
import { assert, fc, property, test } from "../suite.ts";

/** What the last publisher was told stands in its log. */
let published = 0;

class Publisher extends Actor {
  readonly #options: TopicOptions;
  count = 0;
  constructor(options: TopicOptions) {
    super();
    this.#options = options;
  }
  async publish(entries: number): Promise<number> {
    for (let entry = 0; entry < entries; entry++) {
      await this.topic<number>("t", this.#options).publish(this.count + 1);
      published = ++this.count;
    }
    return this.count;
  }
  async reference(ref: TensorRef): Promise<void> {
    await this.topic<TensorRef>("t", this.#options).publish(ref);
  }
  async end(): Promise<void> {
    await this.topic("t").end();
  }
}

class Reader extends Actor {
  async read(): Promise<number[]> {
    const values: number[] = [];
    for await (const { value } of this.topic<number>("t").read({ publishers: 1 })) values.push(value);
    return values;
  }
  async leave(): Promise<number> {
    for await (const { value } of this.topic<number>("t").read()) return value;
    return 0;
  }
}

async function within(options: LaunchOptions, body: (system: System) => Promise<void>): Promise<void> {
  const system = await launch({ threads: 0, strict: true, ...options });
  try {
    await body(system);
  } finally {
    await system.close({ now: true });
  }
}

const publisher = (system: System, options: TopicOptions = {}): Promise<ActorRef<Publisher>> =>
  system.spawn(Publisher, options);

test("credit: a publisher is never further ahead of its slowest reader than it may be", () =>
  property([
    fc.integer({ min: 1, max: 5 }),
    fc.array(fc.record({ reader: fc.nat(1), entries: fc.integer({ min: 1, max: 4 }) }), { maxLength: 12 }),
  ], (creditEntries, takes) =>
    within({}, async (system) => {
      const one = await publisher(system, { creditEntries, readersMin: 2 });
      const readings = [0, 1].map(() => system.topic<number>("t").read({ aheadMax: 2 }));
      const read = [0, 0];
      const total = 40;
      published = 0;
      const publishing = one.ask("publish", total);
      const bound = (): void => {
        const ahead = published - Math.min(...read);
        assert.ok(ahead <= creditEntries, `${ahead} ahead of ${creditEntries}`);
      };
      for (
        const { reader, entries } of [...takes, ...Array.from({ length: total }, () => ({ reader: 2, entries: 4 }))]
      ) {
        for (const index of reader === 2 ? [0, 1] : [reader]) {
          const limit = Math.min(...read) + creditEntries;
          const wanted = Math.min(entries, limit - read[index]!, total - read[index]!);
          if (wanted <= 0) continue;
          for (const { number } of await readings[index]!.take(wanted)) {
            assert.equal(number, read[index]! + 1);
            read[index] = number;
            bound();
          }
        }
      }
      assert.deepEqual(read, [total, total]);
      assert.equal(await publishing, total);
      await Promise.all(readings.map((reading) => reading.close()));
    }), { runs: 8 }));

test("credit: with nobody to read, or one who does not, a publish ends with Timeout and says for whom it waited", () =>
  within({}, async (system) => {
    const topic = system.topic<number>("t", { creditEntries: 2 });
    await topic.publish(1);
    await topic.publish(2);
    const none = await errorOf("Timeout", () => Promise.resolve(topic.publish(3, { timeoutMs: 20 })));
    assert.match(none.message, /0 of 1 readers have come/);
    assert.equal(none.outcome, "failed");
    const reading = system.topic<number>("t").read();
    assert.equal((await reading.take(1))[0]?.value, 1);
    await topic.publish(3);
    const slow = await errorOf("Timeout", () => Promise.resolve(topic.publish(4, { timeoutMs: 20 })));
    assert.match(slow.message, /0:main\/0 has read 1 of its entries/);
    await reading.close();
    // Whoever has left is not waited for.
    for (let value = 4; value <= 20; value++) await topic.publish(value);
  }));

test("credit: a reader that ends, or leaves its loop, is waited for no more", () =>
  within({}, async (system) => {
    const one = await publisher(system, { creditEntries: 1 });
    const reader = await system.spawn(Reader);
    const first = reader.ask("leave");
    const published = one.ask("publish", 5);
    assert.equal(await first, 1);
    assert.equal(await published, 5);
    const other = await system.spawn(Reader);
    const waits = other.ask("read").catch((error: unknown) => error);
    await one.ask("publish", 5);
    await system.stop(other, { now: true });
    assert.equal(await one.ask("publish", 5), 15);
    assert.ok(await waits instanceof ShoalError);
  }));

test("topic: what an entry refers to is pinned as long as the entry is kept, and read once by each reader", () =>
  within({ storeThresholdBytes: 0 }, async (system) => {
    const one = await publisher(system, { retainBytes: 100_000 });
    const refs: TensorRef[] = [];
    for (let index = 0; index < 20; index++) {
      const data = new Float64Array(2_000).fill(index);
      const ref = await system.store.put({ data }, { lifetime: { reads: 1 } });
      await one.ask("reference", ref);
      refs.push(ref);
    }
    await one.ask("end");
    const seen: number[] = [];
    const losses: TopicLoss[] = [];
    const options = { publishers: 1, lost: (loss: TopicLoss) => void losses.push(loss) };
    for (let round = 0; round < 2; round++) {
      for await (const { number, value } of system.topic<TensorRef>("t").read(options)) {
        const tensor = await system.store.get(value);
        assert.equal(tensor.data[0], number - 1);
        tensor.done();
        seen.push(number);
      }
    }
    const [first] = losses;
    assert.ok(first !== undefined && first.from === 1 && first.through >= 13, JSON.stringify(losses));
    const kept = Array.from({ length: 20 - first.through }, (_, index) => first.through + 1 + index);
    assert.deepEqual(seen, [...kept, ...kept]);
    assert.ok((await errorOf("Missing", () => system.store.get(refs[0]!))) instanceof ShoalError);
  }));

test("topic: what a late reader is told is lost and what it reads are all there was, and what is kept is bounded", () =>
  property([
    fc.integer({ min: 300, max: 3_000 }),
    fc.array(fc.array(fc.nat(200), { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 12 }),
  ], (retainBytes, bursts) =>
    within({}, async (system) => {
      const topic = system.topic<string>("t", { retainBytes });
      const range = ({ from, through }: TopicLoss): number[] =>
        Array.from({ length: through - from + 1 }, (_, index) => from + index);
      const early = topic.read({ lost: (loss) => void seen.push(...range(loss)) });
      const sizes: number[] = [];
      const seen: number[] = [];
      for (const burst of bursts) {
        // What is said in one turn is appended together, and goes together.
        const said = burst.map((size) => topic.publish("x".repeat(size)));
        sizes.push(...burst);
        await Promise.all(said);
        for (const { number } of await early.take(1)) seen.push(number);
      }
      await topic.close();
      const numbers: number[] = [];
      const lost: number[] = [];
      for await (const { number, value } of topic.read({ lost: (loss) => void lost.push(...range(loss)) })) {
        numbers.push(number);
        assert.equal(value.length, sizes[number - 1]);
      }
      assert.deepEqual([...lost, ...numbers], sizes.map((_, index) => index + 1));
      const last = bursts.at(-1)!.length;
      const kept = numbers.reduce((sum, number) => sum + sizes[number - 1]!, 0);
      assert.ok(kept <= retainBytes || numbers.length <= last, `${kept} bytes in ${numbers.length} entries`);
      assert.deepEqual(seen, seen.map((_, index) => index + 1));
    }), { runs: 25 }));

test("topic: a cursor is plain data, and a reading from it goes on with the next", () =>
  within({}, async (system) => {
    const topics = [await publisher(system), await publisher(system)];
    await Promise.all(topics.map((one) => one.ask("publish", 30)));
    await Promise.all(topics.map((one) => one.ask("end")));
    const seen: TopicEntry<number>[] = [];
    let cursor: TopicCursor = {};
    for (;;) {
      const reading = system.topic<number>("t").read({ from: JSON.parse(JSON.stringify(cursor)), publishers: 2 });
      const entries = await reading.take(7);
      cursor = reading.cursor;
      await reading.close();
      if (entries.length === 0) break;
      seen.push(...entries);
    }
    for (const { id } of topics) {
      const values = seen.filter((entry) => entry.publisher === id).map(({ value }) => value);
      assert.deepEqual(values, Array.from({ length: 30 }, (_, index) => index + 1));
    }
    assert.equal(seen.length, 60);
  }));

test("topic: readers are told who has ended and why, and close ends every reading", () =>
  within({}, async (system) => {
    const [one, two] = [await publisher(system), await publisher(system)];
    await one.ask("publish", 3);
    await two.ask("publish", 2);
    const ended: string[] = [];
    const reading = system.topic<number>("t").read({ ended: (who, why) => void ended.push(`${who} ${why}`) });
    const values: number[] = [];
    const loop = (async () => {
      for await (const { value } of reading) values.push(value);
    })();
    await one.ask("end");
    await system.stop(two);
    while (ended.length < 2) await new Promise(setImmediate);
    assert.deepEqual(ended.sort(), [`${one.id} done`, `${two.id} stopped`].sort());
    const three = await publisher(system);
    await three.ask("publish", 4);
    await system.topic("t").close();
    await loop;
    assert.equal(values.length, 9);
    const late = await system.topic<number>("t").read().take(100);
    assert.equal(late.length, 9, "what was published before is there for those who come when all is over");
  }));

class Member extends Actor {
  seen = 0;
  async work(value: number): Promise<number> {
    this.seen++;
    await Promise.resolve();
    if (value % 10 === 3) throw new Error(`no ${value}`);
    return value * 2;
  }
}

test("share: each entry goes to one member of a pool, and the cursor stands behind what is done", () =>
  within({}, async (system) => {
    const one = await publisher(system);
    await one.ask("publish", 50);
    await one.ask("end");
    const pool = await system.pool(Member, { size: 3 });
    const sharing = pool.share("work", system.topic<number>("t").read({ publishers: 1 }));
    const values: number[] = [];
    const failed: number[] = [];
    for await (const result of sharing) {
      if (result.error === undefined) values.push(result.value);
      else failed.push(result.number);
      const behind = sharing.cursor[one.id]?.number ?? 0;
      assert.ok(behind <= values.length + failed.length + 6);
    }
    assert.deepEqual(failed, [3, 13, 23, 33, 43]);
    assert.deepEqual(
      values.sort((a, b) => a - b),
      Array.from({ length: 50 }, (_, index) => index + 1).filter((n) => n % 10 !== 3).map((n) => n * 2),
    );
    assert.equal(sharing.cursor[one.id]?.number, 50);
    await pool.stop();
    const none = pool.share("work", system.topic<number>("t").read({ publishers: 1 }));
    for await (const { error } of none) assert.ok(error instanceof ShoalError);
    assert.deepEqual(none.cursor, {}, "what no member has done is done the next time");
  }));

test("topic: what cannot be is refused, with the reason", () =>
  within({ limits: { overflowMessagesMax: 4 } }, async (system) => {
    const refused = async (
      code: "BadInput" | "Ended" | "CapacityExceeded" | "TooLarge",
      pattern: RegExp,
      call: () => unknown,
    ) => {
      const { message } = await errorOf(code, async () => await call());
      assert.match(message, pattern);
    };
    await refused("BadInput", /has no name/, () => system.topic(""));
    await refused("BadInput", /101 of at most 100 characters/, () => system.topic("x".repeat(101)));
    await refused("BadInput", /not well-formed/, () => system.topic("\ud800"));
    await refused("BadInput", /creditEntries is 0/, () => system.topic("t", { creditEntries: 0 }));
    await refused("BadInput", /retainBytes is NaN/, () => system.topic("t", { retainBytes: NaN }));
    await refused("BadInput", /did you mean creditBytes/, () => system.topic("t", { creditByte: 1 } as object));
    const topic = system.topic<unknown>("t");
    await refused("BadInput", /publishers is 0/, () => topic.read({ publishers: 0 }));
    await refused("BadInput", /from is none of/, () => topic.read({ from: "end" as "now" }));
    await refused("BadInput", /functions cannot be sent/, () => topic.publish(() => {}));
    await refused("TooLarge", /put large data into the store/, () => topic.publish("x".repeat(2 ** 21)));
    const many = Array.from({ length: 6 }, (_, value) => topic.publish(value));
    const ends = await Promise.allSettled(many);
    assert.deepEqual(ends.map(({ status }) => status).slice(0, 4), Array(4).fill("fulfilled"));
    await refused("CapacityExceeded", /4 entries of this publisher wait/, () => many[4]);
    await topic.end();
    await refused("Ended", /has said that it has no more/, () => topic.publish(1));
    const reading = topic.read();
    const waits = reading.take(1).then(() => reading.take(1, { waitMs: 60_000 }));
    await refused("BadInput", /another take waits/, () => reading.take(1));
    await reading.close();
    await waits;
    await refused("BadInput", /publishers/, () => topic.read({ publisher: 1 } as object));
    const idle = await errorOf("Timeout", () => system.topic("nobody").read({ idleTimeoutMs: 20 }).take());
    assert.match(idle.message, /nothing came for 20 ms/);
    const signal = AbortSignal.abort();
    await errorOf("Cancelled", () => system.topic("nobody").read({ signal }).take());
  }));

test("durable: publisher and reader go on where they were in the next process, and two runs are apart", () =>
  inFolder(async (root) => {
    const store = `${pathToFileURL(root).href}?fsync=never`;
    const options = { store, threads: 0, name: "one" };
    let first = await launch(options);
    try {
      const keeper = await first.spawn(Keeper, undefined, { name: "k" });
      const puller = await first.spawn(Keeper, undefined, { name: "p" });
      await keeper.ask("publish", 5);
      assert.deepEqual(await puller.ask("pull", 3), [1, 2, 3]);
    } finally {
      await first.close();
    }
    first = await launch(options);
    try {
      const keeper = await first.spawn(Keeper, undefined, { name: "k" });
      const puller = await first.spawn(Keeper, undefined, { name: "p" });
      await keeper.ask("publish", 5);
      assert.deepEqual(await puller.ask("pull", 7), [4, 5, 6, 7, 8, 9, 10]);
      const other = await launch({ ...options, name: "two" });
      try {
        const apart = await other.topic("kept").read().take(1, { waitMs: 50 });
        assert.deepEqual(apart, []);
      } finally {
        await other.close();
      }
    } finally {
      await first.close();
    }
  }));
