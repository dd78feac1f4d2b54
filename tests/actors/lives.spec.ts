// What an old life of a restarted actor may still do: nothing that the new one would notice.
import { Actor, type ActorRef, isShoalError } from "../../runtime/mod.ts";
import { assert, test } from "../suite.ts";
import { gate, held, leave, quiet, settledOf, stage } from "./stage.ts";
import { Counter } from "./failing.ts";

/** A child whose failure goes up while its parent's handler is under way. */
class Igniter extends Actor {
  burn(): void {
    throw new Error("fire");
  }
}

test("A handler of an old life is fenced: its tells, asks, timers, children and reads are refused", async () => {
  const at = stage({ supervision: { on: (error) => String(error).includes("fire") ? "restart" : "resume" } });
  const hold = gate();
  const other = await at.system.spawn(Counter);
  const tensor = await at.system.store.put({ data: new Float64Array(4_000) });
  const late: Record<string, unknown> = {};
  let lives = 0;
  class Old extends Actor<Old> {
    readonly life = ++lives;
    async work(other: ActorRef<Counter>): Promise<number> {
      const igniter = await this.spawn(Igniter, undefined, { supervision: { on: "escalate" } });
      void other.tell("add", this.life);
      void igniter.tell("burn");
      await hold.passed;
      const tries: Record<string, () => unknown> = {
        tell: () => other.tell("add", 100),
        ask: () => other.ask("add", 101),
        selfTell: () => this.self.tell("hello"),
        after: () => this.after(0, "hello"),
        every: () => this.every(1, "hello"),
        spawn: () => this.spawn(Counter),
        pool: () => this.pool(Counter, { size: 1 }),
        find: () => this.find(Counter, "none"),
        watch: () => this.watch(other, "hello"),
        get: () => this.store.get(tensor),
        put: () => this.store.put({ data: new Float64Array(1) }),
        release: () => this.store.release(tensor),
      };
      for (const [name, attempt] of Object.entries(tries)) {
        try {
          await attempt();
          late[name] = "done";
        } catch (error) {
          late[name] = isShoalError(error) ? `${error.code} ${error.outcome}` : error;
        }
      }
      late["signal"] = this.signal.aborted;
      return 7;
    }
    hello(): number {
      return this.life;
    }
  }
  const old = await at.system.spawn(Old);
  const call = old.ask("work", other);
  assert.deepEqual(await settledOf([call]), ["Ended unknown"]);
  assert.equal(await old.ask("hello"), 2);
  hold.open();
  await quiet();
  const { signal, ...refused } = late;
  assert.equal(signal, true);
  for (const [name, how] of Object.entries(refused)) assert.equal(how, "Fenced failed", name);
  assert.equal(Object.keys(refused).length, 12);
  assert.deepEqual(await other.ask("list"), [1]);
  const letters = at.system.deadLetters().filter(({ to }) => to === other.id);
  assert.equal(letters.length, 1, "a fenced tell is a dead letter");
  assert.equal(at.system.statistics().actors, 2);
  (await at.system.store.get(tensor)).done();
  await leave(at);
});

test("A handler of an old life that throws or returns late changes nothing any more", async () => {
  for (const end of ["throws", "returns"]) {
    const at = stage();
    const hold = gate();
    let lives = 0;
    class Old extends Actor {
      readonly life = ++lives;
      async work(): Promise<number> {
        void (await this.spawn(Igniter, undefined, { supervision: { on: "escalate" } })).tell("burn");
        await hold.passed;
        if (end === "throws") throw new Error("too late");
        return 1;
      }
      async slow(): Promise<number> {
        await quiet();
        return this.life;
      }
      hello(): number {
        return this.life;
      }
    }
    const old = await at.system.spawn(Old);
    const calls = held(old.ask("work"), old.ask("slow"), old.ask("hello"));
    await quiet();
    hold.open();
    // The new life's handler is under way when the old one ends; it is not interrupted, and nothing overlaps it.
    await quiet();
    assert.deepEqual(await settledOf(calls), ["Ended unknown", "value 2", "value 2"]);
    assert.equal(lives, 2);
    assert.equal(at.system.statistics().crashes, 2, "the child's and the parent's");
    await leave(at);
  }
});

test("A handler of an old life draws random numbers that differ", async () => {
  const at = stage();
  const hold = gate();
  const drawn: number[] = [];
  class Old extends Actor {
    async work(): Promise<void> {
      void (await this.spawn(Igniter, undefined, { supervision: { on: "escalate" } })).tell("burn");
      await hold.passed;
      // Whoever draws until a number fits would never come to an end with one that stays the same.
      for (let i = 0; i < 8; i++) drawn.push(this.random.next());
    }
  }
  const old = await at.system.spawn(Old);
  const call = old.ask("work");
  assert.deepEqual(await settledOf([call]), ["Ended unknown"]);
  hold.open();
  await quiet();
  assert.equal(drawn.length, 8);
  assert.equal(new Set(drawn).size, 8);
  await leave(at);
});

test("A pool or child that an old life was about to start does not live on in the new one", async () => {
  for (const what of ["pool", "spawn"]) {
    for (const end of ["restart", "stop"]) {
      const at = stage();
      const hold = gate();
      class Slow extends Actor {
        async started(): Promise<void> {
          await hold.passed;
        }
      }
      class Old extends Actor {
        async work(): Promise<void> {
          const igniter = await this.spawn(Igniter, undefined, { supervision: { on: "escalate" } });
          if (end === "restart") void igniter.tell("burn");
          if (what === "pool") await this.pool(Slow, { size: 3 });
          else await this.spawn(Slow);
        }
      }
      const old = await at.system.spawn(Old);
      const [call] = held(old.ask("work"));
      await quiet();
      if (end === "stop") await at.system.stop(old, { now: true });
      assert.deepEqual(await settledOf([call]), ["Ended unknown"]);
      hold.open();
      await quiet();
      assert.equal(at.system.statistics().actors, end === "stop" ? 0 : 1, `${what} ${end}`);
      await leave(at);
    }
  }
});
