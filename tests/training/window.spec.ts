// A window on samples: whatever it may hold, the same numbers are read as without one, no more is held than is needed,
// and nothing is held in the end.
import { ShoalError } from "../../runtime/mod.ts";
import { batchesOf, inOrder } from "../../actors/training/samples.ts";
import { type Part, type Window, windowOn } from "../../actors/training/window.ts";
import { errorOf } from "../stores/world.ts";
import { assert, fc, property, test } from "../suite.ts";

/** Parts of so many samples of two numbers each; the fetching of one takes a turn or a few. */
function partsWith(counts: readonly number[], change?: (data: Float64Array, part: number) => void) {
  const now = { held: 0, most: 0, fetched: 0 };
  let first = 0;
  const parts = counts.map((count, index): Part => {
    const data = Float64Array.from({ length: count * 4 }, (_, at) => 4 * first + at);
    first += count;
    change?.(data, index);
    return {
      count,
      bytes: data.byteLength,
      async fetch() {
        now.held += data.byteLength;
        now.fetched++;
        now.most = Math.max(now.most, now.held);
        for (let turn = 0; turn <= index % 3; turn++) await Promise.resolve();
        let isDone = false;
        return {
          data,
          done() {
            assert.ok(!isDone, "ended twice");
            isDone = true;
            now.held -= data.byteLength;
          },
        };
      },
    };
  });
  return { parts, now };
}

/** What is read of a window in an order. */
async function read(window: Window, order: Uint32Array, batch: number): Promise<number[]> {
  const all: number[] = [];
  for await (const chosen of batchesOf(window, order, batch)) {
    for (const index of chosen) all.push(...window.input(index), ...window.target(index));
  }
  return all;
}

const wanted = (order: Uint32Array): number[] =>
  [...order].flatMap((index) => [0, 1, 2, 3].map((at) => 4 * index + at));

test("window: whatever it holds, each sample is what it is, in any order, and all of it ends", async () => {
  await property(
    [
      fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 12, size: "max" }),
      fc.integer({ min: 1, max: 6 }),
      fc.nat({ max: 1_000 }),
      fc.nat(),
    ],
    async (counts, batch, heldBytesMax, turn) => {
      const { parts, now } = partsWith(counts);
      const window = await windowOn(parts, [2], { heldBytesMax });
      const order = inOrder(window.count).map((index) => (index * 7 + turn) % Math.max(1, window.count));
      for (let epoch = 0; epoch < 2; epoch++) assert.deepEqual(await read(window, order, batch), wanted(order));
      // Beside what it may hold: what is read now, and what is read next.
      const largest = Math.max(...counts) * 32;
      assert.ok(now.most <= heldBytesMax + 2 * batch * largest, `${now.most} held of ${heldBytesMax}`);
      window.close();
      assert.equal(now.held, 0);
    },
    { runs: 200 },
  );
});

test("window: what fits is fetched once, however often it is read", async () => {
  const { parts, now } = partsWith([3, 3, 3]);
  const window = await windowOn(parts, [2]);
  assert.equal(now.fetched, 3);
  for (let epoch = 0; epoch < 3; epoch++) await read(window, inOrder(9), 2);
  assert.equal(now.fetched, 3);
  assert.equal(window.waited.count, 3);
  window.close();
});

test("window: what a store that answers at once takes is waited for, also of what is fetched ahead", async () => {
  const { parts } = partsWith([1, 1, 1, 1]);
  const blockingMs = 2;
  const blocking = parts.map((part): Part => ({
    ...part,
    fetch() {
      for (const began = performance.now(); performance.now() - began < blockingMs;);
      return part.fetch();
    },
  }));
  for (const heldBytesMax of [0, 1_000_000]) {
    const window = await windowOn(blocking, [2], { heldBytesMax });
    await read(window, inOrder(4), 1);
    assert.equal(window.waited.count, 4);
    assert.ok(window.waited.sum * 1_000 >= 4 * blockingMs, String(window.waited.sum));
    window.close();
  }
});

for (const heldBytesMax of [0, 1_000_000]) {
  test(`window: NaN is told by the number of its sample (holding ${heldBytesMax} bytes)`, async () => {
    const { parts, now } = partsWith([3, 4, 2], (data, part) => part === 1 ? data[2 * 4 + 3] = NaN : undefined);
    const error = await errorOf("BadInput", async () => {
      const window = await windowOn(parts, [2], { heldBytesMax });
      try {
        await read(window, inOrder(9), 2);
      } finally {
        window.close();
      }
    });
    assert.match(error.message, /the target of sample 5 holds NaN at 1/);
    assert.equal(now.held, 0);
  });

  test(`window: whoever looks at the numbers himself gets them as they are (holding ${heldBytesMax} bytes)`, async () => {
    const { parts } = partsWith([3, 4], (data, part) => part === 1 ? data[0] = NaN : undefined);
    const window = await windowOn(parts, [2], { heldBytesMax, isChecked: false });
    assert.deepEqual(await read(window, inOrder(7), 2), wanted(inOrder(7)).map((value) => value === 12 ? NaN : value));
    window.close();
  });

  test(`window: what cannot be fetched is the error that it is (holding ${heldBytesMax} bytes)`, async () => {
    const { parts, now } = partsWith([3, 3, 3, 3]);
    let fails = true;
    const failing: Part = {
      ...parts[2]!,
      async fetch() {
        await Promise.resolve();
        if (fails) throw new ShoalError("Unavailable", "Cannot fetch: the server is gone");
        return await parts[2]!.fetch();
      },
    };
    const all = [parts[0]!, parts[1]!, failing, parts[3]!];
    let window: Window | undefined;
    await errorOf("Unavailable", async () => {
      window = await windowOn(all, [2], { heldBytesMax });
      await read(window, inOrder(12), 2);
    });
    // Once it can be fetched again, it is.
    fails = false;
    window ??= await windowOn(all, [2], { heldBytesMax });
    assert.deepEqual(await read(window, inOrder(12), 2), wanted(inOrder(12)));
    window.close();
    assert.equal(now.held, 0);
  });
}
