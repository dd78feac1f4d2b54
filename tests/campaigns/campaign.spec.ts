// The controller's agents: exact counts under every policy, the same answer whatever is faster, nothing lost when
// simulations, trainings and predictions fail, and a resume that repeats nothing.
import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { campaign } from "../../actors/campaign.ts";
import { random, ShoalError } from "../../runtime/mod.ts";
import { assert, fc, property, test } from "../suite.ts";
import { candidates, drive, inYard, learning, policies, truth, usual } from "./yard.ts";

const first = (): number => 0;

for (const policy of policies) {
  test(
    `campaign simulates exactly the maximum, each candidate once, under ${policy}`,
    () =>
      property([fc.record({
        seed: fc.integer(),
        slots: fc.integer({ min: 1, max: 5 }),
        buffer: fc.integer({ min: 1, max: 6 }),
        failing: fc.uniqueArray(fc.nat(candidates.length - 1), { size: "max", maxLength: 12 }),
        pauseDuringUpdate: fc.boolean(),
        refill: fc.constantFrom("always" as const, "pause" as const),
      })], async ({ seed, slots, buffer, failing, pauseDuringUpdate, refill }) => {
        const dice = random(seed);
        await inYard(async (yard) => {
          const run = yard.run({ policy, simulateSlots: slots, buffer, pauseDuringUpdate, refill });
          const found = await drive(
            yard,
            run,
            (count) => dice.below(count),
            (candidate) =>
              failing.includes(candidate) ? new Error("it does not converge") : { value: truth(candidate) },
          );
          assert.equal(found.simulated.length, usual.max);
          assert.equal(new Set(yard.started).size, yard.started.length, "a candidate ran twice");
          assert.equal(found.failed, yard.started.filter((candidate) => failing.includes(candidate)).length);
          assert.equal(yard.started.length, usual.max + found.failed);
          assert.ok(yard.most() <= slots, `${yard.most()} of ${slots} slots`);
          for (const { row, value } of found.simulated) assert.equal(value, truth(row));
          if (policy === "random") assert.equal(found.iterations, 0);
        });
      }, { runs: 12 }),
  );
}

test(
  "campaign finds the same, in the same order, whoever is faster, under sequential",
  () =>
    property([fc.record({
      seed: fc.integer(),
      slots: fc.integer({ min: 1, max: 6 }),
      failing: fc.uniqueArray(fc.nat(candidates.length - 1), { size: "max", maxLength: 20 }),
    })], async ({ seed, slots, failing }) => {
      const outcome = (candidate: number) =>
        failing.includes(candidate) ? new Error("it does not converge") : { value: truth(candidate) };
      const answers: string[] = [];
      for (const [simulateSlots, dice] of [[1, undefined], [slots, random(seed)]] as const) {
        await inYard(async (yard) => {
          const run = yard.run({ simulateSlots });
          const found = await drive(yard, run, (count) => dice?.below(count) ?? 0, outcome);
          const rows = found.simulated.map(({ row, basis }) => [row, basis]);
          answers.push(JSON.stringify([rows, found.failed, found.bestPredicted, found.meanRelativeError]));
        });
      }
      assert.equal(answers[1], answers[0]);
    }, { runs: 15 }),
);

test("campaign learns: sequential finds the best, random does not", async () => {
  for (const [policy, isFound] of [["sequential", true], ["random", false]] as const) {
    await inYard(async (yard) => {
      const found = await drive(yard, yard.run({ policy, seed: 3, max: 16 }), first);
      assert.equal(found.simulated.some(({ value }) => value === 100), isFound, policy);
    });
  }
});

test("campaign ends when all candidates are spent, and says how many failed", async () => {
  await inYard(async (yard) => {
    const run = yard.run({ max: 30 });
    const found = await drive(yard, run, first, (row) => row % 2 === 0 ? new Error("no") : { value: row });
    assert.deepEqual([found.simulated.length, found.failed], [20, 20]);
  });
});

test("campaign counts a value that is no number as a failure", async () => {
  await inYard(async (yard) => {
    const found = await drive(
      yard,
      yard.run(),
      first,
      (row) => ({ value: row === 29 ? Infinity : row % 3 ? row : NaN }),
    );
    assert.equal(found.simulated.length, usual.max);
    assert.ok(found.failed > 0);
  });
});

