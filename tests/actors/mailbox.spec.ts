// A full mailbox parks whoever sends to it and nobody else, in order; a message weighs what it references.
import type { Ticket } from "../../runtime/cells/call.ts";
import type { Handler } from "../../runtime/cells/kind.ts";
import { Mailbox, Parked } from "../../runtime/mailbox.ts";
import { Actor, ShoalError, type TensorRef } from "../../runtime/mod.ts";
import { assert, fc, property, test } from "../suite.ts";
import { fails, followed, gate, inSystem } from "./world.ts";
import { held, inside, programWaits, scene, Sender, Sink } from "./sink.ts";

test("mailbox: holds its messages and no more; the next waits, and comes in when there is room", async () => {
  await inSystem({}, async (system) => {
    const sink = await held(system, { mailboxMessagesMax: 4 });
    const tells = Array.from({ length: 6 }, (_, i) => followed(sink.tell("note", i)));
    await system.environment.settle();
    assert.deepEqual(tells.map(({ ended }) => ended !== undefined), [true, true, true, true, false, false]);
    assert.deepEqual(inside(sink), { waiting: 4, parked: 2, bytes: 0, waitingElsewhere: 0 });
    assert.equal(programWaits(sink), 2);
    scene.door.open();
    assert.deepEqual(await sink.ask("all"), [0, 1, 2, 3, 4, 5]);
    assert.ok(tells.every(({ ended }) => ended !== undefined && ended.error === undefined));
    assert.equal(programWaits(sink), 0);
    assert.deepEqual(inside(sink), { waiting: 0, parked: 0, bytes: 0, waitingElsewhere: 0 });
  });
});

test("mailbox: a limit of 0 or of 1 lets one message in at a time, and all of them in the end", async () => {
  for (const mailboxMessagesMax of [0, 1]) {
    await inSystem({}, async (system) => {
      const sink = await held(system, { mailboxMessagesMax });
      for (let i = 0; i < 50; i++) void sink.tell("note", i);
      assert.equal(inside(sink).waiting, 1);
      scene.door.open();
      assert.deepEqual(await sink.ask("all"), Array.from({ length: 50 }, (_, i) => i));
    });
  }
});

test("mailbox: limits that are no numbers are refused where an actor is spawned", async () => {
  await inSystem({}, async (system) => {
    for (const bad of [NaN, -1, "8"] as number[]) {
      for (const limits of [{ mailboxMessagesMax: bad }, { mailboxBytesMax: bad }]) {
        await fails(system.spawn(Sink, undefined, { limits }), "BadInput");
      }
    }
    await fails(system.spawn(Sink, undefined, { limits: { mailboxMessageMax: 5 } as object }), "BadInput");
  });
});

test("mailbox: a message weighs the tensors that it references, whatever carries it", async () => {
  await inSystem({}, async (system) => {
    const tensor = await system.store.put({ data: new Float64Array(2_000) });
    assert.equal(tensor.bytes, 16_000);
    const sink = await held(system, { mailboxBytesMax: 40_000 });
    const first = followed(sink.tell("note", { tensor }));
    const second = followed(sink.ask("note", [[tensor]]));
    await system.environment.settle();
    assert.equal(inside(sink).bytes, 32_000);
    const third = followed(sink.tell("note", { tensor }));
    const light = followed(sink.tell("note", "light, and behind the third"));
    await system.environment.settle();
    assert.deepEqual(inside(sink), { waiting: 2, parked: 2, bytes: 32_000, waitingElsewhere: 0 });
    assert.ok(first.ended !== undefined && second.ended === undefined);
    assert.ok(third.ended === undefined && light.ended === undefined);
    scene.door.open();
    await system.environment.settle();
    assert.ok(second.ended !== undefined && third.ended !== undefined && light.ended !== undefined);
    assert.equal((await sink.ask("all") as unknown[]).at(-1), "light, and behind the third");
    assert.equal(inside(sink).bytes, 0);
  });
});

