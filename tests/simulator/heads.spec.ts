// The head of a run dies, or holds still while a second one begins the program from its first line: what durable actors
// have done stands, each order counts once, and of two heads only the later has a say.
// minutes: 2
import { Actor } from "../../runtime/actor.ts";
import type { ActorRef } from "../../runtime/ref.ts";
import { type FaultRates, simulate, type Simulated, type Simulation, table } from "../../runtime/simulator/mod.ts";
import { isShoalError } from "../../stores/error.ts";
import { assert, fc, long, property, test } from "../suite.ts";
import { persistently, spawned } from "./bank.ts";

interface Order {
  readonly id: number;
  readonly from: number;
  readonly to: number;
  readonly amount: number;
}

interface Told extends Order {
  /** The head that says so. */
  readonly head: number;
  readonly till: ActorRef<Till>;
}

interface Look {
  readonly balance: number;
  readonly paid: readonly number[];
  readonly got: readonly number[];
  readonly heads: readonly number[];
}

class Till extends Actor<Till> {
  static readonly durable = true;
  balance = 1_000;
  paid: number[] = [];
  got: number[] = [];
  heads: number[] = [];

  /** An order that was given before, by this head or another, has been carried out. */
  pay({ id, amount, till, head }: Told): void {
    this.heads.push(head);
    if (this.paid.includes(id)) return;
    this.paid.push(id);
    this.balance -= amount;
    void till.tell("take", { id, amount });
  }

  take({ id, amount }: Pick<Order, "id" | "amount">): void {
    this.got.push(id);
    this.balance += amount;
  }

  look(): Look {
    const { balance, paid, got, heads } = this;
    return { balance, paid, got, heads };
  }
}

const places = ["main", "n1", "n2"];
const quietMs = 3_600_000;

/** What heads tell of themselves, outside of all actors. */
interface Witness {
  begun: number;
  /** What became of the calls of a head that had been replaced. */
  readonly ends: string[];
}

