// Slots of kinds of tasks: never more tasks than slots, none lost however they are moved, and lent while nobody
// simulates.
import { type Kind, slots } from "../../actors/agents/slots.ts";
import { assert, fc, property, test } from "../suite.ts";
import { drive, inYard, learning } from "./yard.ts";

const kinds: readonly Kind[] = ["simulate", "train", "infer"];

test("slots are neither made nor lost by moves, and every task runs", () =>
  property([
    fc.array(fc.tuple(fc.constantFrom("run", "end", "move"), fc.nat(2), fc.nat(2), fc.nat(3)), {
      size: "max",
      maxLength: 60,
    }),
  ], async (steps) => {
    const total = 6;
    const own = slots({ simulate: 3, train: 2, infer: 1 }, () => {});
    const running: { kind: Kind; end: () => void }[] = [];
    const tasks: Promise<void>[] = [];
    const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    for (const [step, one, other, count] of steps) {
      if (step === "run") {
        const kind = kinds[one]!;
        tasks.push(own.run(kind, () => new Promise((end) => running.push({ kind, end }))));
      } else if (step === "end") running.splice(one, 1)[0]?.end();
      else own.move(kinds[one]!, kinds[other]!, count);
      await settle();
      assert.ok(running.length <= total, `${running.length} tasks run on ${total} slots`);
    }
    // Whoever has none would wait for ever.
    for (const kind of kinds) {
      for (const from of kinds) if (from !== kind && own.count(kind) === 0) own.move(from, kind, 1);
    }
    await settle();
    let isOver = false;
    const all = Promise.all(tasks).then(() => isOver = true);
    for (let turns = 0; turns < 200 && !isOver; turns++) {
      running.shift()?.end();
      for (const kind of kinds) {
        if (own.count(kind) > 0) continue;
        const rich = kinds.find((each) => own.count(each) > 1);
        if (rich !== undefined) own.move(rich, kind, 1);
      }
      await settle();
    }
    assert.ok(isOver, "a task waits for ever");
    await all;
    assert.equal(kinds.reduce((sum, kind) => sum + own.count(kind), 0), total);
  }, { runs: 60 }));

test("slots say which share of their time tasks had them, also of those that moved", async () => {
  let now = 0;
  const own = slots({ simulate: 2, train: 1, infer: 1 }, () => {}, () => now);
  assert.equal(own.busy("simulate"), 0);
  own.take("simulate");
  now += 100;
  assert.equal(own.busy("simulate"), 0.5);
  own.take("simulate");
  now += 100;
  assert.equal(own.busy("simulate"), 0.75);
  // Both are taken: the slot moves when one is free.
  own.move("simulate", "train", 1);
  now += 100;
  assert.equal(own.busy("simulate"), 5 / 6);
  own.free("simulate");
  own.take("train");
  now += 100;
  assert.deepEqual([own.busy("simulate"), own.busy("train")], [6 / 7, 1 / 5]);
  assert.equal(own.busy("infer"), 0);
});

test("campaign says at each ranking how far it is, how fast, and what its slots do", async () => {
  await inYard(async (yard) => {
    const said: string[] = [];
    const run = yard.run({ max: 10 }, {
      say: (line) => void said.push(line),
      show: (row, value) => `${row} at ${value}`,
    });
    await drive(yard, run, () => 0);
    assert.deepEqual(
      said.map((line) => /^iteration (\d+): (\d+) of 10 simulated · best \d+ at \d+ /.exec(line)?.slice(1)),
      [
        ["1", "4"],
        ["2", "7"],
      ],
    );
    for (const line of said) {
      assert.match(
        line,
        / · busy: simulate \d+ %, train \d+ %, infer \d+ % · [\d.]+\/s, [\d.]+ s, [\d.]+ (s|min|h) left$/,
      );
    }
  });
});

test("campaign lends the slots of simulations to training while all wait, and takes them back", async () => {
  await inYard(async (yard) => {
    const { train, predict } = learning(yard.system);
    let training = 0;
    let most = 0;
    const learn = {
      predict,
      async train(task: Parameters<typeof train>[0]) {
        most = Math.max(most, ++training);
        assert.equal(yard.waiting.length, 0, "a simulation runs on a slot that is lent");
        await new Promise((resolve) => setImmediate(resolve));
        training--;
        return await train(task);
      },
    };
    const found = await drive(yard, yard.run({ models: 5, simulateSlots: 3 }, { learn }), () => 0);
    assert.equal(found.simulated.length, 14);
    // One of its own, and two of the three; the third is lent to inference.
    assert.equal(most, 3);
    assert.equal(yard.most(), 3);
  });
});
