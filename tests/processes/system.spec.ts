// A system of several processes is one system: actors are asked, told, found, watched and stopped wherever they live,
// what ends a process is told, and nothing of it is left behind.
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isShoalError, launch, type LaunchOptions, type RunRecord, type System } from "../../runtime/mod.ts";
import { assert, long, test } from "../suite.ts";
import { Here, Keeper } from "./actors.ts";

/** Processes start, and the machine may be busy with others. */
const patient = { timeoutMs: 120_000 };

/** A system of processes, the records of it, and what is left when it has closed. */
async function inSystem(
  options: LaunchOptions,
  call: (system: System, pids: ReadonlyMap<string, number>, records: readonly RunRecord[]) => Promise<void>,
): Promise<void> {
  const records: RunRecord[] = [];
  const pids = new Map<string, number>();
  const all = new Set<number>();
  const system = await launch({
    threads: 0,
    ...options,
    record(one) {
      records.push(one);
      if (one.type !== "NodeJoined") return;
      pids.set(one.node, one.pid);
      all.add(one.pid);
    },
  });
  try {
    await call(system, pids, records);
  } finally {
    await system.close();
  }
  for (const pid of all) assert.ok(!isAlive(pid), `process ${pid} is left`);
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

const foldersNow = (): readonly string[] => readdirSync(tmpdir()).filter((name) => /^shoal-.{6}$/.test(name));

test(
  "launch: nodes are processes, and a pool is spread over all of them",
  () =>
    inSystem({ nodes: 3 }, async (system, pids, records) => {
      const pool = await system.pool(Here, { size: 6 });
      const where = await pool.map("where", [...Array(6)].map(() => undefined) as never);
      assert.deepEqual(new Set(where.map(({ pid }) => pid)), new Set([process.pid, ...pids.values()]));
      const said = records.filter((one) => one.type === "MessageLogged").map(({ text }) => text);
      assert.equal(said.length, 1);
      assert.match(said[0]!, /^3 nodes and no store named: they meet in file:\/\/\//);
    }),
  patient,
);

test(
  "system: actors of several processes are asked, told, streamed, found, watched and stopped as any other",
  () =>
    inSystem({ nodes: 3 }, async (system, pids) => {
      const far = await system.spawn(Here, undefined, { node: "n2", name: "far" });
      const near = await system.spawn(Here);
      const other = await system.spawn(Here, undefined, { node: "n3" });
      assert.equal((await far.ask("where")).pid, pids.get("n2"));
      // Who asks, and who is asked, may live anywhere.
      assert.equal(await far.ask("ask", near), process.pid);
      assert.equal(await far.ask("ask", other), pids.get("n3"));
      assert.equal(await other.ask("ask", far), pids.get("n2"));
      assert.deepEqual(await far.ask("echo", { big: 2n ** 70n, bytes: new Uint8Array([1, 2]), not: NaN }), {
        big: 2n ** 70n,
        bytes: new Uint8Array([1, 2]),
        not: NaN,
      });
      const counted: number[] = [];
      for await (const value of far.stream("count", 100)) counted.push(value);
      assert.deepEqual(counted, [...Array(100).keys()]);
      const found = await system.find(Here, "far");
      assert.equal((await found!.ask("where")).pid, pids.get("n2"));
      await assert.rejects(far.ask("fail"), (error) => isShoalError(error, "HandlerError"));
      const watched = system.watch(far);
      assert.equal((await system.stop(far)).reason, "stopped");
      assert.equal((await watched).reason, "stopped");
      await assert.rejects(far.ask("where"), (error) => isShoalError(error, "Ended"));
    }),
  patient,
);

test(
  "system: threads of several processes are nodes of one system",
  () =>
    inSystem({ nodes: 2, threads: 2 }, async (system, pids) => {
      const pool = await system.pool(Here, { size: 4 });
      const where = await pool.map("where", [...Array(4)].map(() => undefined) as never);
      const counts = new Map<number, number>();
      for (const { pid } of where) counts.set(pid, (counts.get(pid) ?? 0) + 1);
      assert.deepEqual(counts, new Map([[process.pid, 2], [pids.get("n2")!, 2]]));
      const far = await system.spawn(Here, undefined, { on: "processes" });
      const near = await system.spawn(Here, undefined, { on: "threads" });
      assert.equal(await far.ask("ask", near), process.pid);
      assert.equal(await near.ask("ask", far), pids.get("n2"));
    }),
  patient,
);

test(
  "system: a process that ends is replaced, its actors are made again, and each call to them ends",
  () =>
    inSystem({ nodes: 3 }, async (system, pids, records) => {
      const first = pids.get("n2");
      const actor = await system.spawn(Here, undefined, { node: "n2", name: "again" });
      const kept = await system.spawn(Keeper, 5, { node: "n2" });
      const waiting = await system.spawn(Here, undefined, { node: "n3" });
      const lost = actor.ask("end", 3);
      await assert.rejects(lost, (error) => {
        assert.ok(isShoalError(error, "Lost") || isShoalError(error, "Ended"), String(error));
        return isShoalError(error) && error.outcome === "unknown";
      });
      const { pid } = await actor.ask("where");
      assert.notEqual(pid, first);
      // It may answer before it is let in.
      while (pids.get("n2") !== pid) await new Promise((resolve) => setTimeout(resolve, 20));
      // What it was constructed with, it has again.
      assert.equal(await kept.ask("value"), 5);
      assert.equal(await waiting.ask("ask", actor), pid);
      assert.equal((await (await system.find(Here, "again"))!.ask("where")).pid, pid);
      const losses = records.filter((one) => one.type === "NodeLost");
      assert.equal(losses.length, 1);
      assert.match(losses[0]!.why, /ended with exit code 3/);
    }),
  patient,
);

test(
  "system: a handler that computes for longer than the lease costs no process",
  () =>
    inSystem({ nodes: 2, limits: { leaseMs: long ? 5_000 : 3_000 } }, async (system, pids, records) => {
      const far = await system.spawn(Here, undefined, { node: "n2" });
      const near = await system.spawn(Here);
      const first = pids.get("n2");
      // The one that leads is as busy as the other, and takes nobody for dead for that.
      const busy = far.ask("block", long ? 60_000 : 5_000, patient);
      assert.equal(await near.ask("block", long ? 55_000 : 4_000, patient), process.pid);
      assert.equal(await busy, first);
      assert.equal(records.filter((one) => one.type === "NodeLost").length, 0);
    }),
  patient,
);

test(
  "system: a handler that computes on after its call was cancelled is ended with its process",
  () =>
    inSystem({ nodes: 2 }, async (system, pids) => {
      const far = await system.spawn(Here, undefined, { node: "n2" });
      const first = pids.get("n2");
      const cancel = new AbortController();
      const busy = far.ask("block", 3_600_000, { signal: cancel.signal });
      await far.tell("where");
      cancel.abort();
      await assert.rejects(busy, (error) => isShoalError(error, "Cancelled"));
      await assert.rejects(busy, (error) => isShoalError(error, "Cancelled"));
      // What was on its way to the process is lost with it; what is asked later is not.
      const where = (): Promise<{ readonly pid: number }> =>
        far.ask("where").catch((error: unknown) => isShoalError(error, "Lost") ? where() : Promise.reject(error));
      assert.notEqual((await where()).pid, first);
    }),
  patient,
);

test("launch: nothing is left of a system of processes, not even its folder", async () => {
  const before = new Set(foldersNow());
  let made: readonly string[] = [];
  await inSystem({ nodes: 2 }, async (system) => {
    await (await system.spawn(Here, undefined, { on: "processes" })).ask("where");
    made = foldersNow().filter((name) => !before.has(name));
    assert.ok(made.length > 0);
  });
  // Other specs may have made some of them; ours has a store in it.
  for (const name of made) assert.ok(!existsSync(join(tmpdir(), name, "store")), name);
});

test("launch: where a named store is shared, processes meet there, and mail may go over its log alone", async () => {
  const folder = mkdtempSync(join(tmpdir(), "shoal-shared-"));
  try {
    await inSystem({ nodes: 3, store: `file://${folder}`, link: "log" }, async (system, pids) => {
      const [one, two] = await Promise.all(
        ["n2", "n3"].map((node) => system.spawn(Here, undefined, { node })),
      );
      assert.equal(await one!.ask("ask", two!), pids.get("n3"));
      assert.equal(await two!.ask("ask", one!), pids.get("n2"));
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, patient);
