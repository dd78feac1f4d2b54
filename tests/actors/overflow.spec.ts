// Who finds no room waits for it, so many and so long; what is refused is said, and nothing is kept for ever.
import { Actor, type ActorRef, launch } from "../../runtime/mod.ts";
import { assert, test } from "../suite.ts";
import { checked, fails, followed, gate, inSystem } from "./world.ts";
import { held, inside, programWaits, scene, Sender, Sink } from "./sink.ts";

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
    scene.door.open();
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
    scene.door.open();
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
    scene.door.open();
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
      await scene.door.opened;
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
    scene.door = gate();
    const other = await system.spawn(Sender);
    const doomed = await system.spawn(Sink);
    const busy = await system.spawn(Busy, undefined, { limits: { mailboxMessagesMax: 1 } });
    const answer = followed(busy.ask("askAndWait", { other, doomed }));
    await system.environment.settle();
    for (let i = 0; i < 10; i++) void busy.tell("note");
    await system.environment.advance(20);
    await system.stop(doomed, {});
    scene.door.open();
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
    scene.door.open();
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
    scene.door.open();
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
    scene.door.open();
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
    scene.door.open();
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
    scene.door.open();
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
      scene.door.open();
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
    scene.door.open();
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
    scene.door.open();
    await system.environment.settle();
    assert.ok(both.every(({ ended, times }) => ended !== undefined && times === 1));
    assert.equal(await parked, undefined);
  });
});

test("mailbox: in a real process too a flood that nobody awaits ends, in order, and the process with it", async () => {
  const system = await launch({ store: "memory:", limits: { mailboxMessagesMax: 100 }, record: () => {} });
  const sink = await system.spawn(Sink);
  for (let i = 0; i < 5_000; i++) void sink.tell(i % 3 === 0 ? "slow" : "note", i);
  const seen = await sink.ask("all") as number[];
  assert.deepEqual(seen, Array.from({ length: 5_000 }, (_, i) => i));
  await system.close();
});
