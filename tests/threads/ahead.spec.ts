// How many tasks a member of a pool is given at a time: one, and more only where they take less time than the way.

import { launch } from "../../runtime/mod.ts";
import { Place } from "../../runtime/place.ts";
import { assert, test } from "../suite.ts";
import { Worker } from "./actors.ts";

/** Tasks one after the other that take so long each. */
function served(place: Place<string>, count: number, taskMs: number, startMs = 0): number {
  let now = startMs;
  for (let i = 0; i < count; i++) {
    place.begin(now, false);
    now += taskMs;
    place.end(now);
  }
  return now;
}

test("a member of whom nothing is known, or whose tasks take long, is given one task at a time", () => {
  const place = new Place("far", true);
  for (const [count, taskMs] of [[0, 0], [100, 2], [3, 60_000]] as const) {
    served(place, count, taskMs);
    assert.equal(place.room, 1);
    place.begin(0, false);
    assert.equal(place.room, 0);
    place.end(taskMs + 1);
  }
});

test("one whose tasks are short is given some ahead, within bounds, and no longer after the first long one", () => {
  const place = new Place("far", true);
  const now = served(place, 200, 0.001);
  place.begin(now, false);
  assert.equal(place.room, 31);
  for (let i = 0; i < 31; i++) place.begin(now, false);
  assert.equal(place.room, 0);
  place.end(now + 100);
  assert.equal(place.room, 0);
});

test("a task that may be what ends its members has nobody beside it, and one who is near has one at a time", () => {
  const far = new Place("far", true);
  served(far, 200, 0.001);
  far.begin(1, true);
  assert.equal(far.room, 0);
  far.end(1.001);
  far.begin(2, false);
  assert.ok(far.room > 0, `${far.room}`);
  const near = new Place("near", false);
  served(near, 200, 0.001);
  near.begin(1, false);
  assert.equal(near.room, 0);
});

test(
  "ahead: of tasks that stand behind one which ends its thread, each is answered, and none is given up for it",
  async () => {
    const system = await launch({ threads: 2, record: () => {}, strict: false });
    try {
      const pool = await system.pool(Worker, { size: 2, attemptsMax: 2 });
      const numbers = Array.from({ length: 2_000 }, (_, index) => index);
      assert.deepEqual(await pool.map("echo", numbers), numbers);
      // Short ones before it and behind it, all under way at once.
      const before = numbers.slice(0, 20).map((number) => pool.ask("echo", number));
      const deadly = assert.rejects(pool.ask("end", "exit"), { code: /^(Ended|Lost)$/ });
      const behind = numbers.slice(0, 20).map((number) => pool.ask("echo", number));
      await deadly;
      assert.deepEqual(await Promise.all(before), numbers.slice(0, 20));
      assert.deepEqual(await Promise.all(behind), numbers.slice(0, 20));
      assert.equal(pool.size, 2);
    } finally {
      await system.close({ now: true });
    }
  },
  { timeoutMs: 60_000 },
);
