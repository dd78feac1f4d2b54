// The simulator: the same seed does the same, time costs nothing, faults happen, and what they break is found and
// made small.
import { Actor, type ActorRef, isShoalError, type System } from "../../runtime/mod.ts";
import { explore, replay, simulate, table } from "../../runtime/simulator/mod.ts";
import { assert, test } from "../suite.ts";

const hourMs = 3_600_000;

/** A simulation of a simulation: it takes hours, and none. */
class Simulation extends Actor<Simulation> {
  async compute(n: number): Promise<number> {
    await this.store.put({ data: new Float64Array(2_000) });
    const hours = 1 + this.random.below(5);
    await new Promise<void>((resolve) => {
      this.#resolve = resolve;
      this.after(hours * hourMs, "wake");
    }).catch(() => {});
    return n * n;
  }

  #resolve: (() => void) | undefined;

  wake(): void {
    this.#resolve?.();
  }
}

/** Takes the time of a simulation without a message to itself: its handler is under way all the while. */
class Sleeper extends Actor {
  async compute(n: number): Promise<number> {
    await new Promise<void>((resolve) => void setTimeout(resolve, hourMs));
    return n * n;
  }
}

/** Gives out tasks; forgets those whose worker failed, where it is careless. */
class Controller extends Actor {
  readonly #isCareful: boolean;
  #done = 0;

  constructor(isCareful: boolean) {
    super();
    this.#isCareful = isCareful;
  }

