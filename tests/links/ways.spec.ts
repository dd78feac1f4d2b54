// Whole nodes over real ways, in two processes: order, once, and the same whatever the mail takes; also while sockets
// are cut, garbage comes, and the way changes under load.

import { random } from "../../runtime/random.ts";
import { ShoalError } from "../../stores/error.ts";
import type { Logs, Store } from "../../stores/store.ts";
import { assert, seed, test } from "../suite.ts";
import { beside, linked } from "./nodes.ts";
import { cuttingProxy, eventually, inFolder } from "./place.ts";
import { storeAt } from "./logs.ts";
import { checkApplied, sameOver, work } from "./same.ts";
import { applied } from "./workload.ts";

const both = { run: "ways", token: "t0k3n" } as const;

test("sockets: actors of two processes are told and asked, in order and once", () =>
  inFolder(async (folder) => {
    const there = { ...both, store: `file://${folder}/store`, folder: `${folder}/s`, hasLog: false };
    const a = await linked({ ...there, node: "a", others: [] });
    const b = await beside({ ...there, node: "b", others: [] });
    a.sockets!.connect("b", b.path!);
    checkApplied(await applied(a.running.system, "b", work), work);
    assert.equal(a.ways.to("b"), "socket");
    await b.close("a");
    await a.close();
  }), { timeoutMs: 60_000 });

for (const scheme of ["file", "shm"] as const) {
  test(
    `logs of ${scheme}: the same is applied as anywhere, by mail that all crossed the store, which fails now and then`,
    () =>
      inFolder(async (folder) => {
        const url = scheme === "file" ? `file://${folder}/store` : `shm:?dir=${folder}`;
        const there = { ...both, store: url };
        const faults = { refused: 0, unknown: 0, unread: 0 };
        await sameOver(there, { logs: (store) => faulty(store, faults) });
        for (const [fault, count] of Object.entries(faults)) assert.ok(count > 0, `${fault}: ${count}`);
      }),
    { timeoutMs: 100_000 },
  );
}

test("logs of memory: the same is applied as anywhere, between two nodes of one process", async () => {
  const there = { ...both, store: "memory:", hasLog: true, only: "log" } as const;
  const faults = { refused: 0, unknown: 0, unread: 0 };
  const store = await storeAt("memory:", both.run);
  const replaced = { store: { ...store, close: () => Promise.resolve() }, logs: () => faulty(store, faults) };
  const a = await linked({ ...there, node: "a", others: ["b"] }, replaced);
  const b = await linked({ ...there, node: "b", others: ["a"] }, replaced);
  checkApplied(await applied(a.running.system, "b", work), work);
  const [far, here] = [b.log!.counts("a")!, a.log!.counts("b")!];
  assert.ok(far.received.packets > 0 && here.received.packets > 0);
  await a.close();
  await b.close();
  await store.close();
}, { timeoutMs: 60_000 });

/**
 * Refuses some appends, says of some that nobody knows, and of some reads that the store is away. Each happens to the
 * first there is, whatever the seed: a good link packs its mail into few appends.
 */
function faulty(store: Store, faults: { refused: number; unknown: number; unread: number }): Logs {
  const chance = random(seed);
  const away = (outcome: "failed" | "unknown") => new ShoalError("Unavailable", "Cannot reach the store", { outcome });
  return {
    ...store.logs,
    async append(stream, epoch, frames) {
      const at = faults.refused === 0 ? 0 : faults.unknown === 0 ? 1 : chance.next();
      if (at < 0.1) faults.refused++;
      if (at < 0.1) throw away("failed");
      const position = await store.logs.append(stream, epoch, frames);
      if (at > 0.9) faults.unknown++;
      if (at > 0.9) throw away("unknown");
      return position;
    },
    async read(stream, after, options) {
      if (faults.unread === 0 || chance.next() < 0.1) {
        faults.unread++;
        throw away("failed");
      }
      return await store.logs.read(stream, after, options);
    },
  };
}

