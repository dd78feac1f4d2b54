// Messages on their way through a system: as answers, to receivers that are rude, in strict mode and not.
import { Actor, type ActorRef, isShoalError, ShoalError, type TensorRef } from "../../runtime/mod.ts";
import { assert, fc, property, test } from "../suite.ts";
import { checked, fails, followed, inSystem, systemIn } from "./world.ts";
import { bytesMax } from "./sending.ts";

/* oxlint-disable unicorn/no-thenable -- odd thenables are what is tested */

import { anything } from "./trees.ts";

// ——— through a system

class Echo extends Actor {
  seen: unknown[] = [];
  echo(value: unknown): unknown {
    this.seen.push(value);
    return value;
  }
  id(who: ActorRef<Echo>): string {
    return who.id;
  }
  relay(who: ActorRef<Echo>): Promise<unknown> {
    return who.ask("echo", "relayed");
  }
  count(): number {
    return this.seen.length;
  }
  bad(which: string): unknown {
    if (which === "function") return () => 1;
    if (which === "member") return { list: [1, new Map()] };
    if (which === "large") return "x".repeat(bytesMax + 1);
    if (which === "getter") {
      return {
        get a(): never {
          throw new Error("boom");
        },
      };
    }
    if (which === "thenable") {
      return {
        then() {
          throw new Error("boom");
        },
      };
    }
    if (which === "then") {
      return {
        get then(): never {
          throw new Error("boom");
        },
      };
    }
    const cycle: { self?: unknown } = {};
    cycle.self = cycle;
    return cycle;
  }
}

type Untyped = {
  ask(method: string, message?: unknown): Promise<unknown>;
  tell(method: string, message?: unknown): PromiseLike<void>;
};
const untyped = (ref: unknown): Untyped => ref as Untyped;

for (const strict of [false, true]) {
  const mode = strict ? "strict" : "not strict";

  test(`message, ${mode}: what cannot be sent fails its call, never runs, and of a tell a dead letter stays`, async () => {
    await inSystem({ strict }, async (system) => {
      const echo = untyped(await system.spawn(Echo));
      const getter = {
        get a(): never {
          throw new Error("boom");
        },
      };
      const bad = [() => 1, { a: [Symbol("s")] }, [undefined], new Date(0), getter, 1n << 9_000_000n];
      for (const value of bad) {
        const error = await echo.ask("echo", value).then(() => assert.fail("it was sent"), (thrown: unknown) => thrown);
        assert.ok(isShoalError(error), `an ask of what cannot be sent: ${String(error)}`);
        assert.equal(error.outcome, "failed");
        const told = await echo.tell("echo", value).then(() => undefined, (thrown: unknown) => thrown);
        assert.ok(isShoalError(told));
        assert.equal(told.code, error.code);
      }
      assert.equal(await echo.ask("count"), 0);
      assert.equal(system.statistics().deadLetters, bad.length);
      assert.equal(system.statistics().crashes, 0);
    });
  });

  test(`message, ${mode}: an answer that cannot be sent says so to who asked, and its actor lives on`, async () => {
    await inSystem({ strict }, async (system) => {
      const echo = await system.spawn(Echo);
      await echo.ask("echo", 1);
      const cases = [["function", "answer:"], ["member", "answer.list[1]:"], ["cycle", "answer.self:"], [
        "getter",
        "boom",
      ]] as const;
      for (const [which, text] of cases) {
        const error = await fails(echo.ask("bad", which), "BadInput", "done");
        assert.ok(error.message.includes(text), error.message);
      }
      await fails(echo.ask("bad", "large"), "TooLarge", "done");
      assert.equal(await echo.ask("count"), 1, "its state was kept");
      assert.equal(system.statistics().crashes, 0);
    });
  });

  test(`message, ${mode}: an answer whose then throws fails the one ask and stops nobody`, async () => {
    for (const which of ["thenable", "then"]) {
      const system = systemIn({ strict });
      const echo = await system.spawn(Echo);
      const call = followed(echo.ask("bad", which));
      await system.environment.settle();
      assert.ok(call.ended?.error !== undefined, `${which}: the ask has not failed`);
      const next = followed(echo.ask("echo", 7));
      await system.environment.settle();
      assert.deepEqual(next.ended, { value: 7 }, `${which}: the actor does not go on`);
      await system.close({ now: true });
    }
  });

  test(`message, ${mode}: a reference is bound to the one it is sent to, and comes back as it went`, async () => {
    await inSystem({ strict }, async (system) => {
      const [a, b] = [await system.spawn(Echo), await system.spawn(Echo)];
      assert.equal(await a.ask("id", b), b.id);
      assert.equal(await a.ask("relay", b), "relayed");
      const back = await a.ask("echo", { who: [b] }) as { who: [ActorRef<Echo>] };
      assert.equal(back.who[0].id, b.id);
      assert.equal(await back.who[0].ask("echo", 1), 1);
      await system.stop(b);
      const gone = await a.ask("echo", b) as ActorRef<Echo>;
      await fails(gone.ask("echo", 1), "Ended", "failed");
      assert.equal((await system.watch(gone)).reason, "stopped");
    });
  });

  test(`message, ${mode}: a reference into another system is refused: two runs never see each other's actors`, async () => {
    await inSystem({ strict }, async (system) => {
      await inSystem({ strict, run: "run-2" }, async (other) => {
        const here = await system.spawn(Echo);
        const there = await other.spawn(Echo);
        assert.equal(here.id, there.id);
        await here.ask("echo", 1);
        const error = await fails(here.ask("relay", there), "BadInput", "failed");
        assert.ok(error.message.includes("message:"), error.message);
        assert.equal(await here.ask("count"), 1);
        assert.equal(await there.ask("count"), 0);
      });
    });
  });
}

