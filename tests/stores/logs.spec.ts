// Logs and claims of `memory:` by example: positions, trims that are told of, waits, and limits of its own.
// The rest is said by the laws of stores (laws.spec.ts).
import { memoryStore } from "../../stores/memory.ts";
import type { Entry, Position, Store } from "../../stores/store.ts";
import { assert, test } from "../suite.ts";
import { errorOf, isSettled, turn, type World, world } from "./world.ts";

const opened = (environment: World = world(), logBytesMax = 2 ** 20): Store =>
  memoryStore({ run: "r", environment, strict: true, logBytesMax });
const frame = (...bytes: number[]): Uint8Array => Uint8Array.from(bytes);
const shown = (entries: readonly Entry[]): string[] =>
  entries.map(({ epoch, sequence, frame }) => `${epoch}-${sequence}:${[...frame].join()}`);

test("logs: append numbers from 1 in each epoch, and read goes on after a position", async () => {
  const { logs, close } = opened();
  assert.deepEqual(await logs.append("s", 1, [frame(1), frame(2)]), { epoch: 1, sequence: 2 });
  assert.deepEqual(await logs.append("s", 1, []), { epoch: 1, sequence: 2 });
  assert.deepEqual(await logs.append("s", 4, []), { epoch: 4, sequence: 0 });
  assert.deepEqual(await logs.append("s", 4, [frame(3)]), { epoch: 4, sequence: 1 });
  assert.deepEqual(shown(await logs.read("s", undefined)), ["1-1:1", "1-2:2", "4-1:3"]);
  assert.deepEqual(shown(await logs.read("s", { epoch: 1, sequence: 1 }, { entriesMax: 1 })), ["1-2:2"]);
  assert.deepEqual(shown(await logs.read("s", { epoch: 2, sequence: 9 })), ["4-1:3"]);
  assert.deepEqual(await logs.read("s", { epoch: 4, sequence: 1 }), []);
  assert.deepEqual(await logs.read("other", undefined), []);
  assert.deepEqual(await logs.streams(""), ["s"]);
  await close();
});

test("logs: a reader that comes late for what was trimmed gets Lost with the range", async () => {
  const { logs, close } = opened();
  await logs.append("s", 1, [frame(1), frame(2), frame(3)]);
  await logs.trim("s", { epoch: 1, sequence: 0 });
  assert.equal((await logs.read("s", undefined)).length, 3);
  await logs.trim("s", { epoch: 1, sequence: 2 });
  await logs.trim("s", { epoch: 1, sequence: 1 });
  const error = await errorOf("Lost", () => logs.read("s", undefined));
  assert.match(error.message, /Cannot read s after the start: trimmed through 1-2/);
  const range = error.cause as { through: Position };
  assert.deepEqual(shown(await logs.read("s", range.through)), ["1-3:3"]);
  await errorOf("Lost", () => logs.read("s", { epoch: 1, sequence: 1 }, { waitMs: 1_000 }));
  await logs.trim("s", { epoch: 9, sequence: 9 });
  await logs.trim("unknown", { epoch: 9, sequence: 9 });
  await logs.append("s", 1, [frame(4)]);
  assert.deepEqual(shown(await logs.read("s", { epoch: 1, sequence: 3 })), ["1-4:4"]);
  assert.deepEqual(await logs.streams(""), ["s"]);
  await close();
});

test("logs: frames are the log's own, whatever becomes of the buffers that came and went", async () => {
  const { logs, close } = opened();
  const mine = Buffer.from([1, 2, 3]);
  await logs.append("s", 1, [mine.subarray(1)]);
  mine.fill(9);
  const [read] = await logs.read("s", undefined);
  assert.deepEqual(read!.frame, frame(2, 3));
  read!.frame.fill(8);
  assert.deepEqual((await logs.read("s", undefined))[0]!.frame, frame(2, 3));
  await close();
});

