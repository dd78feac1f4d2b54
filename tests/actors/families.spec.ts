// How parents and children end together, in either order and way.
import { Actor, type ActorRef, type AnyActorRef } from "../../runtime/mod.ts";
import { assert, test } from "../suite.ts";
import { held, leave, quiet, settledOf, stage } from "./stage.ts";
import { timeoutMs } from "./counter.ts";

const ends: string[] = [];

/** Has children as deep as asked, and keeps account of ends. */
class Parent extends Actor {
  readonly #ends: string[];
  readonly #depth: number;
  constructor(depth: number) {
    super();
    this.#depth = depth;
    this.#ends = ends;
  }
  async started(): Promise<void> {
    if (this.#depth > 0) await this.spawn(Parent, this.#depth - 1, { name: `depth ${this.#depth - 1}` });
  }
  async work(): Promise<string> {
    await quiet();
    return "worked";
  }
  async hang(): Promise<void> {
    await new Promise(() => {});
  }
  async stopping(): Promise<void> {
    this.#ends.push(`stopping ${this.#depth}`);
    await quiet();
    this.#ends.push(`stopped ${this.#depth}`);
  }
}

test("A parent that drains lets its children drain, and they end before it", async () => {
  ends.length = 0;
  const at = stage();
  const top = await at.system.spawn(Parent, 2);
  const middle = (await at.system.find(Parent, "depth 1"))!;
  const low = (await at.system.find(Parent, "depth 0"))!;
  const watched = [low, middle, top].map((actor) => at.system.watch(actor));
  const calls = held(low.ask("work"), low.ask("work"), middle.ask("work"), top.ask("work"));
  const { reason } = await at.system.stop(top, {});
  assert.equal(reason, "stopped");
  assert.deepEqual(await settledOf(calls), Array(4).fill(`value "worked"`));
  assert.deepEqual((await Promise.all(watched)).map((ended) => ended.reason), [
    "parent ended",
    "parent ended",
    "stopped",
  ]);
  assert.deepEqual(at.records.flatMap((record) => record.type === "ActorEnded" ? [record.actor.id] : []), [
    low.id,
    middle.id,
    top.id,
  ]);
  await leave(at);
});

test("Parent and child that are stopped at once both end, in either order and way", async () => {
  for (const childFirst of [true, false]) {
    for (const [parentNow, childNow] of [[true, true], [true, false], [false, true], [false, false]]) {
      const at = stage();
      const parent = await at.system.spawn(Parent, 1);
      const child = (await at.system.find(Parent, "depth 0"))!;
      const calls = held(parent.ask("work"), child.ask("work"));
      const stops = [
        () => at.system.stop(parent, { now: parentNow! }),
        () => at.system.stop(child, { now: childNow! }),
      ];
      if (childFirst) stops.reverse();
      await Promise.all(stops.map((stop) => stop()));
      const [first, second] = await settledOf(calls);
      const label = JSON.stringify({ childFirst, parentNow, childNow });
      assert.equal(first, parentNow === true ? "Ended failed" : `value "worked"`, `parent ${label}`);
      if (childNow === false && parentNow === false) assert.equal(second, `value "worked"`, `child ${label}`);
      else assert.match(second ?? `hangs ${label}`, /^(Ended (failed|unknown)|value)/);
      assert.equal(at.system.statistics().actors, 0);
      await leave(at);
    }
  }
});

test("A child that stops its parent and waits for that, too, does not hold it up", async () => {
  const at = stage();
  class Boss extends Actor<Boss> {
    async hire(): Promise<ActorRef<Worker>> {
      const worker = await this.spawn(Worker);
      await worker.ask("meet", this.self);
      return worker;
    }
  }
  class Worker extends Actor {
    boss: AnyActorRef | undefined;
    meet(boss: ActorRef<Boss>): void {
      this.boss = boss;
    }
    async rebel(late: boolean): Promise<string> {
      if (late) await Promise.resolve();
      await this.stop(this.boss!);
      return "done";
    }
  }
  for (const late of [false, true]) {
    const boss = await at.system.spawn(Boss);
    const worker = await boss.ask("hire");
    const calls = held(worker.ask("rebel", late));
    await quiet();
    // Nobody waits for a timeout to learn what became of it.
    assert.equal((await settledOf(calls))[0], 'value "done"');
    assert.equal(at.system.statistics().actors, 0);
  }
  await leave(at);
}, { timeoutMs });