test("mailbox: one message that weighs more than all may weigh comes in alone", async () => {
  await inSystem({}, async (system) => {
    const tensor = await system.store.put({ data: new Float64Array(2_000) });
    const sink = await held(system, { mailboxBytesMax: 1_000 });
    const heavy = [0, 1, 2].map(() => followed(sink.tell("note", tensor)));
    await system.environment.settle();
    assert.deepEqual(heavy.map(({ ended }) => ended !== undefined), [true, false, false]);
    assert.equal(inside(sink).bytes, 16_000);
    scene.door.open();
    assert.equal((await sink.ask("all") as unknown[]).length, 3);
  });
});

test("mailbox: a mailbox that served heavy mail and was thrown away or emptied weighs nothing for the next", async () => {
  await inSystem({}, async (system) => {
    const tensor = await system.store.put({ data: new Float64Array(2_000) });
    for (let round = 0; round < 3; round++) {
      const sink = await held(system, { mailboxBytesMax: 40_000 });
      const calls = [0, 1, 2, 3].map((i) =>
        followed(i % 2 === 0 ? sink.tell("note", tensor) : sink.ask("note", tensor))
      );
      await system.stop(sink, { now: true });
      await system.environment.settle();
      assert.ok(calls.every(({ ended }) => ended !== undefined));
      const next = await held(system, { mailboxBytesMax: 40_000 });
      const two = [0, 1].map(() => followed(next.tell("note", tensor)));
      await system.environment.settle();
      assert.ok(two.every(({ ended }) => ended !== undefined && ended.error === undefined));
      scene.door.open();
      assert.equal((await next.ask("all") as unknown[]).length, 2);
    }
    assert.equal(programWaits(await system.spawn(Sink)), 0);
  });
});

test("mailbox: a full one parks its own stream only", async () => {
  await inSystem({}, async (system) => {
    const full = await held(system, { mailboxMessagesMax: 2 });
    const sender = await system.spawn(Sender);
    await sender.tell("drop", { to: full, count: 10 });
    const other = await system.spawn(Sink);
    for (let i = 0; i < 20; i++) await other.tell("note", i);
    assert.equal((await other.ask("all") as unknown[]).length, 20);
    assert.equal(await sender.ask("ping"), "pong");
    assert.equal(inside(sender).waitingElsewhere, 8);
    scene.door.open();
    assert.equal((await full.ask("all") as unknown[]).length, 10);
    assert.equal(inside(sender).waitingElsewhere, 0);
  });
});

test("mailbox: of many senders to a full one nobody starves: they are let in as they came", async () => {
  await inSystem({}, async (system) => {
    const sink = await held(system, { mailboxMessagesMax: 3 });
    const senders = await Promise.all(Array.from({ length: 10 }, () => system.spawn(Sender)));
    const waits = senders.map((sender) => followed(sender.ask("wait", { to: sink, count: 20 })));
    await system.environment.settle();
    scene.door.open();
    await system.environment.settle();
    assert.ok(waits.every(({ ended }) => ended !== undefined && ended.error === undefined));
    const seen = await sink.ask("all") as string[];
    assert.equal(seen.length, 200);
    for (const sender of senders) {
      const own = seen.filter((text) => text.startsWith(`${sender.id}:`));
      assert.deepEqual(own, Array.from({ length: 20 }, (_, i) => `${sender.id}:${i}`));
    }
    // Each sender waits for room before it sends its next: nobody gets two in before everybody had one.
    const firsts = senders.map((sender) => seen.indexOf(`${sender.id}:0`));
    const lasts = senders.map((sender) => seen.indexOf(`${sender.id}:19`));
    assert.ok(Math.max(...firsts) < 20, `the last to get its first in was number ${Math.max(...firsts)}`);
    assert.ok(Math.min(...lasts) >= 100, `one was through with all of its messages at number ${Math.min(...lasts)}`);
  });
});

test("mailbox: a light message does not overtake the heavy one of its sender, nor of another", async () => {
  await inSystem({}, async (system) => {
    const tensor = await system.store.put({ data: new Float64Array(2_000) });
    const sink = await held(system, { mailboxBytesMax: 20_000 });
    const calls = [
      sink.tell("note", [0, tensor]),
      sink.tell("note", [1, tensor]),
      sink.tell("note", [2]),
      sink.ask("note", [3, tensor]),
      sink.tell("note", [4]),
    ];
    scene.door.open();
    await Promise.all(calls);
    assert.deepEqual((await sink.ask("all") as unknown[][]).map(([number]) => number), [0, 1, 2, 3, 4]);
  });
});