test("message: a getter that ends the receiver leaves no call unsettled", async () => {
  await inSystem({}, async (system) => {
    const echo = await system.spawn(Echo);
    let end: (() => void) | undefined = () => void system.stop(echo, { now: true });
    const message = {
      get a() {
        end?.();
        end = undefined;
        return 1;
      },
    };
    const call = followed(untyped(echo).ask("echo", message));
    await system.environment.settle();
    checked(call.ended, "Ended", "failed");
  });
});

test("message: a getter that sends is heard first, and once", async () => {
  for (const strict of [false, true]) {
    await inSystem({ strict }, async (system) => {
      const echo = await system.spawn(Echo);
      let reads = 0;
      const message = {
        get a() {
          reads++;
          void echo.tell("echo", "inner");
          return 1;
        },
      };
      await untyped(echo).ask("echo", message);
      assert.equal(reads, 1);
      assert.equal(await echo.ask("count"), 2);
    });
  }
});

test("message: data that looks like a tensor's reference and is none does no harm", async () => {
  await inSystem({ limits: { mailboxMessagesMax: 4, mailboxBytesMax: 100 } }, async (system) => {
    const echo = untyped(await system.spawn(Echo));
    const valid = await system.store.put({ data: new Float64Array(4_000) });
    const lookalikes: unknown[] = [NaN, Infinity, -5, 0.5, 1e300].map((bytes) => ({ ...valid, bytes }));
    lookalikes.push({ ref: "tensor", id: "x", bytes: 1 }, { ...valid, id: "other" }, { ...valid, run: "run-9" });
    for (const value of lookalikes) {
      const call = followed(echo.ask("echo", value));
      await system.environment.settle();
      assert.ok(call.ended !== undefined, "it has not settled");
      if ("error" in call.ended && call.ended.error !== undefined) {
        assert.ok(isShoalError(call.ended.error), String(call.ended.error));
      }
    }
    // What they may have weighed must not stay behind in a mailbox.
    for (let round = 0; round < 3; round++) {
      const calls = Array.from({ length: 20 }, (_, i) => followed(echo.ask("echo", i)));
      await system.environment.settle();
      assert.ok(calls.every(({ ended }) => ended !== undefined && ended.error === undefined));
    }
  });
});

class Rude extends Actor {
  async take(message: { tensor: TensorRef }): Promise<number> {
    const view = await this.store.get(message.tensor);
    // It belongs to the receiver: it may do with it what it likes.
    const loose = message as unknown as { tensor: { id: unknown; bytes: unknown } | undefined };
    Object.assign(loose.tensor!, { id: 5, bytes: NaN, run: undefined });
    loose.tensor = undefined;
    return view.shape.length;
  }
}

test("message: a receiver that changes the reference it got leaves no pin and no harm behind", async () => {
  for (const strict of [false, true]) {
    await inSystem({ strict }, async (system) => {
      const rude = await system.spawn(Rude);
      const tensor = await system.store.put({ data: new Float64Array(4_000) }, { lifetime: { until: "release" } });
      assert.equal(await rude.ask("take", { tensor }), 1);
      assert.equal(await rude.ask("take", { tensor }), 1);
      await system.store.release(tensor);
      assert.equal(system.tensorStore.statistics().tensors, 0, "it is still pinned");
      assert.equal(system.statistics().crashes, 0);
    });
  }
});

test("message: the same program ends the same way in strict mode and not", async () => {
  await property([fc.array(anything, { maxLength: 8 })], async (values) => {
    const outcomes = [];
    for (const strict of [false, true]) {
      const system = systemIn({ strict });
      const echo = untyped(await system.spawn(Echo));
      const results: unknown[] = [];
      for (const value of values) {
        results.push(
          await echo.ask("echo", value).catch((error: unknown) => isShoalError(error) ? error.message : "raw"),
        );
      }
      results.push(await echo.ask("count"));
      outcomes.push(results);
      await system.close({ now: true });
    }
    assert.deepStrictEqual(outcomes[0], outcomes[1]);
  }, { runs: 60 });
});

test("message: the limit of a system is the limit of its asks, tells and answers", async () => {
  await inSystem({ limits: { messageBytesMax: 100 } }, async (system) => {
    const echo = await system.spawn(Echo);
    assert.equal(await echo.ask("echo", "x".repeat(100)), "x".repeat(100));
    await fails(echo.ask("echo", "x".repeat(101)), "TooLarge", "failed");
    await fails(echo.tell("echo", "x".repeat(101)), "TooLarge", "failed");
    assert.ok(new ShoalError("TooLarge", "x") instanceof Error);
  });
});
