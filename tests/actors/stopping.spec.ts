// What stopping may do, and what an actor that has ended may still do: nothing that anybody hears.
import { Actor, type ActorRef, type AnyActorRef, isShoalError } from "../../runtime/mod.ts";
import { assert, test } from "../suite.ts";
import { errorOf } from "../stores/world.ts";
import { gate, held, leave, leaveNoTimer, quiet, settledOf, stage } from "./stage.ts";
import { Counter, Other, timeoutMs } from "./counter.ts";

test("stopping that throws or hangs ends all the same, is recorded, and is waited for so long only", async () => {
  for (const how of ["throws", "throws late", "hangs"]) {
    const at = stage({ limits: { stopTimeoutMs: 100 } });
    class Bad extends Actor {
      stopping(): void | Promise<void> {
        if (how === "throws") throw new Error("bad end");
        return this.#late();
      }
      async #late(): Promise<void> {
        await quiet();
        if (how === "hangs") await new Promise(() => {});
        throw new Error("bad end");
      }
    }
    const bad = await at.system.spawn(Bad, undefined, { name: "bad" });
    const [ended] = held(at.system.stop(bad, {}));
    if (how === "hangs") {
      await at.clock.advance(99);
      assert.deepEqual(await settledOf([ended]), [undefined]);
      await errorOf("Conflict", () => at.system.spawn(Bad, undefined, { name: "bad" }));
      await at.clock.advance(1);
    }
    assert.equal((await ended).reason, "stopped");
    const crash = at.records.find((record) => record.type === "ActorCrashed");
    assert.equal(crash?.type === "ActorCrashed" && crash.during, "stopping");
    await at.system.spawn(Other, undefined, { name: "bad" });
    await leaveNoTimer(at);
    await leave(at);
  }
});

test("stopping may tell and ask others, spawn, and is not heard by itself any more", async () => {
  const at = stage();
  const heard: unknown[] = [];
  const counter = await at.system.spawn(Counter);
  class Last extends Actor<Last> {
    readonly #counter: ActorRef<Counter>;
    constructor(counter: ActorRef<Counter>) {
      super();
      this.#counter = counter;
    }
    async stopping(): Promise<void> {
      void this.#counter.tell("add", 10);
      heard.push(await this.#counter.ask("add", 1));
      heard.push(await (await this.spawn(Other)).ask("hello"));
      heard.push(await this.self.ask("hello").catch((error: unknown) => isShoalError(error) && error.code));
    }
    hello(): string {
      return "too late";
    }
  }
  const last = await at.system.spawn(Last, counter);
  await at.system.stop(last, {});
  assert.deepEqual(heard, [11, "hello", "Ended"]);
  assert.equal(at.system.statistics().actors, 1);
  await leave(at);
});

test("stopping does not run for one that crashed, nor twice", async () => {
  const at = stage();
  let times = 0;
  class Farewell extends Actor {
    async stopping(): Promise<void> {
      times++;
      await quiet();
    }
    fail(): void {
      throw new Error("wrong");
    }
  }
  const crashing = await at.system.spawn(Farewell, undefined, { supervision: { on: "stop" } });
  await errorOf("HandlerError", () => crashing.ask("fail"));
  await at.system.watch(crashing);
  assert.equal(times, 0);
  const actor = await at.system.spawn(Farewell);
  await Promise.all([at.system.stop(actor, {}), at.system.stop(actor, { now: true }), at.system.close({})]);
  assert.equal(times, 1);
  await leave(at);
});

test("An actor that has ended is fenced: what it still does reaches nobody", async () => {
  const at = stage();
  const hold = gate();
  const tensor = await at.system.store.put({ data: new Float64Array(4_000) });
  const counter = await at.system.spawn(Counter);
  const codes: unknown[] = [];
  class Zombie extends Actor<Zombie> {
    async work(counter: ActorRef<Counter>): Promise<void> {
      await hold.passed;
      const tries: (() => unknown)[] = [
        () => counter.tell("add", 1),
        () => counter.ask("add", 1),
        () => this.spawn(Other),
        () => this.pool(Other, { size: 2 }),
        () => this.after(1, "hello"),
        () => this.watch(counter, "hello"),
        () => this.find(Other, "none"),
        () => this.store.get(tensor),
        () => this.store.release(tensor),
        () => this.stop(counter),
      ];
      for (const attempt of tries) {
        try {
          await attempt();
          codes.push("done");
        } catch (error) {
          codes.push(isShoalError(error) ? error.code : error);
        }
      }
    }
    hello(): void {}
  }
  const zombie = await at.system.spawn(Zombie);
  const [call] = held(zombie.ask("work", counter));
  await quiet();
  await at.system.stop(zombie, { now: true });
  assert.deepEqual(await settledOf([call]), ["Ended unknown"]);
  hold.open();
  await quiet();
  assert.deepEqual(codes, Array(10).fill("Fenced"));
  assert.equal(await counter.ask("add", 1), 1);
  await leave(at);
});

test("stop of oneself while one is constructed or starts ends there: no start, no message, no spawn", async () => {
  for (const where of ["constructor", "started at once", "started later"]) {
    for (const now of [true, false]) {
      const at = stage();
      const seen: string[] = [];
      class Quitter extends Actor<Quitter> {
        constructor() {
          super();
          seen.push("constructor");
          if (where === "constructor") void this.stop(this.self, { now });
        }
        started(): void | Promise<void> {
          seen.push("started");
          if (where === "started at once") void this.stop(this.self, { now });
          if (where === "started later") return this.#later();
        }
        async #later(): Promise<void> {
          await quiet();
          void this.stop(this.self, { now });
          await quiet();
        }
        stopping(): void {
          seen.push("stopping");
        }
      }
      const spawned = held(at.system.spawn(Quitter, undefined, { name: "quitter" }));
      for (let turns = 0; turns < 5; turns++) await quiet();
      const [how] = await settledOf(spawned);
      // Either it never was, or it was and has ended; it is not left behind.
      assert.match(how ?? "hangs", now ? /^Ended/ : /^(Ended|value)/, `${where} ${now}`);
      assert.equal(at.system.statistics().actors, 0, `${where} ${now}`);
      if (where === "constructor" && now) assert.deepEqual(seen, ["constructor"]);
      assert.equal(await at.system.find(Quitter, "quitter"), undefined);
      await leave(at);
    }
  }
}, { timeoutMs });