test("campaign keeps a retrain that is asked for during an update", async () => {
  await inYard(async (yard) => {
    const { train, predict } = learning(yard.system);
    const bases: number[] = [];
    let letGo!: () => void;
    const gate = new Promise<void>((resolve) => letGo = resolve);
    let isHeld = true;
    const run = yard.run({ policy: "continuous", models: 1, max: 30 }, {
      learn: {
        predict,
        async train(task) {
          bases.push(task.set.rows.shape[0]!);
          if (isHeld) await gate;
          return await train(task);
        },
      },
    });
    const found = drive(yard, run, first, (row) => {
      if (yard.started.length === 20 && isHeld) {
        isHeld = false;
        letGo();
      }
      return { value: truth(row) };
    });
    assert.equal((await found).simulated.length, 30);
    assert.equal(bases[0], usual.initial);
    // What came during the first update leads to one more, of all that was known by then.
    assert.ok(bases[1]! > usual.initial + 8, String(bases));
  });
});

test("campaign tries a failed training and a failed inference again", async () => {
  await inYard(async (yard) => {
    const { train, predict } = learning(yard.system);
    const tried = { train: 0, predict: 0 };
    const found = await drive(
      yard,
      yard.run({}, {
        learn: {
          train: (task) => tried.train++ % 3 === 0 ? Promise.reject(new Error("no memory")) : train(task),
          predict: (task) => tried.predict++ % 5 === 0 ? Promise.reject(new Error("no memory")) : predict(task),
        },
      }),
      first,
    );
    assert.equal(found.simulated.length, usual.max);
    assert.equal(found.iterations, 4);
    assert.ok(found.meanRelativeError.length > 0);
  });
});

for (const broken of ["train", "predict"] as const) {
  test(`campaign goes on where ${broken} never succeeds`, async () => {
    await inYard(async (yard) => {
      const learn = { ...learning(yard.system), [broken]: () => Promise.reject(new Error("never")) };
      const found = await drive(yard, yard.run({}, { learn }), first);
      assert.deepEqual([found.simulated.length, found.iterations], [usual.max, 0]);
    });
  });
}

for (const gone of ["train", "predict"] as const) {
  test(`campaign ends, to be resumed, where those who ${gone} are gone`, async () => {
    await inYard(async (yard) => {
      let tried = 0;
      const error = new ShoalError("Ended", "Cannot learn: nobody is left who could");
      const learn = { ...learning(yard.system), [gone]: () => (tried++, Promise.reject(error)) };
      await assert.rejects(drive(yard, yard.run({ models: 1, chunk: candidates.length }, { learn }), first), {
        code: "Ended",
      });
      assert.equal(tried, 1, "it was tried again");
    });
  });
}

test("campaign under delay goes on without the ranking that does not come", async () => {
  await inYard(async (yard) => {
    const learn = { ...learning(yard.system), train: () => new Promise<never>(() => {}) };
    const found = await drive(yard, yard.run({ policy: "delay" }, { learn }), first);
    assert.deepEqual([found.simulated.length, found.iterations], [usual.max, 0]);
  });
});

test("campaign starts nothing while models update, with pauseDuringUpdate", async () => {
  await inYard(async (yard) => {
    const { train, predict } = learning(yard.system);
    const during: number[] = [];
    const learn = {
      predict,
      async train(task: Parameters<typeof train>[0]) {
        const before = yard.started.length;
        await new Promise((resolve) => setImmediate(resolve));
        during.push(yard.started.length - before);
        return await train(task);
      },
    };
    const run = yard.run({ policy: "continuous", pauseDuringUpdate: true, simulateSlots: 1 }, { learn });
    await drive(yard, run, first);
    assert.ok(during.length > 0);
    assert.ok(during.slice(1).every((count) => count === 0), String(during));
  });
});

test("campaign refuses settings that contradict each other", async () => {
  await inYard(async (yard) => {
    for (const wrong of [{ initial: 14 }, { batch: 0 }, { max: 41 }, { simulateSlots: 0 }]) {
      await assert.rejects(yard.run(wrong), { code: "BadInput" });
    }
    const none = { candidates: [], settings: usual, simulate: () => Promise.resolve({ value: 1 }) };
    await assert.rejects(campaign(yard.system, none), { code: "BadInput" });
  });
});

