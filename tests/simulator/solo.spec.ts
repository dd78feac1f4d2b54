// One actor of a recorded run, played again alone: it gets what it got, and does what it did; what does otherwise is
// found and named. Nothing of the run is there but its record.
import { Actor, type ActorRef, isShoalError, type System, type TensorRef } from "../../runtime/mod.ts";
import { type FaultRates, type Part, replay, simulate, type Simulation, table } from "../../runtime/simulator/mod.ts";
import { assert, test } from "../suite.ts";
import { Account, bank, type Transfer } from "./bank.ts";

const recordBytesMax = 1e8;

/** As a run is kept: as text. */
const kept = <T>(simulation: Simulation<T>): Simulation<T> =>
  JSON.parse(JSON.stringify(simulation)) as typeof simulation;

const partsOf = ({ parts }: Simulation<unknown>, name: string): Part[] =>
  Object.values(parts).filter((part) => part.class === name);

let handlers = 0;

/** Does with its ground all that can be done with it. */
class Handyman extends Actor<Handyman> {
  log_: string[] = [];
  counts = new Map<string, number>();
  #friend: ActorRef<Friend> | undefined;

  started(): void {
    this.log_.push(`born ${this.random.below(1_000)}`);
  }

  async work(friend: ActorRef<Friend>): Promise<string> {
    handlers++;
    this.#friend = friend;
    const values = this.random.shuffled([1, 2, 3, 4, 5]);
    const fork = this.random.fork("x").hex(8);
    const ref = await this.store.put({ data: Float64Array.from(values), dtype: "float64" });
    const draft = await this.store.allocate("float32", [2_000]);
    draft.data.fill(values[0]!);
    const sealed = await draft.seal();
    const [sum, double] = await Promise.all([friend.ask("sum", ref), friend.ask("double", 21)]);
    void friend.tell("note", { text: "hello", big: 10n, bytes: Uint8Array.of(1, 2, 3), not: Number.NaN });
    await friend.tell("note", { text: "again", big: 1n, bytes: Uint8Array.of(), not: -0 });
    const { data } = await this.store.get(sealed);
    const parts: number[] = [];
    for await (const part of friend.stream("count", 5, { creditMax: 2 })) parts.push(part);
    const child = await this.spawn(Friend);
    this.watch(child, "left");
    const refused = await child.ask("fail").catch((error: unknown) => isShoalError(error) ? error.code : "untyped");
    await this.stop(child);
    const pool = await this.pool(Friend, { size: 2 });
    const doubles = await pool.map("double", [1, 2, 3]);
    for await (const one of pool.results("double", [4, 5])) this.log_.push(`result ${JSON.stringify(one)}`);
    await pool.stop();
    this.after(1_000, "wake", values);
    this.log.info("worked", { sum });
    this.log_.push(
      `${this.now()} ${fork} ${sum} ${double} ${data[7]} ${parts} ${refused} ${doubles} ${this.signal.aborted}`,
    );
    return this.log_.join("; ");
  }

  wake(values: number[]): void {
    this.log_.push(`woke ${values}`);
    void this.#friend?.tell("note", { text: `woke ${this.random.next()}`, big: 0n, bytes: Uint8Array.of(9), not: 0 });
  }

  left(): void {
    this.log_.push("left");
  }

  *parts(n: number): Generator<number> {
    for (let part = 0; part < n; part++) yield part + this.random.below(10);
  }
}

class Friend extends Actor {
  async sum(ref: TensorRef<"float64">): Promise<number> {
    const { data } = await this.store.get(ref);
    return data.reduce((sum, one) => sum + one, 0);
  }

  double(n: number): number {
    return 2 * n;
  }

  note(_note: { text: string; big: bigint; bytes: Uint8Array; not: number }): void {}

  fail(): never {
    throw new Error("on purpose");
  }

  async *count(n: number): AsyncGenerator<number> {
    for (let i = 0; i < n; i++) yield i;
  }
}

const day = async (system: System): Promise<string> => {
  const friend = await system.spawn(Friend);
  const handyman = await system.spawn(Handyman);
  let said = await handyman.ask("work", friend);
  for await (const part of handyman.stream("parts", 3)) said += ` ${part}`;
  await new Promise((resolve) => setTimeout(resolve, 5_000));
  return said;
};

