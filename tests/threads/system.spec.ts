// Actors in other threads, as a program sees them: the same calls, the same errors, and tensors that nobody copies.
import { launch, type LaunchOptions, ShoalError, type System } from "../../runtime/mod.ts";
import { assert, test } from "../suite.ts";
import { errorOf } from "../stores/world.ts";
import { hidden, Spawner, Worker } from "./actors.ts";

async function inThreads(options: LaunchOptions, body: (system: System) => Promise<void>): Promise<void> {
  const system = await launch({ threads: 2, ...options });
  try {
    await body(system);
  } finally {
    await system.close({ now: true });
  }
}

test("threads: actors answer, tell, stream, are found, watched and stopped as any other", () =>
  inThreads({}, async (system) => {
    const [one, two] = [
      await system.spawn(Worker, undefined, { on: "threads", name: "one" }),
      await system.spawn(Worker, undefined, { on: "threads" }),
    ];
    const places = new Set([await one.ask("thread"), await two.ask("thread"), 0]);
    assert.equal(places.size, 3, "each in a thread of its own, and none in the main one");
    await one.tell("add", 3);
    assert.equal(await one.ask("add", 4), 7);
    const streamed: number[] = [];
    for await (const value of two.stream("upTo", 100)) streamed.push(value);
    assert.deepEqual(streamed, Array.from({ length: 100 }, (_, index) => index + 1));
    const found = await system.find(Worker, "one");
    assert.equal(await found?.ask("add", 1), 8);
    const watched = system.watch(one);
    assert.equal((await system.stop(one)).reason, "stopped");
    assert.equal((await watched).reason, "stopped");
    const error = await errorOf("Ended", () => one.ask("add", 1));
    assert.notEqual(error.outcome, "done");
  }));

test("threads: what their actors log is recorded, all of it and in its order, also where it comes with no data", async () => {
  const said: unknown[] = [];
  const system = await launch({
    threads: 1,
    record(one) {
      if (one.type === "MessageLogged" && one.text.startsWith("line")) said.push([one.text, one.fields]);
    },
  });
  const worker = await system.spawn(Worker, undefined, { on: "threads" });
  for (let round = 0; round < 3; round++) await worker.ask("say", 50);
  await system.close();
  const round = Array.from({ length: 50 }, (_, index) => [`line ${index + 1}`, { n: index + 1 }]);
  round[49]![1] = { unreadable: "these were no data" } as never;
  assert.deepEqual(said, [...round, ...round, ...round]);
});

test("threads: what one puts another gets without a copy, and what is sent is the same as in one thread", () =>
  inThreads({ strict: true }, async (system) => {
    const [one, two] = [
      await system.spawn(Worker, undefined, { on: "threads" }),
      await system.spawn(Worker, undefined, { on: "threads" }),
    ];
    const ref = await one.ask("make", 100_000);
    const tensor = await system.store.get(ref);
    assert.equal(tensor.data.buffer instanceof SharedArrayBuffer, true);
    assert.equal(await two.ask("sum", ref), 100_000 * await one.ask("thread"));
    tensor.done();
    const mine = await system.store.put({ data: new Float64Array(5_000).fill(2) });
    assert.deepEqual(await Promise.all([one.ask("sum", mine), two.ask("sum", mine)]), [10_000, 10_000]);
    assert.ok(Object.is(await one.ask("echo", -0), -0));
  }));

test("threads: a pool is spread over all of them, by configuration only", () =>
  inThreads({ threads: 3 }, async (system) => {
    const pool = await system.pool(Worker, { size: 6 });
    const seen = new Set(await pool.map("thread", Array.from({ length: 60 }, () => undefined)));
    assert.ok(seen.size > 1 && !seen.has(0));
    await pool.stop();
    const spawner = await system.spawn(Spawner, undefined, { on: "threads" });
    const [own, other] = await spawner.ask("spawnOther");
    assert.notEqual(own, 0);
    assert.notEqual(other, 0);
    assert.equal(new Set(await spawner.ask("poolOf", 3)).size, 3);
  }));

