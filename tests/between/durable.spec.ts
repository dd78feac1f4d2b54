// Durable actors: each step is one commit, whatever ends in the middle of it.

import { Actor } from "../../runtime/mod.ts";
import type { ActorRef, TensorRef } from "../../runtime/mod.ts";
import { isShoalError } from "../../stores/error.ts";
import { assert, test } from "../suite.ts";
import { world } from "./world.ts";

let runs = 0;

class Keeper extends Actor<Keeper> {
  static readonly durable = "nothing";
  items: number[] = [];
  ticks = 0;
  pinned: TensorRef | null = null;
  put(n: number): number {
    this.items.push(n);
    return this.items.length;
  }
  list(): readonly number[] {
    return this.items;
  }
  spoil(n: number): void {
    this.items.push(n);
    throw new Error("spoilt");
  }
  async forward(step: { to: ActorRef<Keeper>; n: number }): Promise<number> {
    runs++;
    void step.to.tell("put", step.n);
    const length = await step.to.ask("put", -step.n);
    this.items.push(length);
    return length;
  }
  start(ms: number): void {
    this.after(ms, "tick", 1);
    this.every(ms, "tick", 10);
  }
  tick(by: number): void {
    this.ticks += by;
  }
  ticked(): number {
    return this.ticks;
  }
  keep(ref: TensorRef): void {
    this.pinned = ref;
  }
  async sum(): Promise<number> {
    const { data } = await this.store.get(this.pinned as TensorRef<"float64">);
    return data.reduce((a, b) => a + b, 0);
  }
}

class Strange extends Actor {
  static readonly durable = "nothing";
  map = new Map<string, number>();
}

test("durable: a step that throws is given up whole, and the actor goes on with what it had", async () => {
  const { open, close } = await world(Keeper);
  const a = await open("a");
  const keeper = await a.system.spawn(Keeper, undefined, { name: "k" });
  assert.equal(await keeper.ask("put", 1), 1);
  const thrown = await keeper.ask("spoil", 2).catch((error: unknown) => error);
  assert.ok(isShoalError(thrown, "HandlerError") && thrown.outcome === "done");
  assert.deepEqual(await keeper.ask("list"), [1]);
  const resumed = await a.system.spawn(Keeper, undefined, { name: "r", supervision: { on: "resume" } });
  await resumed.ask("spoil", 3).catch(() => {});
  assert.deepEqual(await resumed.ask("list"), [3]);
  await close();
});

test("durable: a crash in the middle of a handler runs it again, and its effects count once", async () => {
  runs = 0;
  const { open, close } = await world(Keeper);
  const a = await open("a");
  const from = await a.system.spawn(Keeper, undefined, { name: "from" });
  const to = await a.system.spawn(Keeper, undefined, { name: "to" });
  const call = from.ask("forward", { to, n: 5 });
  while (runs === 0) await Promise.resolve();
  a.crash("a/@from", new Error("power"));
  assert.equal(await call, 1);
  assert.equal(runs, 2);
  assert.deepEqual(await to.ask("list"), [-5, 5]);
  assert.deepEqual(await from.ask("list"), [1]);
  await close();
});

test("durable: timers, states and the tensors that these refer to are there in the next process", async () => {
  const { open, close, store } = await world(Keeper);
  const first = await open("b");
  const a = await open("a");
  const keeper = await first.system.spawn(Keeper, undefined, { name: "k" });
  await keeper.ask("start", 20);
  const ref = await store.tensors.put({ data: new Float64Array([1, 2, 3.5]) }, { lifetime: { until: "release" } });
  await keeper.ask("keep", ref);
  const far = await a.system.find(Keeper, "k");
  assert.ok(far !== undefined);
  const second = await open("b");
  const before = await far.ask("ticked");
  for (let n = before; n < before + 21; n = await far.ask("ticked")) await new Promise(setImmediate);
  assert.equal(second.epoch, 2);
  const again = await second.system.spawn(Keeper, undefined, { name: "k" });
  assert.equal(again.id, keeper.id);
  assert.equal(await again.ask("sum"), 6.5);
  assert.equal((await again.ask("ticked")) % 10, 1, "the timer that fires once has fired once");
  await close();
});

test("durable: what cannot be kept is refused, with the path and the cure", async () => {
  const { open, close } = await world(Strange, Keeper);
  const a = await open("a");
  const thrown = await a.system.spawn(Strange, undefined, { name: "s" }).catch((error: unknown) => error);
  assert.ok(isShoalError(thrown), String(thrown));
  assert.match(thrown.message, /map/);
  assert.match(thrown.message, /snapshot/);
  const unnamed = await a.system.spawn(Keeper).catch((error: unknown) => error);
  assert.ok(isShoalError(unnamed, "BadInput") && /name/.test(unnamed.message));
  await close();
});

test("durable: the journal is trimmed, and a long history begins at its last snapshot", async () => {
  const { open, close, store } = await world(Keeper);
  const options = { delivery: { replayMessagesMax: 16 } };
  const first = await open("b", options);
  const keeper = await first.system.spawn(Keeper, undefined, { name: "k" });
  for (let n = 0; n < 200; n++) await keeper.ask("put", n);
  const entries = await store.logs.read("journal/b", undefined, { entriesMax: 1000, waitMs: 0 }).catch((
    error: unknown,
  ) => error);
  assert.ok(isShoalError(entries, "Lost") || (entries as unknown[]).length < 100, "nothing was trimmed");
  const second = await open("b", options);
  const again = await second.system.spawn(Keeper, undefined, { name: "k" });
  assert.deepEqual(await again.ask("list"), Array.from({ length: 200 }, (_, n) => n));
  await close();
});

