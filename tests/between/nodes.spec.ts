// Actors of two nodes: what holds within one holds between them.

import { Actor } from "../../runtime/mod.ts";
import type { ActorRef } from "../../runtime/mod.ts";
import { assert, test } from "../suite.ts";
import { world } from "./world.ts";

class Counter extends Actor {
  n = 0;
  add(by: number): number {
    return this.n += by;
  }
  fail(text: string): void {
    throw new TypeError(text);
  }
  echo(value: unknown): unknown {
    return value;
  }
  *count(to: number): Generator<number> {
    for (let i = 1; i <= to; i++) yield i;
  }
  async through(step: { via: ActorRef<Counter>; value: number }): Promise<number> {
    return await step.via.ask("add", step.value);
  }
}

test("nodes: an actor that was spawned on another node is asked and told as one's own", async () => {
  const { open, close } = await world(Counter);
  const a = await open("a");
  await open("b");
  const far = await a.system.spawn(Counter, undefined, { node: "b" });
  assert.ok(far.id.startsWith("b/"));
  assert.equal(await far.ask("add", 2), 2);
  for (let i = 0; i < 1000; i++) void far.tell("add", 1);
  assert.equal(await far.ask("add", 0), 1002);
  const odd = [Number.NaN, -0, 12n, new Float32Array([1, 2]), { deep: [true, "é"] }];
  assert.deepEqual(await far.ask("echo", odd), odd);
  await assert.rejects(far.ask("fail", "no"), (error) => {
    const { code, outcome, cause } = error as { code: string; outcome: string; cause: Error };
    return code === "HandlerError" && outcome === "done" && cause.name === "TypeError" && cause.message === "no";
  });
  const values = [];
  for await (const value of far.stream("count", 100)) values.push(value);
  assert.equal(values.length, 100);
  const near = await a.system.spawn(Counter);
  assert.equal(await far.ask("through", { via: near, value: 5 }), 5);
  assert.deepEqual(await a.system.stop(far), { id: far.id, reason: "stopped" });
  await assert.rejects(far.ask("add", 1), (error) => (error as { code: string }).code === "Ended");
  await close();
});

class Account extends Actor {
  static readonly durable = "nothing";
  balance = 0;
  deposit(amount: number): number {
    return this.balance += amount;
  }
  async pay(order: { to: ActorRef<Account>; amount: number }): Promise<number> {
    if (order.amount > this.balance) throw new Error("too little");
    this.balance -= order.amount;
    await order.to.ask("deposit", order.amount);
    return this.balance;
  }
  send(order: { to: ActorRef<Account>; amount: number }): void {
    this.balance -= order.amount;
    void order.to.tell("deposit", order.amount);
  }
}

test("durable: what was acknowledged is there in the node's next process", async () => {
  const { open, close } = await world(Account);
  const a = await open("a");
  const first = await open("b");
  const anna = await first.system.spawn(Account, undefined, { name: "anna" });
  assert.equal(anna.id, "b/@anna");
  assert.equal(await anna.ask("deposit", 100), 100);
  const ben = await a.system.spawn(Account, undefined, { name: "ben" });
  const found = await a.system.find(Account, "anna");
  assert.ok(found !== undefined);
  assert.equal(await found.ask("pay", { to: ben, amount: 30 }), 70);
  await assert.rejects(
    found.ask("pay", { to: ben, amount: 300 }),
    (error) => (error as { code: string }).code === "HandlerError",
  );
  await found.tell("send", { to: ben, amount: 20 });
  assert.equal(await found.ask("deposit", 0), 50);
  const second = await open("b");
  assert.equal(second.epoch, 2);
  // One that has been replaced learns of it when it wants to commit something, at the latest.
  const late = await anna.ask("deposit", 1000).catch((error: unknown) => error);
  assert.equal((late as { code?: string }).code, "Fenced");
  assert.equal((await first.ended as { code?: string } | undefined)?.code, "Fenced");
  assert.equal(await found.ask("deposit", 0), 50);
  assert.equal(await ben.ask("deposit", 0), 50);
  const again = await second.system.spawn(Account, undefined, { name: "anna" });
  assert.equal(await again.ask("deposit", 1), 51);
  await close();
});
