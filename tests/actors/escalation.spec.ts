// Failures that go up: to a parent, through levels, beyond the root; and what a restart ends below it.
import { Actor, type ActorRef, type Directive } from "../../runtime/mod.ts";
import { assert, test } from "../suite.ts";
import { errorOf } from "../stores/world.ts";
import { leave, leaveNoTimer, quiet, settledOf, stage } from "./stage.ts";
import { Counter, crashes } from "./failing.ts";

/** Three levels, each told how to answer failures. */
class Level extends Actor {
  readonly #depth: number;
  readonly #policies: Directive[];
  child: ActorRef<Level> | undefined;
  kept = 0;

  constructor(input: { depth: number; policies: Directive[] }) {
    super();
    this.#depth = input.depth;
    this.#policies = input.policies;
  }

  async started(): Promise<void> {
    const [on, ...policies] = this.#policies;
    if (on === undefined) return;
    const input = { depth: this.#depth + 1, policies };
    this.child = await this.spawn(Level, input, { name: `level ${this.#depth + 1}`, supervision: { on } });
  }

  bump(): number {
    return ++this.kept;
  }

  fail(): void {
    throw new Error(`level ${this.#depth}`);
  }

  async hang(): Promise<void> {
    await new Promise(() => {});
  }
}

test("escalate goes up level by level until one judges, whose children end and begin anew", async () => {
  const at = stage();
  const input = { depth: 0, policies: ["restart", "escalate", "escalate"] satisfies Directive[] };
  const root = await at.system.spawn(Level, input);
  const levels = await Promise.all([1, 2, 3].map((depth) => at.system.find(Level, `level ${depth}`)));
  const ends = levels.map((level) => at.system.watch(level!));
  for (const level of [root, ...levels]) assert.equal(await level!.ask("bump"), 1);
  const hangs = levels.slice(0, 2).map((level) => level!.ask("hang"));
  const fails = levels[2]!.ask("fail");
  assert.deepEqual(await settledOf([...hangs, fails]), ["Ended unknown", "Ended unknown", "HandlerError done"]);
  assert.deepEqual(await settledOf(ends), [
    undefined,
    ...[2, 3].map((depth) => settledEnd(levels[depth - 1]!.id)),
  ]);
  assert.equal(await root.ask("bump"), 2, "the root was not asked to judge");
  for (const depth of [1, 2, 3]) {
    const anew = await at.system.find(Level, `level ${depth}`);
    assert.equal(await anew!.ask("bump"), 1, `level ${depth}`);
  }
  assert.equal(at.system.statistics().actors, 4);
  await leave(at);

  function settledEnd(id: string): string {
    const { reason, error } = at.records.flatMap((record) =>
      record.type === "ActorEnded" && record.actor.id === id ? [record] : []
    )[0]!;
    assert.equal(reason, "escalated");
    return `value ${JSON.stringify({ id, reason, error })}`;
  }
});

test("escalate beyond the root ends the system: ended rejects, every pending call settles", async () => {
  const at = stage({ supervision: { on: "escalate" } });
  const input = { depth: 0, policies: ["escalate", "escalate"] satisfies Directive[] };
  const root = await at.system.spawn(Level, input);
  const neighbour = await at.system.spawn(Level, { depth: 0, policies: [] });
  const deepest = await at.system.find(Level, "level 2");
  const calls = [
    root.ask("hang"),
    root.ask("bump"),
    neighbour.ask("hang"),
    neighbour.ask("bump"),
    deepest!.ask("fail"),
    deepest!.ask("bump"),
  ];
  const settled = await settledOf(calls);
  assert.deepEqual(settled, [
    "Ended unknown",
    "Ended failed",
    "Ended unknown",
    "Ended failed",
    "HandlerError done",
    "Ended failed",
  ]);
  await assert.rejects(at.system.ended, /level 2/);
  await errorOf("ShuttingDown", () => at.system.spawn(Counter));
  assert.equal(at.system.statistics().actors, 0);
  await leave(at);
});

test("A failure beyond the window escalates where that is asked for", async () => {
  const at = stage({ supervision: { restartsMax: 2, beyond: "escalate" } });
  const counter = await at.system.spawn(Counter);
  for (let i = 0; i < 2; i++) await errorOf("HandlerError", () => counter.ask("fail", "once more"));
  await errorOf("HandlerError", () => counter.ask("fail", "too often"));
  await assert.rejects(at.system.ended, /too often/);
  assert.deepEqual(crashes(at.records).map((record) => record.directive), ["restart", "restart", "escalate"]);
  await leave(at);
});

test("A restart ends the children, timers and watches of the life before", async () => {
  const at = stage();
  const other = await at.system.spawn(Counter);
  const heard: string[] = [];
  let lives = 0;
  class Parent extends Actor<Parent> {
    readonly life = ++lives;
    async begin(other: ActorRef<Counter>): Promise<ActorRef<Counter>> {
      this.every(10, "tick", this.life);
      this.after(25, "tick", this.life);
      this.watch(other, "over");
      return await this.spawn(Counter);
    }
    tick(life: number): void {
      heard.push(`tick of ${life} in ${this.life}`);
    }
    over(): void {
      heard.push(`over in ${this.life}`);
    }
    fail(): void {
      throw new Error("wrong");
    }
  }
  const parent = await at.system.spawn(Parent);
  const child = await parent.ask("begin", other);
  await at.clock.advance(10);
  await quiet();
  await errorOf("HandlerError", () => parent.ask("fail"));
  assert.equal((await at.system.watch(child)).reason, "parent ended");
  await at.clock.advance(1_000);
  await at.system.stop(other);
  await quiet();
  assert.deepEqual(heard, ["tick of 1 in 1"]);
  await leaveNoTimer(at);
  await leave(at);
});
