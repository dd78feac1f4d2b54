// Whoever waits for an answer waits as long as it said, or until its signal: deadlines and signals.
import { getEventListeners } from "node:events";
import { deadlines, Expiring } from "../../runtime/deadlines.ts";
import { Actor, type ActorRef, isShoalError } from "../../runtime/mod.ts";
import { assert, fc, property, test } from "../suite.ts";
import { checked, fails, followed, gate, inSystem, noTimers, world } from "./world.ts";
import type { Server } from "./server.ts";
import { loose, scene, server } from "./server.ts";

/* oxlint-disable unicorn/no-thenable -- odd thenables are what is tested */

// ——— deadlines

test("deadline: it passes while the ask is queued: failed, and its handler never runs", async () => {
  await inSystem({}, async (system) => {
    const ref = await server(system);
    const running = followed(ref.ask("hold", 1));
    const queued = followed(ref.ask("hold", 2, { timeoutMs: 100 }));
    await system.environment.advance(99);
    assert.equal(queued.ended, undefined);
    await system.environment.advance(2);
    const error = checked(queued.ended, "Timeout", "failed");
    assert.match(error.message, /hold.*100 ms/);
    scene.door.open();
    await system.environment.settle();
    assert.deepEqual(running.ended, { value: 1 });
    assert.deepEqual(await ref.ask("seen"), [1, 1]);
  });
});

test("deadline: it passes while the handler runs: unknown, the handler is told, its answer is nobody's", async () => {
  await inSystem({}, async (system) => {
    const ref = await server(system);
    const call = followed(ref.ask("watchful", undefined, { timeoutMs: 100 }));
    await system.environment.advance(101);
    checked(call.ended, "Timeout", "unknown");
    scene.door.open();
    await system.environment.settle();
    assert.equal(call.times, 1);
    assert.equal(await ref.ask("abortedWith"), "Timeout unknown");
    assert.equal(system.statistics().crashes, 0);
  });
});

test("deadline: a handler that looks at its signal only afterwards sees that nobody waits", async () => {
  await inSystem({}, async (system) => {
    const ref = await server(system);
    const call = followed(ref.ask("belated", undefined, { timeoutMs: 100 }));
    await system.environment.advance(101);
    checked(call.ended, "Timeout", "unknown");
    scene.door.open();
    await system.environment.settle();
    assert.equal(await ref.ask("abortedWith"), "Timeout unknown");
  });
});

test("deadline: a handler that throws after it is no answer any more, but a failure all the same", async () => {
  class Late extends Actor {
    async crash(): Promise<never> {
      await scene.door.opened;
      throw new Error("late");
    }
  }
  await inSystem({}, async (system) => {
    scene.door = gate();
    const ref = await system.spawn(Late);
    const call = followed(ref.ask("crash", undefined, { timeoutMs: 10 }));
    await system.environment.advance(20);
    checked(call.ended, "Timeout", "unknown");
    scene.door.open();
    await system.environment.settle();
    assert.equal(call.times, 1);
    assert.equal(system.statistics().crashes, 1);
    assert.equal(system.statistics().restarts, 1);
  });
});

test("deadline: no number of milliseconds is BadInput; 0 and what is huge are numbers", async () => {
  await inSystem({}, async (system) => {
    const ref = await server(system);
    for (const timeoutMs of [NaN, -1, -Infinity, {} as unknown as number]) {
      const call = followed(ref.ask("add", 100, { timeoutMs }));
      await system.environment.settle();
      checked(call.ended, "BadInput", "failed");
    }
    const held = followed(ref.ask("hold", 1));
    const none = followed(ref.ask("add", 100, { timeoutMs: 0 }));
    await system.environment.advance(0);
    await system.environment.advance(1);
    checked(none.ended, "Timeout", "failed");
    const huge = [Infinity, Number.MAX_VALUE, 2 ** 31, 2 ** 53].map((timeoutMs) =>
      followed(ref.ask("add", 1, { timeoutMs }))
    );
    await system.environment.advance(1_000);
    assert.ok(huge.every(({ ended }) => ended === undefined));
    scene.door.open();
    await system.environment.settle();
    assert.deepEqual(held.ended, { value: 1 });
    assert.deepEqual(huge.map(({ ended }) => ended?.value), [2, 3, 4, 5], "those of bad deadlines never ran");
  });
});

