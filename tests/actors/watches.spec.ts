// Whoever watches an actor learns of its end, once; and dead letters say what became of mail to it.
import { Actor, type ActorRef, type AnyActorRef, type Ended } from "../../runtime/mod.ts";
import { assert, fc, property, test } from "../suite.ts";
import { errorOf } from "../stores/world.ts";
import { held, leave, quiet, settledOf, stage } from "./stage.ts";
import { Counter } from "./counter.ts";

// Watching

test("watch tells of an end before and after it, every watcher, with the reason and the error", async () => {
  const at = stage();
  const counter = await at.system.spawn(Counter, undefined, { supervision: { on: "stop" } });
  const before = [at.system.watch(counter), at.system.watch(counter)];
  await errorOf("HandlerError", () => counter.ask("fail"));
  const all = await Promise.all([...before, at.system.watch(counter)]);
  for (const ended of all) {
    assert.equal(ended.id, counter.id);
    assert.equal(ended.reason, "crashed");
    assert.equal(ended.error?.code, "Error");
    assert.equal(ended.error?.message, "wrong");
  }
  await leave(at);
});

class Watcher extends Actor<Watcher> {
  readonly heard: Ended[] = [];
  follow(actor: AnyActorRef): void {
    this.watch(actor, "over");
  }
  over(ended: Ended): void {
    this.heard.push({ ...ended });
    // A message belongs to its receiver: what it does with it nobody else sees.
    (ended as { id: string }).id = "changed";
  }
  list(): Ended[] {
    return this.heard;
  }
  fail(): void {
    throw new Error("wrong");
  }
}

test("watch by actors: each is told once per watch, itself only, also of the dead, and not after its restart", async () => {
  const at = stage();
  const watchers = await Promise.all([1, 2].map(() => at.system.spawn(Watcher)));
  const forgetful = await at.system.spawn(Watcher);
  const counter = await at.system.spawn(Counter);
  for (const watcher of [...watchers, forgetful]) await watcher.ask("follow", counter);
  await errorOf("HandlerError", () => forgetful.ask("fail"));
  const { id } = await at.system.stop(counter, {});
  for (const watcher of watchers) {
    await quiet();
    assert.deepEqual(await watcher.ask("list"), [{ id, reason: "stopped" }]);
    await watcher.ask("follow", counter);
    await quiet();
    assert.deepEqual(await watcher.ask("list"), [{ id, reason: "stopped" }, { id, reason: "stopped" }]);
  }
  assert.deepEqual(await forgetful.ask("list"), []);
  const dead = await at.system.spawn(Watcher);
  const another = await at.system.spawn(Counter);
  await dead.ask("follow", another);
  await at.system.stop(dead, {});
  await at.system.stop(another, {});
  await quiet();
  assert.equal(at.system.deadLetters().length, 0, "the runtime's own mail to the dead is nobody's loss");
  await leave(at);
});

test("watch of a child, of oneself, and of what is no actor", async () => {
  const at = stage();
  class Mother extends Actor<Mother> {
    readonly heard: string[] = [];
    async bear(): Promise<ActorRef<Counter>> {
      const child = await this.spawn(Counter, undefined, { supervision: { on: "stop" } });
      this.watch(child, "over");
      this.watch(this.self, "over");
      return child;
    }
    over(ended: Ended): void {
      this.heard.push(ended.reason);
    }
    list(): string[] {
      return this.heard;
    }
    watchNothing(): void {
      this.watch({ ref: "actor", id: "main/1" }, "over");
    }
    watchByNothing(): void {
      this.watch(this.self, "none" as "over");
    }
  }
  const mother = await at.system.spawn(Mother, undefined, { supervision: { on: "resume" } });
  const child = await mother.ask("bear");
  await errorOf("HandlerError", () => child.ask("fail"));
  await quiet();
  assert.deepEqual(await mother.ask("list"), ["crashed"]);
  for (const method of ["watchNothing", "watchByNothing"] as const) {
    const error = await errorOf("HandlerError", () => mother.ask(method));
    assert.equal((error.cause as { code?: string }).code, "BadInput");
  }
  for (const nothing of [undefined, null, {}, "main/1", { ref: "actor", id: "main/1" }] as AnyActorRef[]) {
    // Both reject: a caller that catches what a promise says is not surprised by a throw.
    const [watched, stopped] = held(at.system.watch(nothing), at.system.stop(nothing, {}));
    await errorOf("BadInput", () => watched);
    await errorOf("BadInput", () => stopped);
  }
  await leave(at);
});

// Dead letters

test("Dead letters: the last ones are kept, all are counted, each says what and why", async () => {
  const many = fc.integer({ min: 0, max: 30 });
  await property([many, fc.integer({ min: 0, max: 8 })], async (sent, deadLettersMax) => {
    const at = stage({ limits: { deadLettersMax } });
    const counter = await at.system.spawn(Counter);
    await at.system.stop(counter, {});
    for (let i = 0; i < sent; i++) void counter.tell(i % 2 === 0 ? "add" : "addSlowly", i);
    const letters = at.system.deadLetters();
    assert.equal(at.system.statistics().deadLetters, sent);
    assert.equal(letters.length, Math.min(sent, deadLettersMax));
    letters.forEach((letter, index) => {
      const number = sent - letters.length + index;
      assert.equal(letter.method, number % 2 === 0 ? "add" : "addSlowly");
      assert.equal(letter.to, counter.id);
      assert.match(letter.reason, /has ended/);
    });
    await leave(at);
  }, { runs: 50 });
});

test("Dead letters are of tells only: a caller learns of its call by itself", async () => {
  const at = stage();
  const counter = await at.system.spawn(Counter);
  await at.system.stop(counter, {});
  await errorOf("Ended", () => counter.ask("add", 1));
  assert.equal(at.system.deadLetters().length, 0);
  const told = counter.tell("add", 1);
  await errorOf("Ended", () => told);
  assert.equal(at.system.deadLetters().length, 1);
  await leave(at);
});

test("Watches and asks among actors that come and go: everybody learns of every end, in any order", async () => {
  const steps = fc.array(
    fc.record({
      who: fc.nat(4),
      whom: fc.nat(4),
      what: fc.constantFrom("watch", "stop", "now", "fail", "ask", "pause"),
    }),
    { maxLength: 40 },
  );
  await property([steps], async (some) => {
    const at = stage({ supervision: { restartsMax: 2 } });
    const watchers = await Promise.all([0, 1, 2, 3, 4].map(() => at.system.spawn(Watcher)));
    const ends = watchers.map((watcher) => at.system.watch(watcher));
    const calls: Promise<unknown>[] = [];
    for (const { who, whom, what } of some) {
      const [one, other] = [watchers[who]!, watchers[whom]!];
      if (what === "watch") calls.push(...held(one.ask("follow", other)));
      else if (what === "fail") calls.push(...held(one.ask("fail")));
      else if (what === "ask") calls.push(...held(one.ask("list")));
      else if (what === "pause") await quiet();
      else calls.push(...held(at.system.stop(one, { now: what === "now" })));
    }
    await at.system.close();
    for (const how of await settledOf([...calls, ...ends])) assert.notEqual(how, undefined);
    await leave(at);
  }, { runs: 100 });
});