test("stop and close refuse options that mean nothing", async () => {
  const at = stage();
  const counter = await at.system.spawn(Counter);
  const pool = await at.system.pool(Counter, { size: 1 });
  for (const wrong of [{ timeoutMs: Number.NaN }, { timeoutMs: -1 }, { timeoutMs: "5" }, { nwo: true }] as object[]) {
    for (const end of [() => at.system.stop(counter, wrong), () => pool.stop(wrong), () => at.system.close(wrong)]) {
      const error = await errorOf("BadInput", end);
      assert.match(error.message, /timeoutMs|nwo/);
    }
  }
  assert.equal(await counter.ask("add", 1), 1, "nothing has ended");
  assert.equal(await pool.ask("add", 1), 1);
  await leave(at);
}, { timeoutMs });

test("A thousand actors that end each other in circles all end", async () => {
  const at = stage();
  class Killer extends Actor<Killer> {
    victim: AnyActorRef | undefined;
    aim(victim: ActorRef<Killer>): void {
      this.victim = victim;
      this.watch(victim, "gone");
    }
    async fire(): Promise<void> {
      await this.stop(this.victim!);
    }
    async gone(): Promise<void> {
      await this.stop(this.self);
    }
  }
  const all = await Promise.all(Array.from({ length: 1_000 }, () => at.system.spawn(Killer)));
  for (const [index, killer] of all.entries()) await killer.ask("aim", all[(index + 1) % all.length]!);
  const watched = all.map((killer) => at.system.watch(killer));
  const [call] = held(all[0]!.ask("fire"));
  await Promise.all(watched);
  assert.match((await settledOf([call]))[0] ?? "hangs", /^(value|Ended)/);
  assert.equal(at.system.statistics().actors, 0);
  await leave(at);
}, { timeoutMs });