test("deadline: without one of its own an ask has the system's", async () => {
  await inSystem({ limits: { replyTimeoutMs: 500 } }, async (system) => {
    const ref = await server(system);
    const calls = [followed(ref.ask("hold", 1)), followed(ref.ask("hold", 2))];
    await system.environment.advance(501);
    checked(calls[0]!.ended, "Timeout", "unknown");
    checked(calls[1]!.ended, "Timeout", "failed");
    scene.door.open();
  });
});

test("deadline: thousands of them, of many lengths, each ends in its time", async () => {
  await property([fc.array(fc.integer({ min: 1, max: 2_000 }), { maxLength: 100 })], async (waits) => {
    await inSystem({}, async (system) => {
      const ref = await server(system);
      void ref.tell("hold", 0);
      const { environment } = system;
      const began = environment.now();
      const late: number[] = [];
      const calls = waits.map((timeoutMs) =>
        ref.ask("hold", 1, { timeoutMs }).then(() => assert.fail("it was answered"), () => {
          late.push(environment.now() - began - timeoutMs);
        })
      );
      await environment.advance(2_001);
      await Promise.all(calls);
      assert.ok(
        late.every((ms) => ms >= 0 && ms <= 1),
        `late by ${Math.max(...late)} ms, early by ${-Math.min(...late)} ms`,
      );
      scene.door.open();
    });
  }, { runs: 25 });
});

test("deadlines: each that was added and not removed expires once, in its time, whatever else comes and goes", async () => {
  const ops = fc.array(
    fc.oneof(
      fc.record({ do: fc.constant("add" as const), ms: fc.constantFrom(0, 1, 10, 10, 10, 100, 100, 700, Infinity) }),
      fc.record({ do: fc.constant("remove" as const), ms: fc.nat() }),
      fc.record({ do: fc.constant("advance" as const), ms: fc.integer({ min: 0, max: 120 }) }),
    ),
    { maxLength: 60 },
  );
  await property([ops], async (plan) => {
    const environment = world();
    const waits = deadlines(environment);
    const live = new Map<Expiring, number>();
    const expire = async (ms: number): Promise<void> => {
      await environment.advance(ms);
      for (const due of live.values()) assert.ok(due > environment.now(), "it should have expired");
    };
    for (const { do: act, ms } of plan) {
      if (act === "add") {
        const item = new Expiring();
        const due = environment.now() + ms;
        item.expired = () => {
          assert.ok(live.delete(item), "it was removed, or has expired before");
          assert.ok(environment.now() >= due && environment.now() <= due + 1, `${environment.now()} for ${due}`);
        };
        waits.add(item, ms);
        live.set(item, due);
      } else if (act === "remove") {
        const item = [...live.keys()][ms % Math.max(1, live.size)];
        if (item === undefined) continue;
        live.delete(item);
        waits.remove(item);
        waits.remove(item);
      } else await expire(ms);
    }
    await expire(2_000);
    for (const item of live.keys()) waits.remove(item);
    await environment.advance(300);
    assert.equal(environment.timers, 0, "nobody waits, and a timer is left");
  }, { runs: 150 });
});

// ——— signals

test("signal: already aborted: Cancelled, failed, and its handler never runs", async () => {
  await inSystem({}, async (system) => {
    const ref = await server(system);
    const reason = new Error("not now");
    const error = await fails(ref.ask("add", 1, { signal: AbortSignal.abort(reason) }), "Cancelled", "failed");
    assert.equal(error.cause, reason);
    assert.deepEqual(await ref.ask("seen"), [0, 0]);
  });
});

