// Systems side by side, how they end, and what they record.
import { join } from "node:path";
import { Actor, type ActorRef, isShoalError, launch, type RunRecord } from "../../runtime/mod.ts";
import { run, shown } from "../command.ts";
import { commandFor } from "../runner.ts";
import { assert, fc, property, root, runtime, test } from "../suite.ts";
import { errorOf } from "../stores/world.ts";
import { held, leave, quiet, settledOf, stage } from "./stage.ts";
import { Counter } from "./counter.ts";

// Side by side

test("Two systems know nothing of each other: names, numbers, tensors, ends", async () => {
  const [one, two] = await Promise.all([launch({ storeThresholdBytes: 0 }), launch({ storeThresholdBytes: 0 })]);
  assert.notEqual(one.run, two.run);
  const [a, b] = await Promise.all([one, two].map((system) => system.spawn(Counter, undefined, { name: "counter" })));
  assert.equal(await a!.ask("add", 1), 1);
  assert.equal(await b!.ask("add", 10), 10);
  assert.equal(await (await two.find(Counter, "counter"))!.ask("add", 1), 11);
  const ref = await one.store.put({ data: Float64Array.of(1) });
  await assert.rejects(two.store.get(ref), (error) => isShoalError(error) && error.outcome === "failed");
  await one.close();
  assert.equal(await b!.ask("add", 1), 12);
  assert.equal(one.statistics().actors, 0);
  assert.equal(two.statistics().actors, 1);
  await two.close();
});