test("threads: none are started for a program that wants none, and asked for none there are none", async () => {
  const system = await launch({ threads: 0 });
  await errorOf("BadInput", () => system.spawn(Worker, undefined, { on: "threads" }));
  const pool = await system.pool(Worker, { size: 2 });
  assert.deepEqual(await pool.map("thread", [undefined, undefined]), [0, 0]);
  await system.close();
});

test("threads: a launch within one is refused, and says where", () =>
  inThreads({}, async (system) => {
    const one = await system.spawn(Worker, undefined, { on: "threads" });
    const error = await errorOf("HandlerError", () => one.ask("begin"));
    assert.match(error.message, /Cannot launch inside .*main-t/);
  }));

test("threads: bad input says what is wrong: an odd place, a class that is not exported, not allowed, or nowhere", () =>
  inThreads({}, async (system) => {
    const odd = { on: "moon" } as unknown as { on: "threads" };
    await errorOf("BadInput", () => system.spawn(Worker, undefined, odd));
    await errorOf("BadInput", () => system.pool(Worker, { size: 1, ...odd }));
    const unexported = await errorOf("BadInput", () => system.spawn(hidden, undefined, { on: "threads" }));
    assert.match(unexported.message, /#Hidden: .*actors\.[jt]s does not export it; did you mean hidden\?/);
    class Local extends Worker {}
    const nowhere = await errorOf("BadInput", () => system.spawn(Local, undefined, { on: "threads" }));
    assert.match(nowhere.message, /Cannot name class Local: .*static readonly module = import\.meta\.url/);
    await errorOf("BadInput", () => launch({ allow: "everything" as unknown as string[] }));
  }));

test("threads: a class that is not on the allow-list is not loaded", () =>
  inThreads({ allow: ["shoal/actors"] }, async (system) => {
    const error = await errorOf("BadInput", () => system.spawn(Worker, undefined, { on: "threads" }));
    assert.match(error.message, /is not on the allow-list; add shoal to allow, which has shoal\/actors/);
  }));

test("threads: a module that cannot be loaded, or launches by itself, says so by its name", () =>
  inThreads({ allow: ["shoal/tests"] }, async (system) => {
    const ending = import.meta.url.endsWith(".js") ? ".js" : ".ts";
    const [Broken, Launching] = ["broken", "launching"].map((name) =>
      class extends Worker {
        static override readonly module: string = new URL(`./modules/${name}${ending}`, import.meta.url).href;
        static override get name(): string {
          return "Worker";
        }
      }
    );
    const broken = await errorOf("BadInput", () => system.spawn(Broken!, undefined, { on: "threads" }));
    assert.match(broken.message, /Cannot load .*broken\.[jt]s: this module does not load/);
    const launching = await errorOf("BadInput", () => system.spawn(Launching!, undefined, { on: "threads" }));
    assert.match(launching.message, /Cannot launch inside .*launching\.[jt]s/);
  }));

test("threads: a supervision that is a function stays in its thread, and is refused for others", () =>
  inThreads({ supervision: { on: () => "restart" } }, async (system) => {
    const error = await errorOf("BadInput", () => system.spawn(Worker, undefined, { on: "threads" }));
    assert.match(error.message, /name a directive/);
  }));

test("threads: closing lets what is in a mailbox be handled, and a closed system starts no threads", async () => {
  const system = await launch({ threads: 2 });
  const one = await system.spawn(Worker, undefined, { on: "threads" });
  const asks = Array.from({ length: 100 }, (_, value) => one.ask("echo", value));
  assert.equal(await one.ask("echo", 1), 1);
  await system.close();
  assert.deepEqual(await Promise.all(asks), Array.from({ length: 100 }, (_, value) => value));
  await errorOf("ShuttingDown", () => system.spawn(Worker, undefined, { on: "threads" }));
  await assert.rejects(one.ask("echo", 1), ShoalError);
});
