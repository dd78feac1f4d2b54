// The shared memory of `memory:` between real threads: no byte of another's, nothing lost, nothing left behind, also
// where a thread is ended in the middle of whatever it does.
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import { realWorld } from "../../runtime/launch/world.ts";
import { memoryStore } from "../../stores/memory.ts";
import type { Store, TensorRef } from "../../stores/store.ts";
import { assert, long, seed, test } from "../suite.ts";
import type { Done, Work } from "./putter.ts";

const putter = new URL(`./putter${import.meta.url.endsWith(".js") ? ".js" : ".ts"}`, import.meta.url);

interface Thread {
  readonly worker: Worker;
  readonly done: Promise<Done | undefined>;
}

/** Threads with a port between each two, all of one store. */
async function threadsOf(store: Store, count: number, work: Omit<Work, "home" | "others" | "seed">): Promise<Thread[]> {
  const ports = Array.from({ length: count }, (): MessagePort[] => []);
  for (let one = 0; one < count; one++) {
    for (let other = 0; other < one; other++) {
      const { port1, port2 } = new MessageChannel();
      ports[one]!.push(port1);
      ports[other]!.push(port2);
    }
  }
  return await Promise.all(ports.map(async (others, index): Promise<Thread> => {
    const worker = new Worker(putter);
    const home = store.share!().port;
    let settle!: (done: Done | undefined) => void;
    const done = new Promise<Done | undefined>((resolve) => settle = resolve);
    const ready = new Promise<void>((resolve, reject) => {
      worker.on("message", (message: Done | "ready") => message === "ready" ? resolve() : settle(message));
      worker.on("error", reject);
      worker.on("exit", () => settle(undefined));
    });
    worker.postMessage({ ...work, home, others, seed: seed + index } satisfies Work, [home, ...others]);
    await ready;
    return { worker, done };
  }));
}

/** What lapses does so by the machine's clock, and on a busy machine later: only one that never does is a failure. */
async function emptied(store: Store): Promise<void> {
  for (let waits = 0; store.statistics().tensors > 0 && waits < 1_200; waits++) {
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  const { tensors, bytes } = store.statistics();
  assert.deepEqual({ tensors, bytes }, { tensors: 0, bytes: 0 });
}

async function ended({ worker }: Thread): Promise<void> {
  const exit = new Promise((resolve) => worker.once("exit", resolve));
  worker.postMessage("end");
  await exit;
}

for (const capacityBytes of [2 ** 30, 400_000]) {
  test(`memory: ${capacityBytes} bytes among four threads: every byte is right, and all room is left`, async () => {
    const store = memoryStore({ run: "r", environment: realWorld, strict: true, capacityBytes, graceMs: 10 });
    const threads = await threadsOf(store, 4, {
      count: long ? 20_000 : 500,
      leaseMs: 20,
      bytesMax: 100_000,
      reads: true,
    });
    const results = await Promise.all(threads.map(({ done }) => done));
    for (const result of results) {
      assert.deepEqual(result?.faults, []);
      assert.ok(result.sent > 0 && result.seen > 0);
    }
    await emptied(store);
    await Promise.all(threads.map(ended));
    await store.close();
  }, { timeoutMs: 60_000 * (long ? 20 : 1) });
}

test("memory: a thread that is ended leaves no room taken, and no line of those who wait standing", async () => {
  for (let round = 0; round < (long ? 100 : 5); round++) {
    const store = memoryStore({ run: "r", environment: realWorld, capacityBytes: 400_000, graceMs: 10 });
    const threads = await threadsOf(store, 3, { count: 300, leaseMs: 20, bytesMax: 100_000, reads: false });
    // Somewhere in its work: after a few turns of this thread's own.
    for (let turns = (seed + round * 7) % 60; turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
    const [victim, ...others] = threads;
    await victim!.worker.terminate();
    for (const { done } of others) assert.deepEqual((await done)?.faults, []);
    await emptied(store);
    await Promise.all(others.map(ended));
    await store.close();
  }
}, { timeoutMs: 60_000 * (long ? 20 : 1) });

test("memory: what a thread has put outlives it, and who closes the store closes it for all", async () => {
  const store = memoryStore({ run: "r", environment: realWorld, strict: true });
  const worker = new Worker(putter);
  const home = store.share!().port;
  const { port1, port2 } = new MessageChannel();
  const mail = new Promise<{ ref: TensorRef; fill: number }>((resolve) => port1.once("message", resolve));
  const work: Work = { home, others: [port2], count: 1, seed, leaseMs: 60_000, bytesMax: 100_000, reads: false };
  worker.postMessage(work, [home, port2]);
  const { ref, fill } = await mail;
  const tensor = await store.tensors.get(ref);
  await worker.terminate();
  assert.ok((tensor.data as Uint8Array).every((byte) => byte === fill));
  tensor.done();
  const again = await store.tensors.get(ref);
  assert.ok((again.data as Uint8Array).every((byte) => byte === fill));
  again.done();
  port1.close();
  await store.close();
});
