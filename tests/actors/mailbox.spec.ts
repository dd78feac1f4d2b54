// Bounds and order (L1, L6): a full mailbox parks whoever sends to it and nobody else, in order, with a deadline; what
// is refused is said; nothing is lost, repeated or kept for ever.
import type { Ticket } from "../../runtime/cells/call.ts";
import type { Handler } from "../../runtime/cells/kind.ts";
import { Mailbox, Parked } from "../../runtime/mailbox.ts";
import { Actor, type ActorRef, isShoalError, launch, ShoalError, type TensorRef } from "../../runtime/mod.ts";
import { assert, fc, property, test } from "../suite.ts";
import { checked, fails, followed, gate, inSystem, macrotask, type WorldSystem } from "./world.ts";

/** What the mailbox of an actor holds, from behind the reference. */
function inside(ref: unknown): { waiting: number; parked: number; bytes: number; waitingElsewhere: number } {
  const { target } = ref as {
    target: { mailbox?: { length: number; bytes: number; parkedLength: number }; waitingElsewhere: number };
  };
  const { length = 0, bytes = 0, parkedLength = 0 } = target.mailbox ?? {};
  return { waiting: length, bytes, parked: parkedLength, waitingElsewhere: target.waitingElsewhere };
}

/** How many messages of the program wait for room. */
const programWaits = (ref: unknown): number =>
  (ref as { source: { waitingElsewhere: number } }).source.waitingElsewhere;

let door = gate();

class Sink extends Actor {
  readonly seen: unknown[] = [];
  async hold(): Promise<void> {
    await door.opened;
  }
  note(value: unknown): unknown {
    this.seen.push(value);
    return value;
  }
  async slow(value: unknown): Promise<void> {
    await Promise.resolve();
    this.seen.push(value);
  }
  all(): unknown {
    return this.seen;
  }
}

class Sender extends Actor {
  /** Sends without waiting; answers what was refused, by number. */
  async flood(plan: { to: ActorRef<Sink>; from: number; count: number }): Promise<number[]> {
    const refused: number[] = [];
    const calls = [];
    for (let i = plan.from; i < plan.from + plan.count; i++) {
      calls.push(plan.to.tell("note", `${this.self.id}:${i}`).then(undefined, () => refused.push(i)));
    }
    await Promise.all(calls);
    return refused;
  }
  async wait(plan: { to: ActorRef<Sink>; count: number }): Promise<void> {
    for (let i = 0; i < plan.count; i++) await plan.to.tell("note", `${this.self.id}:${i}`);
  }
  drop(plan: { to: ActorRef<Sink>; count: number }): void {
    for (let i = 0; i < plan.count; i++) void plan.to.tell("note", `${this.self.id}:${i}`);
  }
  ping(): string {
    return "pong";
  }
}

/** A sink whose one running handler waits at the door. */
async function held(
  system: WorldSystem,
  limits: { mailboxMessagesMax?: number; mailboxBytesMax?: number } = {},
): Promise<ActorRef<Sink>> {
  door = gate();
  const sink = await system.spawn(Sink, undefined, { limits });
  void sink.tell("hold");
  await system.environment.settle();
  return sink;
}