for (const nodes of [undefined, 2]) {
  const where = nodes === undefined ? "of one node" : `of ${nodes} nodes`;

  test(`replay plays an actor ${where} alone, to the same state, from its record`, async () => {
    const options = { seed: 3, ...(nodes === undefined ? {} : { nodes }) };
    const recorded = kept(await simulate(day, { ...options, recordBytesMax }));
    assert.equal(recorded.outcome, "done", table(recorded));
    const plain = await simulate(day, options);
    assert.deepEqual([plain.value, plain.digest], [recorded.value, recorded.digest], "to be recorded changes a run");
    handlers = 0;
    for (const part of [...partsOf(recorded, "Handyman"), ...partsOf(recorded, "Friend")]) {
      const Class = part.class === "Handyman" ? Handyman : Friend;
      const alone = await replay(Class, recorded, { actor: part.actor });
      assert.equal(alone.outcome, "done", `${part.actor}\n${table(alone)}`);
      assert.equal(alone.happeningsCount, part.lines.length);
      assert.equal(alone.foreign, undefined);
    }
    assert.equal(handlers, 1, "the others were there too");
  });
}

/** The same in all, and in one thing another. */
const others: Readonly<Record<string, readonly [typeof Handyman, RegExp]>> = {
  "draws once more": [
    {
      Handyman: class extends Handyman {
        override wake(values: number[]): void {
          super.wake(this.random.shuffled(values));
        }
      },
    }.Handyman,
    /expected main\/2 ends left.* and there was main\/2 does draws random.shuffled: 5|draws random.shuffled/,
  ],
  "says something else": [
    {
      Handyman: class extends Handyman {
        override async work(friend: ActorRef<Friend>): Promise<string> {
          await friend.ask("double", 20);
          return await super.work(friend);
        }
      },
    }.Handyman,
    /does draws random.shuffled: 5.* and there was main\/2 does asks main\/1 double: \[20,null\]/,
  ],
  "keeps something else": [
    {
      Handyman: class extends Handyman {
        override left(): void {
          this.log_.push("went");
        }
      },
    }.Handyman,
    /expected main\/2 ends left: .*"left"\]} at step \d+, and there was main\/2 ends left: .*"went"\]}/,
  ],
  "stops early": [
    {
      Handyman: class extends Handyman {
        override wake(): void {
          this.log_.push("woke");
        }
      },
    }.Handyman,
    /and there was main\/2 ends wake/,
  ],
  "does more when all is done": [
    {
      Handyman: class extends Handyman {
        override wake(values: number[]): void {
          super.wake(values);
          void Promise.resolve().then(() => this.log.info("late"));
        }
      },
    }.Handyman,
    /and there was main\/2 does logs info: \["late",null\]/,
  ],
};

for (const [what, [Class, shown]] of Object.entries(others)) {
  test(`replay of one actor that ${what} stops there, and shows both`, async () => {
    const recorded = await simulate(day, { seed: 3, recordBytesMax });
    const alone = await replay(Class, recorded, { actor: "main/2" });
    assert.equal(alone.outcome, "differs");
    assert.match(table(alone), shown);
    assert.ok(alone.happeningsCount < recorded.parts["main/2"]!.lines.length || what === "does more when all is done");
  });
}

const profiles: Readonly<Record<string, Partial<FaultRates>>> = {
  "nothing goes wrong": {},
  "actors crash": { crash: 0.02 },
  "processes are killed, paused and replaced": { kill: 0.003, pause: 0.003, zombie: 0.002, skew: 0.3 },
  "the network and the store fail": { drop: 0.1, repeat: 0.1, unheard: 0.02, unavailable: 0.02, partition: 0.003 },
};

const transfers: readonly Transfer[] = Array.from({ length: 20 }, (_, index) => ({
  from: index % 3,
  to: (index * 2 + 1) % 3,
  amount: index + 1,
  ordered: index % 2 === 0 ? "tell" : "ask",
  paid: index % 3 === 0 ? "ask" : "tell",
}));

