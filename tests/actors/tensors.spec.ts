// References in messages: they resolve where they arrive, pin what they name until the message is over, and weigh.
import { Actor, type TensorRef } from "../../runtime/mod.ts";
import { assert, fc, property, test } from "../suite.ts";
import { errorOf } from "../stores/world.ts";
import { gate, held, leave, quiet, settledOf, type Stage, stage } from "./stage.ts";
import { bytes, lastRead, put, Reader, stateOf, timeoutMs } from "./reader.ts";

test("A reference in a message resolves, alone, in a list and deep inside", async () => {
  const at = stage();
  const reader = await at.system.spawn(Reader);
  const refs = await Promise.all([1, 2, 3].map((value) => put(at, value)));
  assert.equal(await reader.ask("first", refs[0]!), 1);
  assert.deepEqual(await reader.ask("firstOf", { refs }), [1, 2, 3]);
  assert.deepEqual(await reader.ask("firstOf", { refs: [], note: "none" }), []);
  await leave(at);
});

test("A message pins what it references until it is over: released under way, its bytes stay", async () => {
  const at = stage();
  const hold = gate();
  class Slow extends Actor {
    async take(_ref: { deep: TensorRef[] }): Promise<void> {
      await hold.passed;
    }
  }
  const slow = await at.system.spawn(Slow);
  const ref = await put(at);
  const small = await at.system.store.put({ data: Float64Array.of(5) });
  const calls = held(slow.ask("take", { deep: [ref, small] }), slow.tell("take", { deep: [ref] }));
  await quiet();
  await at.system.store.release(ref);
  assert.equal(await stateOf(at, ref), "released");
  hold.open();
  await settledOf(calls);
  assert.equal(await stateOf(at, ref), "gone");
  await leave(at);
});

/** Ways in which a message with a reference can end; each must let go, and count a read or not. */
const ways: Readonly<Record<string, { reads: boolean; run: (at: Stage, ref: TensorRef<"float64">) => Promise<void> }>> =
  {
    "an ask that is answered": {
      reads: true,
      async run(at, ref) {
        await (await at.system.spawn(Reader)).ask("first", ref);
      },
    },
    "a tell": {
      reads: true,
      async run(at, ref) {
        await (await at.system.spawn(Reader)).tell("ignore", ref);
      },
    },
    "an ask whose handler threw": {
      reads: true,
      async run(at, ref) {
        const reader = await at.system.spawn(Reader);
        await errorOf("HandlerError", () => reader.ask("fail", ref));
      },
    },
    "an ask that timed out in its mailbox": {
      reads: false,
      async run(at, ref) {
        const reader = await at.system.spawn(Reader);
        const other = await put(at);
        const [hang] = held(reader.ask("hang", other));
        const [waiting] = held(reader.ask("ignore", ref, { timeoutMs: 10 }));
        await at.clock.advance(10);
        assert.deepEqual(await settledOf([waiting]), ["Timeout failed"]);
        await at.system.stop(reader, { now: true });
        await settledOf([hang]);
      },
    },
    "messages that a stop discards": {
      reads: false,
      async run(at, ref) {
        const reader = await at.system.spawn(Reader, undefined, { limits: { mailboxMessagesMax: 2 } });
        const other = await put(at);
        void held(reader.ask("hang", other));
        await quiet();
        for (let i = 0; i < 3; i++) void held(reader.ask("ignore", ref), reader.tell("ignore", ref));
        await at.system.stop(reader, { now: true });
      },
    },
    "a message to one that has ended": {
      reads: false,
      async run(at, ref) {
        const reader = await at.system.spawn(Reader);
        await at.system.stop(reader, {});
        await errorOf("Ended", () => reader.ask("ignore", ref));
        await errorOf("Ended", () => reader.tell("ignore", ref));
      },
    },
    "a message of no known name": {
      reads: false,
      async run(at, ref) {
        const reader = await at.system.spawn(Reader);
        await errorOf("BadInput", () => reader.ask("none" as "ignore", ref));
        await errorOf("BadInput", () => reader.tell("none" as "ignore", ref));
      },
    },
    "a message that cannot be sent": {
      reads: false,
      async run(at, ref) {
        const reader = await at.system.spawn(Reader);
        const message = { deep: [ref, () => {}] } as unknown as { deep: TensorRef[] };
        await errorOf("BadInput", () => reader.ask("ignore", message));
        await errorOf("BadInput", () => reader.tell("ignore", message));
      },
    },
    "an ask that was cancelled before it was sent": {
      reads: false,
      async run(at, ref) {
        const reader = await at.system.spawn(Reader);
        await errorOf("Cancelled", () => reader.ask("ignore", ref, { signal: AbortSignal.abort() }));
      },
    },
    "a tell that found no room": {
      reads: false,
      async run(at, ref) {
        const reader = await at.system.spawn(Reader, undefined, { limits: { mailboxMessagesMax: 1 } });
        void held(reader.ask("hang", await put(at)));
        await quiet();
        void reader.tell("ignore", await put(at));
        const [told] = held(reader.tell("ignore", ref, { timeoutMs: 10 }));
        await at.clock.advance(10);
        assert.deepEqual(await settledOf([told]), ["Timeout failed"]);
      },
    },
  };