test("mailbox: what weighs leaves room when it is taken out, not when all is", async () => {
  const gates = Array.from({ length: 8 }, () => gate());
  class Slow extends Actor {
    async take(message: { n: number; tensors: TensorRef[] }): Promise<number> {
      await gates[message.n]!.opened;
      return message.n;
    }
  }
  await inSystem({}, async (system) => {
    const tensor = await system.store.put({ data: new Float64Array(2_000) });
    const slow = await system.spawn(Slow, undefined, { limits: { mailboxBytesMax: 40_000 } });
    const weights = [0, 1, 0, 1, 2, 1, 0, 1];
    for (const [n, weight] of weights.entries()) void slow.tell("take", { n, tensors: new Array(weight).fill(tensor) });
    // The first runs at once. Then: 1 and 2 and 3 fit, 4 does not and holds up those behind it.
    const states = [];
    for (const opened of gates) {
      await system.environment.settle();
      const { waiting, bytes, parked } = inside(slow);
      states.push([waiting, bytes / 16_000, parked]);
      opened.open();
    }
    assert.deepEqual(states, [[3, 2, 4], [2, 1, 4], [1, 1, 4], [1, 2, 3], [3, 2, 0], [2, 1, 0], [1, 1, 0], [0, 0, 0]]);
  });
});

// ——— the ring by itself

const handlerOf = (name: string): Handler => ({ name, run() {} });

test("Mailbox: is a queue, however it grows and turns, and behind it a queue of those who wait", async () => {
  const ops = fc.array(fc.constantFrom("push", "push", "push", "drop", "drop", "park", "park", "unpark", "giveUp"), {
    maxLength: 300,
  });
  await property([ops], (plan) => {
    const mailbox = new Mailbox();
    const ring: number[] = [];
    let parked: { n: number; parked: Parked }[] = [];
    const reference = {} as Ticket;
    for (const [n, op] of plan.entries()) {
      if (op === "push") {
        mailbox.push(handlerOf(`h${n}`), n, reference);
        ring.push(n);
      } else if (op === "drop" && ring.length > 0) {
        const expected = ring.shift();
        assert.deepEqual([mailbox.handler.name, mailbox.message], [`h${expected}`, expected]);
        mailbox.drop();
      } else if (op === "park") {
        const waits = new Parked(handlerOf("p"), n, reference, 0);
        mailbox.park(waits);
        parked.push({ n, parked: waits });
      } else if (op === "unpark" && mailbox.firstParked !== undefined) {
        const { firstParked } = mailbox;
        mailbox.unpark();
        if (!firstParked.settled) assert.equal(firstParked.message, parked.find((entry) => !entry.parked.settled)?.n);
        parked = parked.filter((entry) => entry.parked !== firstParked);
      } else if (op === "giveUp" && parked.length > 0) {
        const entry = parked[(n * 7) % parked.length]!;
        if (!entry.parked.settled) {
          entry.parked.leave(new ShoalError("Timeout", "late"));
          mailbox.gaveUp();
        }
      }
      assert.equal(mailbox.length, ring.length);
      const waiting = parked.filter((entry) => !entry.parked.settled).length;
      assert.ok(
        mailbox.parkedLength >= waiting && mailbox.parkedLength <= 2 * waiting + 130,
        `${mailbox.parkedLength} for ${waiting}`,
      );
    }
    const rest: unknown[] = [];
    for (; mailbox.firstParked !== undefined; mailbox.unpark()) {
      if (!mailbox.firstParked.settled) rest.push(mailbox.firstParked.message);
    }
    assert.deepEqual(rest, parked.filter((entry) => !entry.parked.settled).map(({ n }) => n));
    assert.equal(mailbox.parkedLength, 0);
    for (; mailbox.length > 0; mailbox.drop()) assert.equal(mailbox.message, ring.shift());
  }, { runs: 400 });
});