test("mailbox: holds its messages and no more; the next waits, and comes in when there is room", async () => {
  await inSystem({}, async (system) => {
    const sink = await held(system, { mailboxMessagesMax: 4 });
    const tells = Array.from({ length: 6 }, (_, i) => followed(sink.tell("note", i)));
    await system.environment.settle();
    assert.deepEqual(tells.map(({ ended }) => ended !== undefined), [true, true, true, true, false, false]);
    assert.deepEqual(inside(sink), { waiting: 4, parked: 2, bytes: 0, waitingElsewhere: 0 });
    assert.equal(programWaits(sink), 2);
    door.open();
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
      door.open();
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
    door.open();
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
    door.open();
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
      door.open();
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
    door.open();
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
    door.open();
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
    door.open();
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

// ——— overflow

test("overflow: beyond overflowMessagesMax a tell is refused, kept as a dead letter, and disturbs nobody who ignores it", async () => {
  await inSystem({ limits: { overflowMessagesMax: 5 } }, async (system) => {
    const sink = await held(system, { mailboxMessagesMax: 2 });
    for (let i = 0; i < 20; i++) void sink.tell("note", i);
    await system.environment.settle();
    assert.deepEqual(inside(sink), { waiting: 2, parked: 5, bytes: 0, waitingElsewhere: 0 });
    assert.equal(system.statistics().deadLetters, 13);
    const letter = system.deadLetters()[0]!;
    assert.deepEqual([letter.to, letter.method, letter.class], [sink.id, "note", "Sink"]);
    const error = await fails(sink.tell("note", 99), "CapacityExceeded", "failed");
    assert.match(error.message, /^Cannot send note to Sink/);
    await fails(sink.ask("note", 99), "CapacityExceeded", "failed");
    door.open();
    await system.environment.settle();
    assert.deepEqual(await sink.ask("all"), [0, 1, 2, 3, 4, 5, 6]);
    await sink.tell("note", "again");
    assert.equal(system.statistics().crashes, 0);
  });
});

test("overflow: each sender has its own room", async () => {
  await inSystem({ limits: { overflowMessagesMax: 3 } }, async (system) => {
    const sink = await held(system, { mailboxMessagesMax: 1 });
    const senders = [await system.spawn(Sender), await system.spawn(Sender)];
    const floods = senders.map((to) => followed(to.ask("flood", { to: sink, from: 0, count: 10 })));
    await system.environment.settle();
    assert.deepEqual(senders.map((sender) => inside(sender).waitingElsewhere), [3, 3]);
    door.open();
    await system.environment.settle();
    // The first had the mailbox's one place too.
    assert.deepEqual(floods[0]!.ended, { value: [4, 5, 6, 7, 8, 9] });
    assert.deepEqual(floods[1]!.ended, { value: [3, 4, 5, 6, 7, 8, 9] });
    assert.equal((await sink.ask("all") as unknown[]).length, 7);
  });
});

test("overflow: room for 0 waits for nobody", async () => {
  await inSystem({ limits: { overflowMessagesMax: 0 } }, async (system) => {
    const sink = await held(system, { mailboxMessagesMax: 1 });
    await sink.tell("note", 0);
    await fails(sink.tell("note", 1), "CapacityExceeded");
    door.open();
    await system.environment.settle();
    assert.deepEqual(await sink.ask("all"), [0]);
  });
});

test("overflow: replies and the runtime's own mail have room always", async () => {
  class Busy extends Actor<Busy> {
    ticks = 0;
    endings: string[] = [];
    override started(): void {
      this.after(10, "tick");
    }
    async askAndWait(plan: { other: ActorRef<Sender>; doomed: ActorRef<Sink> }): Promise<string> {
      this.watch(plan.doomed, "gone");
      await door.opened;
      return await plan.other.ask("ping");
    }
    tick(): void {
      this.ticks++;
    }
    gone(ended: { reason: string }): void {
      this.endings.push(ended.reason);
    }
    note(): void {}
    all(): unknown {
      return [this.ticks, this.endings];
    }
  }
  await inSystem({ limits: { overflowMessagesMax: 2 } }, async (system) => {
    door = gate();
    const other = await system.spawn(Sender);
    const doomed = await system.spawn(Sink);
    const busy = await system.spawn(Busy, undefined, { limits: { mailboxMessagesMax: 1 } });
    const answer = followed(busy.ask("askAndWait", { other, doomed }));
    await system.environment.settle();
    for (let i = 0; i < 10; i++) void busy.tell("note");
    await system.environment.advance(20);
    await system.stop(doomed, {});
    door.open();
    await system.environment.settle();
    assert.deepEqual(answer.ended, { value: "pong" });
    assert.deepEqual(await busy.ask("all"), [1, ["stopped"]]);
  });
});

// ——— how long a sender waits

test("waiting: a tell gives up after sendTimeoutMs, or its own, and never runs", async () => {
  await inSystem({ limits: { sendTimeoutMs: 1_000 } }, async (system) => {
    const sink = await held(system, { mailboxMessagesMax: 1 });
    await sink.tell("note", "in");
    const usual = followed(sink.tell("note", "usual"));
    const own = followed(sink.tell("note", "own", { timeoutMs: 100 }));
    const long = followed(sink.tell("note", "long", { timeoutMs: 5_000 }));
    await system.environment.advance(99);
    assert.equal(own.ended, undefined);
    await system.environment.advance(2);
    const error = checked(own.ended, "Timeout", "failed");
    assert.match(error.message, /100 ms/);
    assert.equal(usual.ended, undefined);
    await system.environment.advance(900);
    checked(usual.ended, "Timeout", "failed");
    assert.equal(long.ended, undefined);
    assert.equal(programWaits(sink), 1);
    assert.equal(system.deadLetters().length, 2);
    door.open();
    assert.deepEqual(await sink.ask("all"), ["in", "long"]);
    assert.equal(long.ended !== undefined && (long.ended as { error?: unknown }).error, undefined);
  });
});

test("waiting: a tell that nobody looks at gives up too, without an unhandled rejection", async () => {
  await inSystem({}, async (system) => {
    const sink = await held(system, { mailboxMessagesMax: 1 });
    for (let i = 0; i < 10; i++) void sink.tell("note", i, { timeoutMs: 10 });
    await system.environment.advance(20);
    assert.equal(system.statistics().deadLetters, 9);
    assert.equal(programWaits(sink), 0);
    door.open();
    assert.deepEqual(await sink.ask("all"), [0]);
  });
});

test("waiting: a tell's timeout that is no number of milliseconds is BadInput; a huge one waits", async () => {
  await inSystem({}, async (system) => {
    const sink = await held(system, { mailboxMessagesMax: 1 });
    await sink.tell("note", "in");
    for (const timeoutMs of [NaN, {} as unknown as number, -1, -Infinity]) {
      const call = followed(sink.tell("note", "x", { timeoutMs }));
      await system.environment.settle();
      checked(call.ended, "BadInput", "failed");
    }
    const none = followed(sink.tell("note", "0", { timeoutMs: 0 }));
    await system.environment.advance(1);
    checked(none.ended, "Timeout", "failed");
    for (const timeoutMs of [Infinity, Number.MAX_SAFE_INTEGER, 2 ** 31]) {
      const call = followed(sink.tell("note", timeoutMs, { timeoutMs }));
      await system.environment.advance(10_000);
      assert.equal(call.ended, undefined);
    }
    door.open();
    assert.deepEqual(await sink.ask("all"), ["in", Infinity, Number.MAX_SAFE_INTEGER, 2 ** 31]);
  });
});

test("waiting: those who gave up are not kept while the actor is busy", async () => {
  await inSystem({ limits: { overflowMessagesMax: 8 } }, async (system) => {
    const sink = await held(system, { mailboxMessagesMax: 2 });
    const text = "x".repeat(1_000);
    for (let i = 0; i < 600; i++) {
      if (i % 2 === 0) void sink.tell("note", text, { timeoutMs: 1 });
      else void sink.ask("note", text, { timeoutMs: 1 }).catch(() => {});
      await system.environment.advance(2);
    }
    const { waiting, parked } = inside(sink);
    assert.ok(waiting <= 2 && parked <= 128, `the mailbox holds ${waiting} and keeps ${parked} who wait no longer`);
    assert.equal(programWaits(sink), 0);
    door.open();
    await system.environment.settle();
    assert.deepEqual(inside(sink), { waiting: 0, parked: 0, bytes: 0, waitingElsewhere: 0 });
  });
});

test("waiting: an ask that waits for room ends by its own deadline or signal, and never runs", async () => {
  await inSystem({}, async (system) => {
    const sink = await held(system, { mailboxMessagesMax: 1 });
    await sink.tell("note", "in");
    const controller = new AbortController();
    const late = followed(sink.ask("note", "late", { timeoutMs: 100 }));
    const left = followed(sink.ask("note", "left", { signal: controller.signal }));
    const kept = followed(sink.ask("note", "kept"));
    await system.environment.advance(101);
    checked(late.ended, "Timeout", "failed");
    controller.abort(new Error("enough"));
    await system.environment.settle();
    checked(left.ended, "Cancelled", "failed");
    assert.equal(programWaits(sink), 1);
    door.open();
    await system.environment.settle();
    assert.deepEqual(kept.ended, { value: "kept" });
    assert.deepEqual(await sink.ask("all"), ["in", "kept"]);
    assert.equal(system.statistics().deadLetters, 0, "who asked was told: that is no dead letter");
  });
});

test("waiting: the end of the receiver ends the wait, with the right outcome, whether stopped or drained", async () => {
  for (const now of [true, false]) {
    await inSystem({}, async (system) => {
      const sink = await held(system, { mailboxMessagesMax: 2 });
      const tells = [0, 1, 2, 3].map((i) => followed(sink.tell("note", i)));
      const ask = followed(sink.ask("note", 4));
      const stopping = system.stop(sink, { now });
      door.open();
      await system.environment.settle();
      await stopping;
      for (const call of [...tells, ask]) assert.ok(call.ended !== undefined, "it has not settled");
      if (now) {
        checked(ask.ended, "Ended", "failed");
        assert.equal(system.statistics().deadLetters, 4, "hold had begun; the four tells had not");
      } else {
        assert.deepEqual(ask.ended, { value: 4 });
        assert.equal(system.statistics().deadLetters, 0);
      }
      assert.equal(programWaits(sink), 0);
    });
  }
});

test("waiting: the end of a sender frees its place; what it had sent still comes, once", async () => {
  await inSystem({}, async (system) => {
    const sink = await held(system, { mailboxMessagesMax: 1 });
    const sender = await system.spawn(Sender);
    await sender.tell("drop", { to: sink, count: 5 });
    assert.equal(await sender.ask("ping"), "pong");
    await system.stop(sender, { now: true });
    door.open();
    await system.environment.settle();
    const seen = await sink.ask("all") as string[];
    assert.deepEqual(seen, seen.map((_, i) => `${sender.id}:${i}`), "in order, from the start");
    assert.equal(inside(sender).waitingElsewhere, 0);
  });
});

test("tell: a promise-like that can be awaited twice, late, or never", async () => {
  await inSystem({ limits: { overflowMessagesMax: 1 } }, async (system) => {
    const sink = await held(system, { mailboxMessagesMax: 1 });
    const inTime = sink.tell("note", 0);
    const parked = sink.tell("note", 1);
    const refused = sink.tell("note", 2);
    await system.environment.settle();
    await inTime;
    await inTime;
    for (let i = 0; i < 2; i++) await fails(refused, "CapacityExceeded", "failed");
    const both = [followed(parked), followed(parked)];
    door.open();
    await system.environment.settle();
    assert.ok(both.every(({ ended, times }) => ended !== undefined && times === 1));
    assert.equal(await parked, undefined);
  });
});

// ——— order, as a property

interface Step {
  readonly do: "tell" | "await" | "ask" | "heavy" | "slow" | "turn" | "timed";
  readonly to: number;
}
const steps = fc.array(
  fc.record<Step>({
    do: fc.constantFrom("tell", "tell", "await", "ask", "heavy", "slow", "turn", "timed"),
    to: fc.nat(1),
  }),
  { maxLength: 60 },
);

class Planner extends Actor {
  /** Carries out a plan; answers what it was told of each of its messages, by number, in the order of sending. */
  async go(
    plan: { steps: Step[]; to: ActorRef<Sink>[]; tensor: TensorRef },
  ): Promise<{ to: number; n: number; error?: string }[]> {
    const sent: { to: number; n: number; error?: string }[] = [];
    const waits: unknown[] = [];
    const numbers = plan.to.map(() => 0);
    for (const step of plan.steps) {
      const to = plan.to[step.to]!;
      const entry: { to: number; n: number; error?: string } = { to: step.to, n: numbers[step.to]!++ };
      const value = { by: this.self.id, n: entry.n };
      const failed = (error: unknown): void => {
        entry.error = isShoalError(error) ? `${error.code} ${error.outcome}` : String(error);
      };
      if (step.do === "turn") {
        numbers[step.to]!--;
        await macrotask();
        continue;
      }
      sent.push(entry);
      if (step.do === "await") await to.tell("note", value).then(undefined, failed);
      else if (step.do === "ask") waits.push(to.ask("note", value).catch(failed));
      else if (step.do === "heavy") {
        waits.push(to.tell("note", { ...value, tensor: plan.tensor }).then(undefined, failed));
      } else if (step.do === "slow") waits.push(to.ask("slow", value).catch(failed));
      else if (step.do === "timed") waits.push(to.ask("note", value, { timeoutMs: 5 }).catch(failed));
      else waits.push(to.tell("note", value).then(undefined, failed));
    }
    await Promise.all(waits);
    return sent;
  }
}

test("order: what each sent to each is applied in order, all of it but what the sender was told failed", async () => {
  const limits = fc.record({
    mailboxMessagesMax: fc.integer({ min: 1, max: 4 }),
    mailboxBytesMax: fc.constantFrom(1, 20_000, 40_000),
  });
  const faults = fc.array(fc.nat(8), { maxLength: 12 });
  await property([
    fc.array(steps, { minLength: 1, maxLength: 3 }),
    limits,
    fc.integer({ min: 0, max: 12 }),
    faults,
    fc.boolean(),
  ], async (plans, mailbox, overflowMessagesMax, waits, strict) => {
    await inSystem({ limits: { overflowMessagesMax }, strict }, async (system) => {
      const tensor = await system.store.put({ data: new Float64Array(2_000) });
      const sinks = [await held(system, mailbox), await system.spawn(Sink, undefined, { limits: mailbox })];
      const planners = await Promise.all(plans.map(() => system.spawn(Planner)));
      const runs = planners.map((planner, i) => planner.ask("go", { steps: plans[i]!, to: sinks, tensor }));
      for (const ms of waits) await system.environment.advance(ms);
      door.open();
      await system.environment.settle();
      const sentBy = await Promise.all(runs);
      for (const [at, sink] of sinks.entries()) {
        const seen = await sink.ask("all") as { by: string; n: number }[];
        let count = 0;
        for (const [i, planner] of planners.entries()) {
          const own = seen.filter(({ by }) => by === planner.id).map(({ n }) => n);
          const sent = sentBy[i]!.filter(({ to }) => to === at);
          for (const { error } of sent) assert.ok(error === undefined || error.endsWith(" failed"), error);
          assert.deepEqual(own, sent.filter(({ error }) => error === undefined).map(({ n }) => n));
          count += own.length;
        }
        assert.equal(seen.length, count);
        assert.deepEqual(inside(sink), { waiting: 0, parked: 0, bytes: 0, waitingElsewhere: 0 });
      }
      for (const planner of planners) assert.equal(inside(planner).waitingElsewhere, 0);
    });
  }, { runs: 150 });
});

test("pins: what a message carried is free when the message is over, however it ended", async () => {
  for (const end of ["handled", "stopped queued", "stopped running", "crashed", "timed out", "refused"] as const) {
    await inSystem({ limits: { overflowMessagesMax: 1 } }, async (system) => {
      class Holder extends Actor {
        note(): void {}
        async hold(): Promise<void> {
          await door.opened;
        }
        async crash(): Promise<void> {
          await door.opened;
          throw new Error("boom");
        }
      }
      door = gate();
      const holder = await system.spawn(Holder, undefined, { limits: { mailboxMessagesMax: 2 } });
      const tensors = await system.store.putMany([0, 1, 2].map(() => ({ data: new Float64Array(4_000) })), {
        lifetime: { until: "release" },
      });
      const untyped = holder as unknown as {
        tell(method: string, message: unknown, options?: object): PromiseLike<void>;
      };
      const method = end === "crashed"
        ? "crash"
        : end === "stopped running" || end === "stopped queued"
        ? "hold"
        : "note";
      if (end !== "handled" && end !== "stopped running" && end !== "crashed") void holder.tell("hold");
      await system.environment.settle();
      for (const tensor of tensors) void untyped.tell(method, { tensor }, { timeoutMs: 10 });
      if (end === "refused") { for (const tensor of tensors) void untyped.tell("note", [tensor]); }
      await system.environment.settle();
      for (const tensor of tensors) await system.store.release(tensor);
      if (end === "timed out" || end === "refused") await system.environment.advance(20);
      if (end.startsWith("stopped")) await system.stop(holder, { now: true });
      door.open();
      await system.environment.settle();
      assert.equal(system.tensorStore.statistics().tensors, 0, `${end}: tensors are still pinned`);
    });
  }
});

test("mailbox: in a real process too a flood that nobody awaits ends, in order, and the process with it", async () => {
  const system = await launch({ store: "memory:", limits: { mailboxMessagesMax: 100 }, record: () => {} });
  const sink = await system.spawn(Sink);
  for (let i = 0; i < 5_000; i++) void sink.tell(i % 3 === 0 ? "slow" : "note", i);
  const seen = await sink.ask("all") as number[];
  assert.deepEqual(seen, Array.from({ length: 5_000 }, (_, i) => i));
  await system.close();
});