for (const [what, faults] of Object.entries(profiles)) {
  test(`replay plays durable actors alone, through all of their lives, where ${what}`, async () => {
    let lives = 0;
    let restored = 0;
    for (let seed = 1; seed <= 6; seed++) {
      const options = { nodes: 3, faults: { ...faults, calmAfterMs: 20_000 } };
      const supervision = { restartsMax: Number.POSITIVE_INFINITY };
      const recorded = kept(await simulate(bank(3, transfers), { seed, ...options, supervision, recordBytesMax }));
      assert.equal(recorded.outcome, "done", table(recorded));
      const accounts = partsOf(recorded, "Account");
      assert.equal(accounts.length, 3);
      for (const { actor, lines } of accounts) {
        const alone = await replay(Account, recorded, { actor });
        assert.equal(alone.outcome, "done", `seed ${seed}\n${table(alone)}`);
        lives = Math.max(lives, ...lines.map(({ life }) => life));
        restored += lines.filter(({ type, value }) => type === "restores" && !value.includes('"deposits":0')).length;
      }
    }
    if (faults.crash !== undefined || faults.kill !== undefined) assert.ok(lives > 1 && restored > 0, `${lives} lives`);
  });
}

class Gambler extends Actor {
  rolls: number[] = [];

  async roll(waitMs: number): Promise<number> {
    this.rolls.push(Math.random());
    await new Promise((resolve) => setTimeout(resolve, waitMs));
    this.rolls.push(Date.now(), performance.now());
    return this.rolls.length;
  }
}

test("replay of one actor answers other clocks and dice as they were answered, and names the first", async () => {
  const recorded = kept(
    await simulate(async (system) => {
      const gambler = await system.spawn(Gambler, undefined, { node: "n1" });
      return await Promise.all([gambler.ask("roll", 1_000), gambler.ask("roll", 500)]);
    }, { seed: 5, nodes: 1, recordBytesMax }),
  );
  assert.equal(recorded.outcome, "done", table(recorded));
  const alone = await replay(Gambler, recorded, { actor: partsOf(recorded, "Gambler")[0]!.actor });
  assert.equal(alone.outcome, "done", table(alone));
  assert.deepEqual(alone.foreign, recorded.foreign);
  assert.equal(alone.foreign?.what, "Math.random()");
  const { Gambler: Honest } = {
    Gambler: class extends Gambler {
      override async roll(waitMs: number): Promise<number> {
        this.rolls.push(this.random.next());
        return await super.roll(waitMs);
      }
    },
  };
  const other = await replay(Honest, recorded, { actor: partsOf(recorded, "Gambler")[0]!.actor });
  assert.match(
    table(other),
    /expected n1\/\d+ does draws Math\.random\(\): .* and there was n1\/\d+ does draws random.next/,
  );
});

test("replay of one actor refuses what it has no record of, and says why", async () => {
  const bare = await simulate(day, { seed: 3 });
  await assert.rejects(replay(Handyman, bare, { actor: "main/2" }), /record the run with recordBytesMax/);
  const short = await simulate(day, { seed: 3, recordBytesMax: 2_000 });
  assert.equal(short.outcome, "done");
  await assert.rejects(replay(Handyman, short, { actor: "main/2" }), /ends at step \d+.* raise recordBytesMax/);
  const whole = await simulate(day, { seed: 3, recordBytesMax });
  await assert.rejects(replay(Handyman, whole, { actor: "main/9" }), /no part of main\/9; the record has .*main\/2 \(/);
  await assert.rejects(replay(Friend, whole, { actor: "main/2" }), /main\/2 was a Handyman, and this is Friend/);
});

class Counts extends Actor {
  at = 0;

  async one(): Promise<void> {
    await Promise.resolve();
    this.at += 1;
  }

  two(): number {
    return this.at;
  }
}

test("replay of one actor gives no message behind the one whose state differs", async () => {
  const recorded = kept(
    await simulate(async (system) => {
      const counts = await system.spawn(Counts, undefined, { node: "n1" });
      await counts.ask("one");
      return await counts.ask("two");
    }, { seed: 5, nodes: 1, recordBytesMax }),
  );
  const { Counts: Changed } = {
    Counts: class extends Counts {
      override async one(): Promise<void> {
        await super.one();
        this.at += 1;
      }
    },
  };
  const other = await replay(Changed, recorded, { actor: partsOf(recorded, "Counts")[0]!.actor });
  assert.equal(other.outcome, "differs", table(other));
  assert.match(table(other), /gets one/);
  assert.ok(!table(other).includes("gets two"), table(other));
});