for (const [title, { reads, run }] of Object.entries(ways)) {
  test(`Pins: ${title} lets go of its tensors, and counts ${reads ? "a read" : "no read"}`, async () => {
    const at = stage();
    const kept = await put(at, 1);
    await run(at, kept);
    await quiet();
    assert.equal(await stateOf(at, kept), "sealed");
    await at.system.store.release(kept);
    assert.equal(await stateOf(at, kept), "gone", "something still pins or views it");
    const counted = await put(at, 1, lastRead);
    await run(at, counted);
    await quiet();
    assert.equal(await stateOf(at, counted), reads ? "gone" : "sealed");
    await leave(at);
  }, { timeoutMs });
}

test("Declared reads count when the message is over, once per message, however often it was got", async () => {
  await property(
    [fc.array(fc.nat(3), { minLength: 1, maxLength: 12 }), fc.integer({ min: 1, max: 6 })],
    async (gets, reads) => {
      const at = stage();
      class Many extends Actor {
        async read(message: { ref: TensorRef; again: TensorRef[]; times: number }): Promise<void> {
          for (let i = 0; i < message.times; i++) (await this.store.get(message.ref)).done();
        }
      }
      const many = await at.system.spawn(Many);
      const ref = await put(at, 1, { reads });
      const messages = gets.slice(0, reads);
      for (const [index, times] of messages.entries()) {
        assert.equal(await stateOf(at, ref), "sealed");
        // Twice in one message is one message.
        await many.ask("read", { ref, again: times === 0 ? [ref] : [], times });
        await quiet();
        assert.equal(await stateOf(at, ref), index + 1 === reads ? "gone" : "sealed");
      }
      await leave(at);
    },
    { runs: 40 },
  );
});

test("A tensor of one read that two messages carry lives until both are over", async () => {
  const at = stage();
  const hold = gate();
  class Slow extends Actor {
    async read(ref: TensorRef<"float64">): Promise<number> {
      await hold.passed;
      return (await this.store.get(ref)).data[0]!;
    }
  }
  const slow = await at.system.spawn(Slow);
  const reader = await at.system.spawn(Reader);
  const ref = await put(at, 3, lastRead);
  const call = slow.ask("read", ref);
  assert.equal(await reader.ask("first", ref), 3);
  await quiet();
  assert.notEqual(await stateOf(at, ref), "gone");
  hold.open();
  assert.equal(await call, 3);
  await quiet();
  assert.equal(await stateOf(at, ref), "gone");
  await leave(at);
});

// Weights

test("A message weighs what it references: a full mailbox is one of bytes, too, and lets one in always", async () => {
  const at = stage();
  const reader = await at.system.spawn(Reader, undefined, { limits: { mailboxBytesMax: 2 * bytes } });
  const refs = await Promise.all([1, 2, 3, 4].map((value) => put(at, value)));
  const hold = gate();
  class Slow extends Actor {
    async take(_ref: TensorRef[]): Promise<void> {
      await hold.passed;
    }
  }
  const slow = await at.system.spawn(Slow, undefined, { limits: { mailboxBytesMax: 2 * bytes } });
  void held(slow.ask("take", []));
  await quiet();
  const tells = held(
    slow.tell("take", [refs[0]!, refs[1]!]),
    slow.tell("take", []), // Weighs nothing, and waits behind nobody yet.
    slow.tell("take", [refs[2]!]),
    slow.tell("take", []), // Waits behind the one that has no room: order holds.
  );
  assert.deepEqual(await settledOf(tells), ["value undefined", "value undefined", undefined, undefined]);
  hold.open();
  assert.deepEqual(await settledOf(tells), Array(4).fill("value undefined"));
  // Heavier than the mailbox: alone it may come in.
  assert.deepEqual(await reader.ask("firstOf", { refs }), [1, 2, 3, 4]);
  await leave(at);
});
