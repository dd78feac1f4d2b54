// How durable actors end, and how they learn of the ends of others: each once, whatever ends in between.

import { Actor, type ActorRef, type Ended, type RunRecord } from "../../runtime/mod.ts";
import { assert, test } from "../suite.ts";
import { errorOf } from "../stores/world.ts";
import { world } from "./world.ts";

class Fleeting extends Actor<Fleeting> {
  echo(value: number): number {
    return value;
  }
  last(value: number): number {
    void this.stop(this.self);
    return value;
  }
}

class Guard extends Actor<Guard> {
  static readonly durable = "nothing";
  ends: string[] = [];
  guard(whom: ActorRef<Fleeting>): void {
    this.watch(whom, "saw");
  }
  guardInVain(whom: ActorRef<Fleeting>): void {
    this.watch(whom, "saw");
    throw new Error("and nothing of it stands");
  }
  spoil(): void {
    throw new Error("spoilt");
  }
  saw({ id, reason }: Ended): void {
    this.ends.push(`${id} ${reason}`);
  }
  seen(): readonly string[] {
    return this.ends;
  }
  last(): number {
    void this.stop(this.self);
    return this.ends.length;
  }
}

async function seen(guard: ActorRef<Guard>, count: number): Promise<readonly string[]> {
  for (;;) {
    const ends = await guard.ask("seen");
    if (ends.length >= count) return ends;
    await new Promise(setImmediate);
  }
}

test("endings: a durable actor learns once of each end that it watches, in its next life, and in its next process", async () => {
  const { open, close } = await world(Guard, Fleeting);
  const [a, b] = [await open("a"), await open("b")];
  const guard = await a.system.spawn(Guard, undefined, { name: "guard" });
  const [near, far, kept, unseen] = [
    await a.system.spawn(Fleeting),
    await a.system.spawn(Fleeting, undefined, { node: "b" }),
    await a.system.spawn(Fleeting),
    await a.system.spawn(Fleeting),
  ];
  for (const whom of [near, far, kept]) await guard.ask("guard", whom);
  await errorOf("HandlerError", () => guard.ask("guardInVain", unseen));
  await errorOf("HandlerError", () => guard.ask("spoil"));
  for (const whom of [unseen, near, far]) await a.system.stop(whom);
  const expected = [`${near.id} stopped`, `${far.id} stopped`];
  assert.deepEqual([...await seen(guard, 2)].sort(), [...expected].sort());
  // The next process of its node: those that lived with the last are gone.
  const next = await open("a");
  const again = await next.system.spawn(Guard, undefined, { name: "guard" });
  assert.deepEqual((await seen(again, 3)).slice(2), [`${kept.id} lost`]);
  const last = await open("a");
  const third = await last.system.spawn(Guard, undefined, { name: "guard" });
  await third.ask("guard", await last.system.spawn(Fleeting, undefined, { node: "b" }));
  assert.equal((await third.ask("seen")).length, 3);
  await b.system.close({ now: true });
  await close();
});

test("endings: an ask whose handler stops its own actor is answered, and one that comes after it is failed", async () => {
  const { open, close } = await world(Guard);
  const [a, b] = [await open("a"), await open("b")];
  const guard = await a.system.spawn(Guard, undefined, { name: "guard" });
  const fromAfar = await b.system.find(Guard, "guard");
  assert.deepEqual(await fromAfar?.ask("seen"), []);
  assert.equal(await guard.ask("last"), 0);
  assert.equal((await errorOf("Ended", () => guard.ask("seen"))).outcome, "failed");
  assert.equal((await errorOf("Ended", () => fromAfar!.ask("seen"))).outcome, "failed");
  await close();
});

test("endings: a state of an older version is made a newer one by restore, and is refused without one", async () => {
  const first = class Ledger extends Actor {
    static readonly durable = "nothing";
    total = 0;
    add(by: number): number {
      return this.total += by;
    }
  };
  const second = class Ledger extends first {
    static readonly version: number = 2;
    entries: number[] = [];
    override add(by: number): number {
      this.entries.push(by);
      return this.entries.reduce((sum, entry) => sum + entry, 0);
    }
  };
  const third = class Ledger extends second {
    static override readonly version = 3;
    restore(state: { total?: number; entries?: number[] }, version: number): void {
      this.entries = version === 1 ? [state.total ?? 0] : state.entries ?? [];
    }
  };
  const classes = [first];
  const { open, close } = await world(...classes);
  const a = await open("a");
  assert.equal(await (await a.system.spawn(first, undefined, { name: "l" })).ask("add", 5), 5);
  const said: string[] = [];
  const options = (Class: typeof first) => ({
    classes: { nameOf: () => "ledger", classOf: () => Promise.resolve(Class) },
    record: (record: RunRecord) => void (record.type === "MessageLogged" && said.push(record.text)),
  });
  await open("a", options(second));
  while (said.length === 0) await new Promise(setImmediate);
  assert.match(said.join(), /its state is of version 1, its class of 2; write restore\(state, version\)/);
  const c = await open("a", options(third));
  assert.equal(await (await c.system.spawn(third, undefined, { name: "l" })).ask("add", 2), 7);
  const d = await open("a", options(third));
  assert.equal(await (await d.system.spawn(third, undefined, { name: "l" })).ask("add", 1), 8);
  await close();
});

test("endings: a volatile actor that stops itself answers first, here and elsewhere", async () => {
  const { open, close } = await world(Fleeting);
  const a = await open("a");
  await open("b");
  const [near, far] = [await a.system.spawn(Fleeting), await a.system.spawn(Fleeting, undefined, { node: "b" })];
  assert.deepEqual([await near.ask("last", 1), await far.ask("last", 2)], [1, 2]);
  for (const gone of [near, far]) assert.equal((await errorOf("Ended", () => gone.ask("echo", 1))).outcome, "failed");
  await close();
});

test("endings: an ask to an actor of another node that has ended never happened", async () => {
  const { open, close } = await world(Fleeting);
  const a = await open("a");
  await open("b");
  const fleeting = await a.system.spawn(Fleeting, undefined, { node: "b" });
  assert.equal(await fleeting.ask("echo", 1), 1);
  await a.system.stop(fleeting);
  for (const value of [2, 3]) {
    assert.equal((await errorOf("Ended", () => fleeting.ask("echo", value))).outcome, "failed");
  }
  await close();
});