test(
  "sockets: order and once hold while they are cut in the middle of packets, and garbage comes",
  () =>
    inFolder(async (folder) => {
      const there = { ...both, store: `file://${folder}/store`, hasLog: false };
      const a = await linked({ ...there, node: "a", others: [], folder: `${folder}/a` });
      const b = await beside({ ...there, node: "b", others: [], folder: `${folder}/b` });
      const proxy = await cuttingProxy(b.path!, `${folder}/p`, seed);
      a.sockets!.connect("b", proxy.path);
      const more = { ...work, count: 2_000 };
      checkApplied(await applied(a.running.system, "b", more), more);
      assert.ok(proxy.cuts > 2, `${proxy.cuts} cuts`);
      await proxy.close();
      await b.close("a");
      await a.close();
    }),
  { timeoutMs: 100_000 },
);

test(
  "ways: order and once hold while sockets come and go under load, and mail takes what there is",
  () =>
    inFolder(async (folder) => {
      const there = { ...both, store: `file://${folder}/store`, hasLog: true };
      const a = await linked({ ...there, node: "a", others: ["b"], folder: `${folder}/a` });
      const b = await beside({ ...there, node: "b", others: ["a"], folder: `${folder}/b` });
      const taken = { log: 0, socket: 0 };
      let isOver = false;
      // Each way carries some mail before the other has its turn.
      const changing = async (): Promise<void> => {
        while (!isOver) {
          a.sockets!.connect("b", b.path!);
          await eventually(() => isOver || (a.sockets!.counts("b")?.received ?? 0) >= 20);
          if (a.ways.to("b") === "socket") taken.socket++;
          a.sockets!.disconnect("b");
          const { packets } = a.log!.counts("b")!.received;
          await eventually(() => isOver || a.log!.counts("b")!.received.packets >= packets + 20);
          if (a.ways.to("b") === "log") taken.log++;
        }
      };
      const changed = changing();
      const came = await applied(a.running.system, "b", { ...work, count: 1_000 });
      isOver = true;
      await changed;
      checkApplied(came, { ...work, count: 1_000 });
      assert.ok(taken.log > 2 && taken.socket > 2, JSON.stringify(taken));
      const counts = (await b.close("a"))!;
      assert.ok(counts.received.packets > 0);
      await a.close();
    }),
  { timeoutMs: 100_000 },
);

test(
  "ways: a process that is killed is found again when its successor is said to be there",
  () =>
    inFolder(async (folder) => {
      const there = { ...both, store: `file://${folder}/store`, hasLog: false, folder: `${folder}/s` };
      const a = await linked({ ...there, node: "a", others: [] });
      const system = a.running.system;
      let before: string | undefined;
      for (let round = 0; round < 3; round++) {
        const b = await beside({ ...there, node: "b", others: [] });
        // The file of the one before is still there, and nobody listens there.
        assert.notEqual(b.path, before);
        before = b.path;
        a.sockets!.connect("b", b.path!);
        const small = { ...work, count: 50 };
        checkApplied(await applied(system, "b", small), small);
        b.kill("SIGKILL");
        await b.ended;
        a.running.lost("b");
      }
      await a.close();
    }),
  { timeoutMs: 100_000 },
);

test(
  "sockets: a process that stands still for a while gets all that was sent meanwhile, in order and once",
  () =>
    inFolder(async (folder) => {
      const there = { ...both, store: `file://${folder}/store`, hasLog: false, folder: `${folder}/s` };
      const a = await linked({ ...there, node: "a", others: [] });
      const b = await beside({ ...there, node: "b", others: [] });
      a.sockets!.connect("b", b.path!);
      let isOver = false;
      const came = applied(a.running.system, "b", work).finally(() => isOver = true);
      const counts = () => a.sockets!.counts("b") ?? { sent: 0, received: 0 };
      let pauses = 0;
      for (; pauses < 3 && !isOver; pauses++) {
        const { received } = counts();
        await eventually(() => isOver || counts().received >= received + 3);
        b.kill("SIGSTOP");
        // What is not acknowledged is said again.
        const { sent } = counts();
        await eventually(() => isOver || counts().sent >= sent + 2);
        b.kill("SIGCONT");
      }
      checkApplied(await came, work);
      assert.ok(pauses > 0);
      await b.close("a");
      await a.close();
    }),
  { timeoutMs: 100_000 },
);
