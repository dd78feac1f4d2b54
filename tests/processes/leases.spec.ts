// Leases by a clock of the test: whoever shows no sign of life for too long has lapsed, once, and nobody is judged by
// who was asleep, or could not see.
import { openStore } from "../../stores/open.ts";
import { ShoalError } from "../../stores/error.ts";
import type { Logs, Store } from "../../stores/store.ts";
import { realWorld } from "../../runtime/launch/world.ts";
import { lease, type LeaseParts, watch } from "../../runtime/nodes/leases.ts";
import { assert, fc, seed, test } from "../suite.ts";

const leaseMs = 1_000;

async function inStore(call: (store: Store, clock: { ms: number }, parts: LeaseParts) => Promise<void>): Promise<void> {
  const store = await openStore("memory:", { run: "leases", environment: realWorld, strict: true, thresholdBytes: 0 });
  const clock = { ms: 0 };
  try {
    await call(store, clock, { logs: store.logs, claims: store.claims, now: () => clock.ms, leaseMs });
  } finally {
    await store.close();
  }
}

test("watch: a node that beats is never taken for dead, and one that stops is, once, after its lease", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ ms: fc.integer({ min: 1, max: 400 }), beats: fc.boolean() }), {
        maxLength: 60,
        size: "max",
      }),
      (steps) =>
        inStore(async (_, clock, parts) => {
          const beat = lease(parts, "n2", 1);
          const others = watch(parts);
          others.add("n2");
          let seenAt = 0;
          let isLapsed = false;
          for (const { ms, beats } of steps) {
            clock.ms += ms;
            if (beats) {
              assert.equal(await beat(), "held");
              seenAt = clock.ms;
            }
            const lapsed = await others.look();
            assert.deepEqual(lapsed, !isLapsed && clock.ms - seenAt > leaseMs ? ["n2"] : []);
            isLapsed ||= lapsed.length > 0;
          }
        }),
    ),
    { seed, numRuns: 100 },
  ));

test("watch: who was asleep judges nobody by what it did not see", () =>
  inStore(async (_, clock, parts) => {
    const others = watch(parts);
    others.add("n2");
    clock.ms += 60_000;
    assert.deepEqual(await others.look(), []);
    for (const ms of [400, 400]) {
      clock.ms += ms;
      assert.deepEqual(await others.look(), []);
    }
    clock.ms += 400;
    assert.deepEqual(await others.look(), ["n2"]);
  }));

test("watch: a store that does not answer says nothing of anybody", () =>
  inStore(async ({ logs }, clock, parts) => {
    let isAway = true;
    const failing: Logs = {
      ...logs,
      read: (...asked) =>
        isAway ? Promise.reject(new ShoalError("Unavailable", "Cannot read: away")) : logs.read(...asked),
    };
    const others = watch({ ...parts, logs: failing });
    others.add("n2");
    const lapsedIn = async (rounds: number): Promise<boolean> => {
      for (let round = 0; round < rounds; round++) {
        clock.ms += 400;
        if ((await others.look()).length > 0) return true;
      }
      return false;
    };
    assert.equal(await lapsedIn(20), false);
    isAway = false;
    assert.equal(await lapsedIn(4), true);
  }));

test("lease: signs are trimmed, and whoever watches goes on from there", () =>
  inStore(async ({ logs }, clock, parts) => {
    const beat = lease(parts, "n2", 1);
    const others = watch(parts);
    others.add("n2");
    for (let round = 0; round < 20; round++) {
      for (let sign = 0; sign < 50; sign++) assert.equal(await beat(), "held");
      clock.ms += 450;
      assert.deepEqual(await others.look(), []);
    }
    const last = await logs.read("lease/n2", { epoch: 1, sequence: 992 });
    assert.equal(last.length, 8);
    await assert.rejects(logs.read("lease/n2", { epoch: 1, sequence: 900 }));
  }));

test("lease: a process whose node another has is told, by the log or by the claim", () =>
  inStore(async ({ claims }, _, parts) => {
    const first = lease(parts, "n2", 1);
    await claims.claim("node/n2", 1, "a");
    assert.equal(await first(), "held");
    await claims.claim("node/n2", 2, "b");
    assert.equal(await first(), "fenced");
    const second = lease(parts, "n2", 2);
    assert.equal(await second(), "held");
    assert.equal(await first(), "fenced");
  }));
