// Samples that are learnt from as they come: each once, in the order of their arrival, and what is wrong with one is told
// by its name when it is needed, also where it was fetched ahead.
import { launch, type System, type TensorRef } from "../../runtime/mod.ts";
import { batchesOf, inOrder } from "../../actors/training/samples.ts";
import { type Arrival, type Arrivals, arrivals } from "../../actors/training/arrivals.ts";
import { errorOf } from "../stores/world.ts";
import { assert, test } from "../suite.ts";

const grid = 2;
const cells = grid * grid;

/** A system, what arrives there, and what was said to be done with. */
async function withArrivals(
  count: number,
  body: (
    system: System,
    source: Arrivals,
    publish: (first: number, change?: number) => Promise<void>,
    done: string[],
  ) => Promise<void>,
): Promise<void> {
  const system = await launch({ store: "memory:", threads: 0 });
  try {
    const topic = system.topic<Arrival>("samples");
    const done: string[] = [];
    const source = arrivals({
      store: system.store,
      topic,
      count,
      shape: [grid, grid],
      done: ({ id }: TensorRef) => done.push(id),
    });
    await body(system, source, async (first, change = 0) => {
      const draft = await system.store.allocate("float64", [1, 2, grid, grid]);
      draft.data.forEach((_, at) => draft.data[at] = 10 * first + at + change);
      await topic.publish({ first, samples: await draft.seal() });
    }, done);
    source.close();
  } finally {
    await system.close();
  }
}

async function read(source: Arrivals, batch: number): Promise<number[]> {
  const all: number[] = [];
  for await (const chosen of batchesOf(source, inOrder(source.count), batch)) {
    for (const index of chosen) all.push(...source.input(index), ...source.target(index));
  }
  return all;
}

test("arrivals: each sample once, in the order of arrival, although it is told of twice; then it is done with", () =>
  withArrivals(4, async (_, source, publish, done) => {
    const order = [2, 0, 3, 1];
    for (const first of [2, 0, 2, 3, 0, 1]) await publish(first);
    const expected = order.flatMap((first) => Array.from({ length: 2 * cells }, (_, at) => 10 * first + at));
    assert.deepEqual(await read(source, 3), expected);
    assert.deepEqual(source.inOrder().map(({ first }) => first), [0, 1, 2, 3]);
    assert.equal(new Set(done).size, 4);
  }));

for (const batch of [1, 2]) {
  test(`arrivals: NaN is told by the name of its sample, ${batch} at a time, and nothing is learnt from it`, () =>
    withArrivals(4, async (_, source, publish) => {
      for (const [first, change] of [[3, 0], [1, 0], [2, NaN], [0, 0]] as const) await publish(first, change);
      let seen = 0;
      const error = await errorOf("BadInput", async () => {
        for await (const chosen of batchesOf(source, inOrder(4), batch)) seen += chosen.length;
      });
      assert.match(error.message, /the input of sample 2 holds NaN at 0/);
      assert.equal(seen, 2);
    }));
}

test("arrivals: one that cannot be got, fetched ahead, is the error that it is", () =>
  withArrivals(3, async (system, source, publish) => {
    const gone = await system.store.put({
      data: new Float64Array(2 * cells),
      dtype: "float64",
      shape: [1, 2, grid, grid],
    });
    await publish(0);
    // Its checksum is another's.
    await system.topic<Arrival>("samples").publish({ first: 1, samples: { ...gone, id: `${gone.id}0` } });
    await publish(2);
    await errorOf("Corrupt", () => read(source, 1));
  }));

test("arrivals: where no more will come than have, it is told how many are lacking", () =>
  withArrivals(3, async (system, source, publish) => {
    await publish(0);
    await system.topic<Arrival>("samples").close();
    const error = await errorOf("Lost", () => read(source, 2));
    assert.match(error.message, /1 of 3 samples have come, and no more will/);
  }));