  async run(job: { workers: ActorRef<Sleeper>[]; tasks: number }): Promise<number> {
    let next = 0;
    await Promise.all(job.workers.map(async (worker) => {
      for (let task = next++; task < job.tasks; task = next++) {
        for (let attempt = 0; attempt < 100; attempt++) {
          try {
            await worker.ask("compute", task);
            this.#done++;
            break;
          } catch (error) {
            if (!isShoalError(error) || !this.#isCareful) break;
          }
        }
      }
    }));
    return this.#done;
  }
}

async function campaign(system: System, isCareful: boolean): Promise<number> {
  const workers = await Promise.all([1, 2, 3].map(() => system.spawn(Sleeper)));
  const controller = await system.spawn(Controller, isCareful);
  for (let attempt = 0; attempt < 20; attempt++) {
    try {
      const done = await controller.ask("run", { workers, tasks: 12 });
      if (done < 12) throw new Error(`${12 - done} tasks are lost`);
      return done;
    } catch (error) {
      // The controller itself may crash: it begins again.
      if (!isShoalError(error, "Ended")) throw error;
    }
  }
  throw new Error("the controller never came to an end");
}

test("simulate runs hours in no time, on the runtime's clock", async () => {
  const simulation = await simulate(async (system, world) => {
    const began = world.now();
    const sleeper = await system.spawn(Sleeper);
    assert.equal(await sleeper.ask("compute", 7), 49);
    return world.now() - began;
  }, { seed: 1 });
  assert.equal(simulation.outcome, "done", table(simulation));
  assert.ok((simulation.value ?? 0) >= hourMs, `${simulation.value} ms passed`);
});

test("simulate does the same for the same seed, and other things for others", async () => {
  const faults = { crash: 0.05, slow: 0.2 };
  const runs = [];
  for (const seed of [1, 2, 3, 1, 2, 3]) {
    runs.push(await simulate((system) => campaign(system, true), { seed, faults }));
  }
  const digests = runs.map(({ digest }) => digest);
  assert.deepEqual(digests.slice(0, 3), digests.slice(3));
  assert.equal(new Set(digests).size, 3);
});

test("simulate replays a list of faults to the same end", async () => {
  const drawn = await simulate((system) => campaign(system, true), { seed: 5, faults: { crash: 0.1 } });
  assert.ok(drawn.faults.length > 0);
  const listed = await simulate((system) => campaign(system, true), { seed: 5, faults: drawn.faults });
  assert.equal(listed.digest, drawn.digest);
  assert.deepEqual(listed.faults, drawn.faults);
});

test("explore finds nothing wrong with a controller that is careful, though workers crash", async () => {
  const { failure, faults } = await explore((system) => campaign(system, true), {
    seed: 1,
    runs: 60,
    faults: { crash: 0.1 },
    supervision: { restartsMax: Number.POSITIVE_INFINITY },
  });
  assert.equal(failure, undefined, failure && table(failure));
  assert.ok(faults.crash > 20, `only ${faults.crash} crashes`);
});

test("explore finds the task that a careless controller loses, with one crash to show it", async () => {
  const { failure } = await explore((system) => campaign(system, false), {
    seed: 1,
    runs: 60,
    faults: { crash: 0.1 },
    supervision: { restartsMax: Number.POSITIVE_INFINITY },
  });
  assert.ok(failure !== undefined, "nothing was found");
  assert.equal(failure.faults.length, 1, table(failure));
  assert.match(table(failure), /1 tasks are lost/);
  assert.match(table(failure), /crashes/);
});

test("simulate says that a program hangs, instead of hanging", async () => {
  const simulation = await simulate(() => new Promise<never>(() => {}), { seed: 1 });
  assert.equal(simulation.outcome, "hangs");
  const endless = await simulate(async (system) => {
    class Ticker extends Actor<Ticker> {
      started(): void {
        this.every(1_000, "tick");
      }
      tick(): void {}
    }
    await system.spawn(Ticker);
    return await new Promise<never>(() => {});
  }, { seed: 1, timeMsMax: hourMs });
  assert.equal(endless.outcome, "hangs");
});

test("simulate asks the invariant after every step, and stops where it does not hold", async () => {
  let asked = 0;
  const simulation = await simulate((system) => campaign(system, true), {
    seed: 1,
    invariant(system) {
      asked++;
      if (system.statistics().handled > 5) throw new Error("more than five");
    },
  });
  assert.equal(simulation.outcome, "failed");
  assert.match(table(simulation), /more than five/);
  assert.ok(asked >= simulation.steps && simulation.steps > 0);
});

test("simulate names the first who used another clock or other dice, and repeats them all the same", async () => {
  class Gambler extends Actor {
    roll(): number {
      return Math.random() + Date.now();
    }
  }
  const program = async (system: System): Promise<number> => await (await system.spawn(Gambler)).ask("roll");
  const one = await simulate(program, { seed: 9 });
  const two = await simulate(program, { seed: 9 });
  assert.equal(one.value, two.value);
  assert.deepEqual(one.foreign, { what: "Math.random()", actor: "Gambler main/1" });
  assert.match(table(one), /Gambler main\/1 used Math.random\(\)/);
  const clean = await simulate(async (system) => await (await system.spawn(Simulation)).ask("compute", 3), { seed: 9 });
  assert.equal(clean.foreign, undefined);
});

test("simulate gives the platform its clock back", async () => {
  const { now } = Date;
  const { random } = Math;
  const { setTimeout } = globalThis;
  await simulate(() => Promise.reject(new Error("no")), { seed: 1 });
  assert.equal(Date.now, now);
  assert.equal(Math.random, random);
  assert.equal(globalThis.setTimeout, setTimeout);
});

test("faults of the store reach the actor as typed errors, and each kind happens", async () => {
  class Keeper extends Actor {
    async keep(n: number): Promise<string> {
      try {
        const ref = await this.store.put({ data: new Float64Array(2_000).fill(n) });
        const tensor = await this.store.get(ref);
        return `kept ${tensor.data[0]}`;
      } catch (error) {
        return isShoalError(error) ? `${error.code} ${error.outcome}` : "untyped";
      }
    }
  }
  const seen = new Set<string>();
  const { faults, failure } = await explore(async (system) => {
    const keeper = await system.spawn(Keeper);
    for (let n = 0; n < 10; n++) seen.add((await keeper.ask("keep", n)).replace(/\d+/, "N"));
  }, { runs: 20, faults: { unavailable: 0.1, full: 0.1, slow: 0.2 } });
  assert.equal(failure, undefined, failure && table(failure));
  assert.deepEqual([...seen].sort(), ["CapacityExceeded failed", "Unavailable failed", "kept N"]);
  for (const kind of ["unavailable", "full", "slow"] as const) assert.ok(faults[kind] > 0, kind);
});

test("replay does a recorded run again, and stops where one goes another way", async () => {
  let outside = 0;
  class Forgetful extends Actor {
    step(n: number): number {
      // What no seed knows: the third time round, in the second run only.
      if (n === 3 && outside++ > 0) throw new Error("another way");
      return n;
    }
  }
  const program = async (system: System): Promise<number> => {
    const actor = await system.spawn(Forgetful);
    let sum = 0;
    for (let n = 1; n <= 6; n++) sum += await actor.ask("step", n).catch(() => 0);
    return sum;
  };
  const recorded = await simulate(program, { seed: 3, happeningsMax: 10_000 });
  assert.equal(recorded.value, 21);
  const again = await replay(program, recorded);
  assert.equal(again.outcome, "differs");
  assert.match(again.difference?.happened?.what ?? "", /failed during step: another way/);
  assert.equal(again.happenings.at(-1)?.what, again.difference?.happened?.what);
  assert.match(table(again), /expected main\/1 step at step \d+, and there was main\/1 failed during step/);

  const careful = (system: System): Promise<number> => campaign(system, true);
  const options = { happeningsMax: 100_000 } as const;
  const faulty = await simulate(careful, { seed: 4, faults: { crash: 0.1, slow: 0.1 }, ...options });
  const same = await replay(careful, faulty, options);
  assert.equal(same.difference, undefined, table(same));
  assert.deepEqual([same.outcome, same.digest], [faulty.outcome, faulty.digest]);
  assert.throws(
    () => replay(careful, { ...faulty, happenings: faulty.happenings.slice(5) }),
    /keep more with happeningsMax/,
  );
});