test("A reference to an actor of another system never reaches an actor of this one", async () => {
  for (const strict of [false, true]) {
    const one = stage({ strict, run: "run-1" });
    const two = stage({ strict, run: "run-2" });
    const heard: string[] = [];
    class Local extends Actor {
      readonly #where: string;
      constructor(where: string) {
        super();
        this.#where = where;
      }
      hear(): void {
        heard.push(this.#where);
      }
      async pass(other: ActorRef<Local>): Promise<void> {
        await other.tell("hear");
      }
    }
    const foreign = await one.system.spawn(Local, "one");
    const [first, second] = [
      await two.system.spawn(Local, "first of two"),
      await two.system.spawn(Local, "second of two"),
    ];
    for (const local of [first, second]) await settledOf([local.ask("pass", foreign)]);
    await errorOf("BadInput", () => two.system.stop(foreign, {}));
    await errorOf("BadInput", () => two.system.watch(foreign));
    await settledOf([two.system.spawn(Local, foreign as unknown as string)]);
    assert.ok(!heard.some((where) => where.endsWith("of two")), `strict ${strict}: ${heard.join(", ")}`);
    assert.equal(await first.ask("hear").then(() => "alive"), "alive");
    await leave(two);
    await leave(one);
  }
});

// The end

test("close twice is once, with calls under way, on the real clock", async () => {
  const system = await launch();
  const counter = await system.spawn(Counter);
  const calls = held(counter.ask("hang"), counter.ask("add", 1));
  await quiet();
  await Promise.all([system.close({ now: true }), system.close({ now: true }), system.close()]);
  assert.deepEqual(await settledOf([...calls, system.ended]), ["Ended unknown", "Ended failed", "value undefined"]);
});

for (const how of ["close", "drain-first"]) {
  test(`A program that closes its system with calls under way ends by itself (${how})`, async () => {
    const [command, ...args] = commandFor(runtime, join(root, "tests/actors/exits.ts"));
    const said = await run(command, [...args, how]);
    assert.equal(said.code, 0, shown(said));
    assert.equal(said.stderr, "", shown(said));
    const lines = said.stdout.trim().split("\n");
    assert.equal(lines.length, 9, shown(said));
    assert.deepEqual(lines.slice(-2), ["done", "done"]);
    for (const line of lines.slice(0, 7)) assert.match(line, /^(Ended|Cancelled)$/);
  }, { timeoutMs: 20_000 });
}

// Records

test("Records tell each actor's story in order, and agree with the statistics", async () => {
  const does = fc.array(
    fc.constantFrom("spawn", "child", "bad", "bad later", "fail", "fail start", "tell dead", "stop", "stop now", "ask"),
    { maxLength: 25 },
  );
  await property([does], async (some) => {
    const at = stage({ supervision: { restartsMax: 2 } });
    let broken = false;
    class Person extends Actor {
      readonly #how: string;
      constructor(how: string) {
        super();
        this.#how = how;
        if (how === "bad" || broken) throw new Error("bad start");
      }
      async started(): Promise<void> {
        if (this.#how === "child") await this.spawn(Person, "leaf");
        await Promise.resolve();
        if (this.#how === "bad later") throw new Error("bad start");
      }
      hello(): void {}
      fail(): void {
        throw new Error("wrong");
      }
    }
    let last: ActorRef<Person> | undefined;
    for (const what of some) {
      if (what === "spawn" || what === "child") last = await at.system.spawn(Person, what);
      else if (what.startsWith("bad")) await errorOf("HandlerError", () => at.system.spawn(Person, what));
      else if (last === undefined) continue;
      else if (what === "tell dead") void held(last.tell("hello"));
      else if (what.startsWith("stop")) await at.system.stop(last, { now: what === "stop now" });
      else if (what === "ask") await settledOf([last.ask("hello")]);
      else {
        broken = what === "fail start";
        await settledOf([last.ask("fail")]);
        broken = false;
      }
    }
    await at.system.close();
    const stories = new Map<string, RunRecord[]>();
    let when = 0;
    for (const record of at.records) {
      assert.equal(record.node, "main");
      assert.ok(record.at >= when, "time goes back");
      when = record.at;
      const who = record.type === "MessageDied" ? record.to : "actor" in record ? record.actor : undefined;
      if (who === undefined) continue;
      assert.equal(who.class, "Person");
      if (record.type === "ActorSpawned" && record.parent !== undefined) {
        assert.ok(stories.has(record.parent), `${record.parent} has a child before it is`);
      }
      stories.set(who.id, [...stories.get(who.id) ?? [], record]);
    }
    for (const [id, story] of stories) {
      const told = story.map(({ type }) => type).join(" ");
      assert.match(
        told,
        /^ActorSpawned( ActorCrashed( ActorRestarted)?)*( MessageDied)* ActorEnded( MessageDied)*$/,
        `the story of ${id}`,
      );
      const incarnations = story.flatMap((record) => record.type === "ActorRestarted" ? [record.incarnation] : []);
      assert.deepEqual(incarnations, incarnations.map((_, index) => index + 2));
    }
    const count = (type: RunRecord["type"]): number => at.records.filter((record) => record.type === type).length;
    const { spawned, crashes, restarts, deadLetters } = at.system.statistics();
    assert.deepEqual({ spawned, crashes, restarts, deadLetters }, {
      spawned: count("ActorSpawned"),
      crashes: count("ActorCrashed"),
      restarts: count("ActorRestarted"),
      deadLetters: count("MessageDied"),
    });
    assert.equal(count("ActorEnded"), count("ActorSpawned"));
    await leave(at);
  }, { runs: 60 });
});

test("Log lines are records with who said them, and during what", async () => {
  const at = stage();
  class Talker extends Actor {
    constructor() {
      super();
      this.log.debug("constructed");
    }
    async talk(): Promise<void> {
      this.log.info("first", { n: 1 });
      await quiet();
      this.log.warn("second");
    }
    tell(): void {
      this.log.error("told");
    }
  }
  const talker = await at.system.spawn(Talker, undefined, { name: "talker" });
  await talker.ask("talk");
  await talker.tell("tell");
  await quiet();
  const lines = at.records.flatMap((record) =>
    record.type === "MessageLogged"
      ? [[record.level, record.text, record.during, record.fields, record.actor?.name]]
      : []
  );
  assert.deepEqual(lines, [
    ["debug", "constructed", undefined, undefined, "talker"],
    ["info", "first", "talk", { n: 1 }, "talker"],
    ["warn", "second", "talk", undefined, "talker"],
    ["error", "told", "tell", undefined, "talker"],
  ]);
  await leave(at);
});