test("logs: read waits for the next frame, up to waitMs, until its signal", async () => {
  const environment = world();
  const { logs, close } = opened(environment);
  const first = logs.read("s", undefined, { waitMs: 1_000 });
  assert.equal(await isSettled(first), false);
  assert.deepEqual(await logs.streams(""), [], "waiting for a stream does not make it");
  await logs.append("s", 1, []);
  assert.equal(await isSettled(first), false);
  await logs.append("s", 1, [frame(1)]);
  assert.deepEqual(shown(await first), ["1-1:1"]);

  const none = logs.read("s", { epoch: 1, sequence: 1 }, { waitMs: 1_000 });
  await environment.advance(999);
  assert.equal(await isSettled(none), false);
  await environment.advance(1);
  assert.deepEqual(await none, []);

  const controller = new AbortController();
  const cut = errorOf("Cancelled", () =>
    logs.read("s", { epoch: 5, sequence: 0 }, {
      waitMs: 1_000,
      signal: controller.signal,
    }));
  await turn();
  await logs.append("s", 1, [frame(2)]); // before the position it waits for
  await turn();
  controller.abort();
  await cut;
  await errorOf("Cancelled", () => logs.read("s", undefined, { signal: controller.signal }));
  assert.equal(environment.timers, 0);
  await close();
});

test("logs: refuse what is out of bounds, and take nothing of it", async () => {
  const { logs, abilities, close } = opened(world(), 1_000);
  for (const epoch of [-1, 1.5, NaN, 2 ** 53]) await errorOf("BadInput", () => logs.append("s", epoch, [frame(1)]));
  for (const name of ["", "x".repeat(1_025), "\ud800"]) await errorOf("BadInput", () => logs.append(name, 1, []));
  await errorOf("BadInput", () => logs.append("s", 1, [frame(1), "x" as never]));
  await errorOf("TooLarge", () => logs.append("s", 1, [frame(1), new Uint8Array(abilities.frameBytesMax + 1)]));
  await errorOf("CapacityExceeded", () => logs.append("s", 1, [new Uint8Array(1_000)]));
  await errorOf("BadInput", () => logs.read("s", { epoch: 0, sequence: -1 }));
  await errorOf("BadInput", () => logs.read("s", undefined, { entriesMax: 0 }));
  await errorOf("BadInput", () => logs.read("s", undefined, { waitMs: NaN }));
  assert.deepEqual(await logs.streams(""), []);
  for (let count = 0; count < 100; count++) {
    const position = await logs.append("s", 1, [new Uint8Array(500)]);
    await logs.trim("s", position); // what is trimmed makes room
  }
  await close();
});

test("claims: of all who claim one epoch one holds, the others learn its value", async () => {
  const { claims, close } = opened();
  const [a, b] = await Promise.all([claims.claim("n", 1, "a"), claims.claim("n", 1, "b")]);
  assert.deepEqual([a, b], [{ held: true, epoch: 1, value: "a" }, { held: false, epoch: 1, value: "a" }]);
  assert.equal((await claims.claim("n", 1, "a")).held, true, "a repeat after a lost answer");
  assert.deepEqual(await claims.claim("n", 3, "c"), { held: true, epoch: 3, value: "c" });
  assert.deepEqual(await claims.claim("n", 1, "a"), { held: false, epoch: 3, value: "c" });
  assert.deepEqual(await claims.claim("n", 2, "c"), { held: false, epoch: 3, value: "c" });
  assert.deepEqual(await claims.claimed("n"), { epoch: 3, value: "c" });
  assert.equal(await claims.claimed("unknown"), undefined);
  await errorOf("BadInput", () => claims.claim("n", -1, "x"));
  await errorOf("BadInput", () => claims.claim("", 1, "x"));
  await errorOf("TooLarge", () => claims.claim("n", 9, "x".repeat(65_537)));
  assert.deepEqual(await claims.claims(""), ["n"]);
  await close();
});