/** The candidates of whose simulations a run directory tells. */
function written(directory: string): number[] {
  const path = join(directory, "simulate.jsonl");
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, "utf8").split("\n").filter((line) => line.endsWith("}"));
  return lines.map((line) => Number(/"row":(\d+)/.exec(line)![1]));
}

test(
  "campaign that was killed goes on, repeats nothing that was written, and finds the same under sequential",
  () =>
    property([fc.record({
      seed: fc.integer(),
      kills: fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 1, maxLength: 4 }),
      torn: fc.boolean(),
      policy: fc.constantFrom("sequential" as const, "continuous" as const, "interleaved" as const, "random" as const),
    })], async ({ seed, kills, torn, policy }) => {
      const dice = random(seed);
      const directory = mkdtempSync(join(tmpdir(), "shoal-campaign-"));
      const outcome = (row: number) => row % 5 === 0 ? new Error("it does not converge") : { value: truth(row) };
      let undisturbed = "";
      await inYard(async (yard) => {
        const found = await drive(yard, yard.run({ policy }), first, outcome);
        undisturbed = JSON.stringify([found.simulated.map(({ row }) => row), found.failed, found.meanRelativeError]);
      });
      try {
        for (const kill of [...kills, Infinity]) {
          const before = new Set(written(directory));
          await inYard(async (yard) => {
            let left = kill;
            const killed = new ShoalError("ShuttingDown", "Cannot simulate: the end is near");
            const run = yard.run({ policy }, { directory });
            const over = drive(yard, run, (count) => dice.below(count), (row) => left-- <= 0 ? killed : outcome(row));
            const found = await over.catch((error: unknown) => assert.equal(error, killed));
            for (const row of yard.started) assert.ok(!before.has(row), `${row} was written, and ran again`);
            if (torn && kill !== Infinity) appendFileSync(join(directory, "simulate.jsonl"), '{"row":1,"tu');
            if (kill !== Infinity || found === undefined) return;
            const { simulated, failed, meanRelativeError } = found;
            assert.equal(simulated.length, usual.max);
            if (policy !== "sequential" && policy !== "random") return;
            assert.equal(JSON.stringify([simulated.map(({ row }) => row), failed, meanRelativeError]), undisturbed);
          });
        }
        assert.equal(new Set(written(directory)).size, written(directory).length, "a line was written twice");
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    }, { runs: 12 }),
);

/** The tables of a run directory, and what is in them. */
const tables = (directory: string): string[] =>
  readdirSync(directory).sort().map((name) => `${name} ${readFileSync(join(directory, name), "utf8")}`);

for (const policy of ["sequential", "continuous"] as const) {
  test(`campaign that was only taken for dead changes nothing of its successor's, under ${policy}`, async () => {
    const directory = mkdtempSync(join(tmpdir(), "shoal-campaign-"));
    try {
      await inYard(async (zombie) => {
        const run = zombie.run({ policy }, { directory });
        run.catch(() => {});
        while (zombie.started.length < 5) {
          await zombie.next();
          const one = zombie.waiting[0];
          one?.end({ value: truth(one.candidate) });
          await new Promise((resolve) => setImmediate(resolve));
        }
        const kept = written(directory);
        const count = zombie.started.length;
        await inYard(async (successor) => {
          const found = await drive(successor, successor.run({ policy }, { directory }), first);
          assert.deepEqual([found.simulated.length, found.resumed], [usual.max, kept.length]);
          for (const row of successor.started) assert.ok(!kept.includes(row), `${row} was written, and ran again`);
        });
        const before = tables(directory);
        assert.equal(before.length, 3, "its tables, and nothing else");
        // It wakes, and what it was at is done.
        while (zombie.waiting.length > 0) zombie.waiting[0]!.end({ value: 1_000 });
        await assert.rejects(run, { code: "Fenced", message: /another head has taken it/ });
        assert.equal(zombie.started.length, count, "it starts nothing more");
        assert.deepEqual(tables(directory), before);
      });
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
}