test("signal: aborted while queued: failed, and its handler never runs; while running: unknown, and it is told", async () => {
  await inSystem({}, async (system) => {
    const ref = await server(system);
    const controller = new AbortController();
    const { signal } = controller;
    const running = followed(ref.ask("watchful", undefined, { signal }));
    const queued = followed(ref.ask("add", 100, { signal }));
    await system.environment.settle();
    controller.abort("enough");
    await system.environment.settle();
    assert.equal(checked(running.ended, "Cancelled", "unknown").cause, "enough");
    checked(queued.ended, "Cancelled", "failed");
    scene.door.open();
    await system.environment.settle();
    assert.equal(await ref.ask("abortedWith"), "Cancelled unknown");
    assert.equal(await ref.ask("add", 1), 1);
    assert.deepEqual([running.times, queued.times], [1, 1]);
  });
});

test("signal: aborted after the end changes nothing, and nobody listens to it any more", async () => {
  await inSystem({}, async (system) => {
    const ref = await server(system);
    const controller = new AbortController();
    const { signal } = controller;
    const listeners = (): number => getEventListeners(signal, "abort").length;
    assert.equal(await ref.ask("add", 1, { signal }), 1);
    await fails(ref.ask("fail", "error", { signal }), "HandlerError");
    await fails(loose(ref).ask("nothing", 1, { signal }), "BadInput");
    await fails(loose(ref).ask("add", () => 1, { signal }), "BadInput");
    const late = followed(ref.ask("hold", 1, { signal, timeoutMs: 5 }));
    const queued = followed(ref.ask("add", 1, { signal, timeoutMs: 5 }));
    await system.environment.advance(6);
    checked(late.ended, "Timeout");
    checked(queued.ended, "Timeout");
    assert.equal(listeners(), 0);
    controller.abort();
    await system.environment.settle();
    assert.deepEqual([late.times, queued.times], [1, 1]);
    scene.door.open();
  });
});

test("signal: one that is none is refused, and leaves nothing behind", async () => {
  await inSystem({}, async (system) => {
    const ref = await server(system);
    const call = followed(loose(ref).ask("add", 1, { signal: {}, timeoutMs: 50 }));
    await system.environment.settle();
    const error = call.ended?.error;
    assert.ok(error instanceof TypeError || isShoalError(error, "BadInput"), String(error));
    await noTimers(system);
    assert.deepEqual(await ref.ask("seen"), [0, 0]);
  });
});

test("signal: that of a tell never aborts", async () => {
  await inSystem({}, async (system) => {
    const ref = await server(system);
    await ref.tell("signalOfTell");
    assert.equal(await ref.ask("abortedWith"), "false");
  });
});

test("signal: each handler has its own: the next one's is fresh", async () => {
  await inSystem({}, async (system) => {
    const ref = await server(system);
    const first = followed(ref.ask("watchful", undefined, { timeoutMs: 10 }));
    const second = followed(ref.ask("belated"));
    await system.environment.advance(20);
    checked(first.ended, "Timeout", "unknown");
    scene.door.open();
    await system.environment.settle();
    assert.deepEqual(second.ended, { value: undefined });
    assert.equal(await ref.ask("abortedWith"), "not aborted");
  });
});

test("signal: a handler that passes its own on ends what it asked when nobody waits for it any more", async () => {
  class Middle extends Actor {
    heard = "";
    async relay(to: ActorRef<Server>): Promise<unknown> {
      try {
        return await to.ask("watchful", undefined, { signal: this.signal });
      } catch (error) {
        this.heard = isShoalError(error) ? `${error.code} ${error.outcome}` : String(error);
        throw error;
      }
    }
    what(): string {
      return this.heard;
    }
  }
  await inSystem({}, async (system) => {
    const ref = await server(system);
    const middle = await system.spawn(Middle, undefined, { supervision: { on: "resume" } });
    const call = followed(middle.ask("relay", ref, { timeoutMs: 100 }));
    await system.environment.advance(101);
    checked(call.ended, "Timeout", "unknown");
    assert.equal(await middle.ask("what"), "Cancelled unknown");
    scene.door.open();
    await system.environment.settle();
    assert.equal(await ref.ask("abortedWith"), "Cancelled unknown");
    // Told, it has no caller who could leave; and what it asks leaves no listener behind.
    await middle.tell("relay", ref);
    await system.environment.settle();
    assert.equal(call.times, 1);
  });
});