function campaign(orders: readonly Order[], witness: Witness): Simulated<readonly Look[]> {
  return async (system, world) => {
    const head = ++witness.begun;
    const tills: ActorRef<Till>[] = [];
    for (const [index, node] of places.entries()) {
      const options = { name: `till-${index}`, node };
      tills.push(
        await persistently(
          () => spawned(() => system.spawn(Till, undefined, options), () => system.find(Till, options.name)),
          world,
          quietMs,
        ),
      );
    }
    await Promise.all(orders.map(async (order) => {
      const told: Told = { ...order, head, till: tills[order.to]! };
      await persistently(
        () =>
          tills[order.from]!.ask("pay", told, { timeoutMs: 10_000 }).catch((error: unknown) => {
            if (head < witness.begun && isShoalError(error)) witness.ends.push(error.code);
            throw error;
          }),
        world,
        quietMs,
      );
    }));
    while (true) {
      const looks = await persistently(
        () => Promise.all(tills.map((till) => till.ask("look", undefined, { timeoutMs: 60_000 }))),
        world,
        quietMs,
      );
      if (looks.reduce((sum, { got }) => sum + got.length, 0) >= orders.length) return looks;
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
  };
}

function violations(orders: readonly Order[], looks: readonly Look[]): string[] {
  const found: string[] = [];
  for (const [index, { paid, got, heads }] of looks.entries()) {
    const expected = (list: readonly Order[]): string => list.map(({ id }) => id).sort((a, b) => a - b).join();
    const given = expected(orders.filter(({ from }) => from === index));
    const taken = expected(orders.filter(({ to }) => to === index));
    if ([...paid].sort((a, b) => a - b).join() !== given) {
      found.push(`till ${index} paid ${paid}, ordered was ${given}`);
    }
    if ([...got].sort((a, b) => a - b).join() !== taken) found.push(`till ${index} got ${got}, sent was ${taken}`);
    if (heads.some((head, at) => head < heads[at - 1]!)) found.push(`L5: till ${index} heard heads ${heads}`);
  }
  const total = looks.reduce((sum, { balance }) => sum + balance, 0);
  if (total !== places.length * 1_000) found.push(`the sum is ${total}`);
  return found;
}

const profiles: Readonly<Record<string, Partial<FaultRates>>> = {
  "a head that dies": { head: 0.004 },
  "two heads at once": { rival: 0.004 },
  "heads that come and go on a bad network": { head: 0.002, rival: 0.002, drop: 0.05, repeat: 0.05, partition: 0.002 },
  "heads and nodes that come and go": { head: 0.002, rival: 0.002, kill: 0.002, zombie: 0.002, crash: 0.005 },
  "heads that come and go at a bad store": { head: 0.002, rival: 0.002, lost: 0.01, unheard: 0.01, late: 0.01 },
};

const order = fc.record({ from: fc.nat(2), to: fc.nat(2), amount: fc.integer({ min: 1, max: 50 }) });
const counts = new Map<string, number>();
const count = (what: string, times = 1): void => void counts.set(what, (counts.get(what) ?? 0) + times);

/** One campaign under faults: what it breaks, and what happened in it is counted. */
async function broken(orders: readonly Order[], seed: number, faults: Partial<FaultRates>): Promise<string[]> {
  const witness: Witness = { begun: 0, ends: [] };
  const simulation: Simulation<readonly Look[]> = await simulate(campaign(orders, witness), {
    seed,
    nodes: 2,
    faults: { calmAfterMs: 20_000, pauseMsMax: 20_000, ...faults },
    supervision: { restartsMax: Number.POSITIVE_INFINITY },
    timeMsMax: 6 * 3_600_000,
    stepsMax: 300_000,
  });
  assert.equal(simulation.outcome, "done", table(simulation));
  for (const { kind } of simulation.faults) count(kind);
  if (witness.begun > 1) count("a program that began again");
  if (witness.begun > 2) count("a program that began more than twice");
  for (const end of witness.ends) count(`a replaced head heard ${end}`);
  const found = violations(orders, simulation.value!);
  return found.length === 0 ? found : [...found, table(simulation)];
}

for (const [what, faults] of Object.entries(profiles)) {
  test(`each order is carried out once, and the sum stays, with ${what}`, async () => {
    await property(
      [fc.array(order, { minLength: 1, maxLength: 15, size: "max" }), fc.nat()],
      async (drawn, seed) => {
        const found = await broken(drawn.map((one, id): Order => ({ ...one, id })), seed, faults);
        assert.deepEqual(found, [], found.join("\n"));
      },
      { runs: long ? 2_000 : 12, caseTimeoutMs: 60_000 },
    );
  }, { timeoutMs: long ? 1_200_000 : 120_000 });
}

test("each kind of end of a head happens, and the one that is replaced hears of it", async () => {
  const wanted = ["head", "rival", "a program that began again", "a program that began more than twice"];
  const isMissing = (what: string): boolean => !counts.has(what);
  const orders = Array.from({ length: 12 }, (_, id): Order => ({ id, from: id % 3, to: (id + 1) % 3, amount: id }));
  for (let seed = 1; [...wanted, "a replaced head heard Fenced"].some(isMissing); seed++) {
    assert.ok(seed < 200, `never happened: ${wanted.filter(isMissing).join(", ")}; there was ${[...counts.keys()]}`);
    for (const faults of Object.values(profiles)) assert.deepEqual(await broken(orders, seed, faults), []);
  }
}, { timeoutMs: 120_000 });

test("a listed head fault does the same again, and the table shows the second head", async () => {
  const orders: Order[] = [{ id: 0, from: 0, to: 1, amount: 5 }, { id: 1, from: 1, to: 2, amount: 7 }];
  const options = { nodes: 2, timeMsMax: 6 * 3_600_000 } as const;
  const witness: Witness = { begun: 0, ends: [] };
  const faults = [{ at: 20, kind: "head" as const, node: "main", delayMs: 500 }];
  const one = await simulate(campaign(orders, witness), { seed: 1, ...options, faults, happeningsMax: 1e5 });
  const again = await simulate(campaign(orders, { begun: 0, ends: [] }), { seed: 1, ...options, faults });
  assert.deepEqual([one.outcome, one.digest], ["done", again.digest], table(one));
  assert.equal(witness.begun, 2);
  assert.match(table(one), /✕.* process 1 ends[\s\S]*▽.* starts as process 2[\s\S]*is the node, in epoch 2/);
});

class Idle extends Actor {
  static readonly durable = true;
}

test("an answer to what a head had asked before it died is no answer to what the next one asks", async () => {
  for (const at of [20, 24, 28, 32]) {
    let begun = 0;
    const simulation = await simulate(async (system) => {
      const name = `idle-${++begun}`;
      const made = await system.spawn(Idle, undefined, { name, node: "n1" });
      return [name, decodeURIComponent(made.id)];
    }, {
      seed: 1,
      nodes: 1,
      // The store is slow when the first is made, so that its maker is told of it when it is no more.
      faults: [{ at: 6, kind: "slow", node: "n1", delayMs: 3_000 }, { at, kind: "head", node: "main", delayMs: 500 }],
    });
    assert.equal(simulation.outcome, "done", table(simulation));
    assert.deepEqual([begun, simulation.value], [2, ["idle-2", "n1/@idle-2"]], table(simulation));
  }
});
