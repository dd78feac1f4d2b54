// The end of a run on `shm:`: what it holds goes when it ended well, stays where somebody may go on with it, and goes
// by a sweep after a crash. Also where threads were ended in the middle.
// minutes: 2
import { existsSync, readdirSync } from "node:fs";
import { launch, type LaunchOptions, type System } from "../../runtime/mod.ts";
import { endRun, openPlace, openStore } from "../../stores/open.ts";
import { shmRoot } from "../../stores/shm.ts";
import { foldersOf } from "../../stores/shm/place.ts";
import { entry, inFolder } from "../cli/stage.ts";
import { errorOf, openOptions } from "../stores/world.ts";
import { assert, test } from "../suite.ts";
import { Worker } from "../threads/actors.ts";
import { arenasIn, inMemory, real } from "./place.ts";

const timeoutMs = 120_000;
/** Elements of a tensor that does not fit into its reference. */
const size = 5_000;
const urlOf = (dir: string): string => `shm:?dir=${encodeURIComponent(dir)}&capacity=64MB`;
const left = (dir: string): string[] => readdirSync(shmRoot(dir));

async function system(dir: string, options: LaunchOptions = {}): Promise<System> {
  return await launch({ store: urlOf(dir), threads: 2, record: () => {}, strict: false, ...options });
}

test(
  "launch: of a run without a name, nothing is left in shared memory once its system has closed",
  () =>
    inMemory(async (dir) => {
      const running = await system(dir);
      const { run } = running;
      const workers = await Promise.all([1, 2].map(() => running.spawn(Worker, undefined, { on: "threads" })));
      const own = await running.store.put({ data: new Float64Array(size).fill(1) });
      assert.equal(await workers[0]!.ask("sum", own), size);
      for (const worker of workers) (await running.store.get(await worker.ask("make", size))).done();
      assert.equal(arenasIn(dir, run).length, 3);
      await running.close();
      assert.deepEqual(left(dir), []);
    }),
  { timeoutMs },
);

for (const how of ["exit", "error"] as const) {
  test(
    `launch: a thread that ends by ${how} leaves what it made, and holds nothing any more`,
    () =>
      inMemory(async (dir) => {
        const running = await system(dir, { threads: 1 });
        const { run } = running;
        const worker = await running.spawn(Worker, undefined, { on: "threads" });
        const made = await worker.ask("make", size);
        const read = await running.store.put({ data: new Float64Array(size) });
        // Its view of this ends with its thread alone.
        await worker.ask("sum", read);
        const writer = made.id.slice(0, 16);
        await worker.ask("end", how).catch(() => {});
        // Another thread has taken its place.
        while (await worker.ask("thread").then(() => false, () => true));
        (await running.store.get(made)).done();
        await running.store.release(made);
        await running.store.release(read);
        const other = await running.spawn(Worker, undefined, { on: "threads" });
        await running.store.release(await other.ask("make", size));
        await running.close();
        assert.ok(!existsSync(`${foldersOf(shmRoot(dir), run).arenas}/${writer}`));
        assert.deepEqual(left(dir), []);
      }),
    { timeoutMs },
  );
}

test(
  "launch: a run with a name keeps what it holds for the next launch, until somebody says that it is over",
  () =>
    inMemory(async (dir) => {
      const first = await system(dir, { name: "again", threads: 0 });
      const ref = await first.store.put({ data: new Float64Array(size).fill(2) });
      await first.close();
      const next = await system(dir, { name: "again", threads: 0 });
      const view = await next.store.get(ref);
      assert.equal(view.data[size - 1], 2);
      view.done();
      const store = await openStore(urlOf(dir), openOptions(real, { run: "again" }));
      await endRun(store);
      await store.close();
      await next.close();
      assert.deepEqual(left(dir), []);
      // Said to be over, and gone on with: what it holds is kept again.
      const over = await openStore(urlOf(dir), openOptions(real, { run: "again" }));
      await endRun(over);
      const third = await system(dir, { name: "again", threads: 0 });
      await over.close();
      const kept = await third.store.put({ data: new Float64Array(size) });
      await third.close();
      assert.deepEqual(arenasIn(dir, "again"), [kept.id.slice(0, 16)]);
    }),
  { timeoutMs },
);

test(
  "launch: a system that failed is no run that has ended, and goes by a sweep that gives it up",
  () =>
    inMemory(async (dir) => {
      const failing = await system(dir, { threads: 0, supervision: { on: "escalate" } });
      const { run } = failing;
      const worker = await failing.spawn(Worker);
      await worker.ask("make", size);
      const ended = failing.ended.then(() => "well", () => "badly");
      await worker.ask("begin").catch(() => {});
      assert.equal(await ended, "badly");
      const place = await openPlace(urlOf(dir), { environment: real });
      const states: string[] = [];
      for await (const one of place.runs()) states.push(one.state);
      assert.deepEqual(states, ["interrupted"]);
      for await (const one of place.sweep()) assert.equal(one.run, "", JSON.stringify(one));
      assert.equal(arenasIn(dir, run).length, 1);
      for await (const one of place.sweep({ run })) assert.equal(one.kind, "run");
      assert.deepEqual(left(dir), []);
    }),
  { timeoutMs },
);

const program = (last: string): string =>
  `import { Actor } from ${JSON.stringify(entry)};
export class Maker extends Actor {
  async make(fill) {
    const field = await this.store.allocate("float64", [${size}]);
    field.data.fill(fill);
    return await field.seal();
  }
}
export default async function (system, settings, say) {
  const pool = await system.pool(Maker, { size: 2 });
  await pool.map("make", [1, 2, 3, 4]);
  say("all is made");
  ${last}
}
`;

test(
  "shoal run: nothing of a run that is done is left in shared memory",
  () =>
    inMemory((dir) =>
      inFolder(async (folder) => {
        const file = folder.write("made.mjs", program("return {};"));
        const said = await folder.shoal("run", file, "--store", urlOf(dir), "--threads", "1");
        assert.equal(said.code, 0, said.stderr);
        assert.deepEqual(left(dir), []);
      })
    ),
  { timeoutMs },
);

test(
  "shoal run: what a crash leaves in shared memory is resumed, or swept whole",
  () =>
    inMemory((dir) =>
      inFolder(async (folder) => {
        const file = folder.write("made.mjs", program("await new Promise((resolve) => setInterval(() => {}, 1_000));"));
        const { child, says, ended } = folder.start(["run", file, "--store", urlOf(dir), "--name", "one"]);
        await says("all is made");
        child.kill("SIGKILL");
        await ended;
        const swept = await folder.shoal("store", "sweep", urlOf(dir));
        assert.equal(swept.code, 0, swept.stderr);
        assert.ok(arenasIn(dir, "one").length > 0);
        const given = await folder.shoal("store", "sweep", urlOf(dir), "--run", "one");
        assert.equal(given.code, 0, given.stderr);
        assert.deepEqual(left(dir), []);
        await errorOf("BadInput", async () => {
          const place = await openPlace(urlOf(dir), { environment: real });
          for await (const _ of place.sweep({ run: "one" }));
        });
      })
    ),
  { timeoutMs },
);