let isBroken = false;

class Moody extends Actor<Moody> {
  static readonly durable = "nothing";
  n = 0;
  ticks = 0;
  started(): void {
    if (isBroken) throw new Error("the licence server is down");
  }
  add(): number {
    return ++this.n;
  }
  begin(): void {
    this.every(5, "tick");
  }
  tick(): void {
    this.ticks++;
    if (isBroken) throw new Error("a tick in vain");
  }
  ticked(): number {
    return this.ticks;
  }
}

test("durable: one that cannot begin ends here, with a word, and is there again in a process where it can", async () => {
  isBroken = false;
  const said: string[] = [];
  const { open, close } = await world(Moody);
  const first = await open("b");
  const moody = await first.system.spawn(Moody, undefined, { name: "m" });
  await moody.ask("add");
  isBroken = true;
  const second = await open("b", {
    record: (record) => void (record.type === "MessageLogged" && said.push(record.text)),
  });
  while (!said.some((text) => text.includes("licence server"))) await new Promise(setImmediate);
  const again = await second.system.spawn(Moody, undefined, { name: "m" }).catch((error: unknown) => error);
  assert.ok(isShoalError(again, "Ended"), String(again));
  isBroken = false;
  const third = await open("b");
  const back = await third.system.spawn(Moody, undefined, { name: "m" });
  assert.equal(await back.ask("add"), 2);
  await close();
});

test("durable: a timer that repeats goes on after a tick that throws; what the tick did is given up", async () => {
  isBroken = false;
  const { open, close } = await world(Moody);
  const a = await open("a");
  const moody = await a.system.spawn(Moody, undefined, {
    name: "m",
    supervision: { restartsMax: Number.POSITIVE_INFINITY },
  });
  await moody.ask("begin");
  while (await moody.ask("ticked") < 1) await new Promise(setImmediate);
  isBroken = true;
  const before = a.system.statistics().crashes;
  while (a.system.statistics().crashes < before + 2) await new Promise(setImmediate);
  isBroken = false;
  const then = await moody.ask("ticked");
  while (await moody.ask("ticked") < then + 2) await new Promise(setImmediate);
  await close();
});

test("durable: one that was stopped is ended for good, and its name says so", async () => {
  isBroken = false;
  const { open, close } = await world(Moody);
  const first = await open("b");
  const moody = await first.system.spawn(Moody, undefined, { name: "m" });
  await first.system.stop(moody);
  const again = (node: typeof first): Promise<unknown> =>
    node.system.spawn(Moody, undefined, { name: "m" }).catch((error: unknown) => error);
  const told = await again(first);
  assert.ok(isShoalError(told, "Ended"));
  assert.match(told.message, /was stopped, and that is for the whole run; take another name$/);
  const second = await open("b");
  assert.ok(isShoalError(await again(second), "Ended"));
  assert.equal(await second.system.find(Moody, "m"), undefined);
  await close();
});

class Gambler extends Actor {
  static readonly durable = "nothing";
  drawn: number[] = [];
  job: string | undefined = "first";
  draw(): readonly number[] {
    this.drawn = [this.random.next(), this.random.next(), this.now()];
    this.job = undefined;
    return this.drawn;
  }
  async bet(step: { to: ActorRef<Keeper> }): Promise<void> {
    runs++;
    await step.to.ask("put", Math.floor(this.random.next() * 1e9) + this.now());
  }
  has(): boolean {
    return this.job !== undefined;
  }
}

test("durable: dice and clock of a step are the same when it runs again; a field that was cleared stays so", async () => {
  runs = 0;
  const { open, close } = await world(Gambler, Keeper);
  const a = await open("a");
  const gambler = await a.system.spawn(Gambler, undefined, { name: "g" });
  const keeper = await a.system.spawn(Keeper, undefined, { name: "k" });
  const first = await gambler.ask("draw");
  assert.notDeepEqual(await gambler.ask("draw"), first);
  const bet = gambler.ask("bet", { to: keeper });
  while (runs === 0) await Promise.resolve();
  a.crash("a/@g", new Error("power"));
  await bet;
  assert.equal(runs, 2);
  assert.equal((await keeper.ask("list")).length, 1);
  assert.equal(await gambler.ask("has"), false);
  const second = await open("a");
  const again = await second.system.spawn(Gambler, undefined, { name: "g" });
  assert.equal(await again.ask("has"), false);
  await close();
});

test("durable: a system that drains answers what its last steps committed", async () => {
  const { open, close } = await world(Keeper);
  const a = await open("a");
  const keeper = await a.system.spawn(Keeper, undefined, { name: "k" });
  const calls = [1, 2, 3, 4, 5].map((n) => keeper.ask("put", n));
  await Promise.resolve();
  const closing = a.system.close();
  const ended = await Promise.allSettled(calls);
  await closing;
  assert.ok(ended.every(({ status }) => status === "fulfilled"), ended.map((one) => String(Object(one).reason)).join());
  await close();
});
