// What actors need of their machine is kept account of: nothing is promised twice, what is free again is found, actors
// that are made again go where they have room, and who cannot be served is told what was asked and what there is.
import { type ActorRef, isShoalError, launch, type Resources } from "../../runtime/mod.ts";
import { accounts, type Room } from "../../runtime/nodes/accounts.ts";
import { type Amounts, resourceNames } from "../../runtime/resources.ts";
import { assert, fc, property, test } from "../suite.ts";
import { Here } from "./actors.ts";
import { Account, opening } from "./bank.ts";
import { lodged, onStage, persistently } from "./stage.ts";

const patient = { timeoutMs: 240_000 };

const amounts: fc.Arbitrary<Amounts> = fc.record({
  cores: fc.integer({ min: 0, max: 8 }).map((quarters) => quarters / 4),
  gpus: fc.nat(2),
  memoryBytes: fc.nat(3),
});

const roomsOf = (sizes: readonly Amounts[]): readonly Room[] =>
  sizes.map((has, index) => {
    const places = [`n${index}`, `n${index}-t1`];
    return { node: `n${index}`, host: `host ${index}`, places, takers: places.slice(1), takes: undefined, has };
  });

test("accounts: nothing is promised twice, and who is refused has found no room", () =>
  property([
    fc.array(amounts, { minLength: 1, maxLength: 4 }),
    fc.array(fc.oneof({ weight: 3, arbitrary: amounts }, fc.nat()), { maxLength: 60, size: "max" }),
  ], (sizes, steps) => {
    const book = accounts();
    const rooms = roomsOf(sizes);
    const candidates = rooms.map((room) => ({ room, place: room.takers[0]! }));
    const held: { readonly lease: number; readonly room: number; readonly needs: Amounts }[] = [];
    const left = (room: number, name: keyof Amounts): number =>
      held.reduce((rest, one) => rest - (one.room === room ? one.needs[name] : 0), sizes[room]![name]);
    for (const step of steps) {
      if (typeof step === "number") {
        const [one] = held.splice(step % Math.max(1, held.length), 1);
        if (one !== undefined) book.free(one.lease);
        continue;
      }
      const wanted = { what: "Cannot spawn A", needs: step, on: "", node: "", task: "", durable: "" } as const;
      const fits = sizes.map((_, room) => resourceNames.every((name) => step[name] <= left(room, name)));
      const everFits = sizes.some((has) => resourceNames.every((name) => step[name] <= has[name]));
      try {
        const { node, lease } = book.allot(wanted, candidates, rooms);
        const room = rooms.findIndex(({ takers }) => takers.includes(node));
        assert.ok(fits[room], `${JSON.stringify(step)} in ${node}`);
        held.push({ lease, room, needs: step });
      } catch (error) {
        assert.ok(isShoalError(error, everFits ? "CapacityExceeded" : "BadInput"), String(error));
        assert.ok(!fits.includes(true));
      }
    }
    // What is lost is free again, but for those that come back.
    const [kept] = held;
    book.lost(rooms.flatMap(({ places }) => places), new Set(kept === undefined ? [] : [kept.lease]));
    for (const [index, room] of rooms.entries()) {
      const needs = kept?.room === index ? kept.needs : { cores: 0, gpus: 0, memoryBytes: 0 };
      const rest = Object.fromEntries(resourceNames.map((name) => [name, sizes[index]![name] - needs[name]]));
      const wanted = {
        what: "Cannot spawn B",
        needs: rest as unknown as Amounts,
        on: "",
        node: "",
        task: "",
        durable: "",
      } as const;
      book.allot(wanted, [{ room, place: room.node }], rooms);
    }
  }));

test("accounts: processes of one host share its cores, and each has its GPUs to itself", () => {
  const book = accounts();
  const has = { cores: 4, gpus: 1, memoryBytes: 0 };
  const rooms = ["a", "b"].map((node) => ({ node, host: "h", places: [node], takers: [node], takes: undefined, has }));
  const candidates = rooms.map((room) => ({ room, place: room.node }));
  const allot = (needs: Partial<Amounts>): string => {
    const all = { cores: 0, gpus: 0, memoryBytes: 0, ...needs };
    return book.allot(
      { what: "Cannot spawn A", needs: all, on: "", node: "", task: "", durable: "" },
      candidates,
      rooms,
    ).node;
  };
  assert.equal(allot({ cores: 3, gpus: 1 }), "a");
  assert.equal(allot({ cores: 1, gpus: 1 }), "b");
  for (const [needs, said] of [[{ cores: 0.5 }, /0\.5 cores/], [{ gpus: 1 }, /1 GPU,/]] as const) {
    assert.throws(() => allot(needs), (error) => {
      assert.ok(isShoalError(error, "CapacityExceeded"));
      assert.match(error.message, said);
      assert.match(error.message, /a has .*, of which 0 (cores|GPUs) is free; b has/);
      return true;
    });
  }
});

async function fails(
  call: Promise<unknown>,
  code: "BadInput" | "CapacityExceeded" | "Ended",
  text: RegExp,
): Promise<void> {
  await assert.rejects(call, (error) => {
    assert.ok(isShoalError(error, code), String(error));
    assert.match(error.message, text);
    return true;
  });
}

/** Whoever shows GPUs to its processes has them in its own environment too. */
async function unseen(call: () => Promise<void>): Promise<void> {
  const names = ["CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ZE_AFFINITY_MASK"];
  const before = names.map((name) => process.env[name]);
  try {
    await call();
  } finally {
    for (const [index, name] of names.entries()) {
      const value = before[index];
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}

test("spawn: resources that mean nothing, or are nowhere, are refused with what was asked and what there is", async () => {
  const system = await launch({ threads: 0, record() {} });
  try {
    const spawn = (resources: unknown, on?: "processes"): Promise<unknown> =>
      system.spawn(Here, undefined, { resources: resources as Resources, ...(on === undefined ? {} : { on }) });
    await fails(spawn(7), "BadInput", /resources is 7, expected an object/);
    await fails(spawn({ gpu: 1 }), "BadInput", /there is no option gpu; did you mean gpus\?/);
    await fails(spawn({ cores: -1 }), "BadInput", /resources\.cores is -1, expected a number from 0/);
    await fails(spawn({ cores: NaN }), "BadInput", /resources\.cores is NaN/);
    await fails(spawn({ gpus: 1 }), "BadInput", /needs 1 GPU, and no node has as much: main has 0 GPUs, .*--gpus/);
    await fails(spawn({ cores: 1e6 }), "BadInput", /needs 1000000 cores, and no node has as much: main has \d+ core/);
    await fails(
      spawn({ cores: 0.1 }, "processes"),
      "BadInput",
      /on processes: this system has none; give launch nodes/,
    );
    const memoryBytes = 2 ** 20;
    const actor = await system.spawn(Here, undefined, { resources: { cores: 0.5, memoryBytes } });
    assert.equal((await actor.ask("where")).pid, process.pid);
    await fails(system.pool(Here, { size: 1, resources: { gpus: 2 } }), "BadInput", /needs 2 GPUs/);
  } finally {
    await system.close();
  }
});

test(
  "spawn: actors live where what they need is free, also after their process was replaced or given up",
  () =>
    unseen(() =>
      onStage({ nodes: 3, gpus: "0,1,2", limits: { replaceTimeoutMs: 200 } }, async (stage) => {
        const { system, pids, bar, until } = stage;
        const resources = { gpus: 1 };
        const pidOf = async (actor: ActorRef<Here>): Promise<number> => (await actor.ask("where")).pid;
        const pool = await system.pool(Here, { size: 3, resources });
        const where = await pool.map("where", [undefined, undefined, undefined] as never);
        assert.deepEqual(new Set(where.map(({ pid }) => pid)), new Set([process.pid, ...pids.values()]));
        const full = /needs 1 GPU, and no node has that free: main has 1 GPU, of which 0 GPUs is free; n2 has 1 GPU/;
        await fails(system.spawn(Here, undefined, { resources }), "CapacityExceeded", full);
        await fails(system.spawn(Here, undefined, { resources, node: "n2" }), "CapacityExceeded", /no node .*: n2 has/);
        await fails(system.spawn(Here, undefined, { resources, node: "n9" }), "Ended", /this run has no node n9/);
        await pool.stop();
        const far = await system.spawn(Here, undefined, { resources, on: "processes" });
        const other = await system.spawn(Here, undefined, { resources, on: "processes" });
        assert.deepEqual(new Set([await pidOf(far), await pidOf(other)]), new Set(pids.values()));
        await fails(
          system.spawn(Here, undefined, { resources, on: "processes" }),
          "CapacityExceeded",
          /n2 has .*; n3 has/,
        );
        // In its new process it has what it had.
        const before = pids.get("n3")!;
        const there = await pidOf(far) === before ? far : other;
        const beside = there === far ? other : far;
        process.kill(before, "SIGKILL");
        await until(1, (one) => one.type === "NodeJoined" && one.node === "n3" && one.pid !== before);
        assert.equal(await persistently(() => pidOf(there)), pids.get("n3"));
        await fails(
          system.spawn(Here, undefined, { resources, on: "processes" }),
          "CapacityExceeded",
          /n2 has .*; n3 has/,
        );
        const ended = system.watch(beside);
        // n2 has nothing left: the process that leads has.
        bar("n3");
        process.kill(pids.get("n3")!, "SIGKILL");
        await until(1, lodged("n3", "main"));
        assert.equal(await persistently(() => pidOf(there)), process.pid);
        assert.equal(await pidOf(beside), pids.get("n2"));
        await fails(
          system.spawn(Here, undefined, { resources }),
          "CapacityExceeded",
          /main has .* 0 GPUs is free; n2 has/,
        );
        // Where nobody has room any more, it is not made again, and that is said.
        bar("n2");
        process.kill(pids.get("n2")!, "SIGKILL");
        await until(1, (one) =>
          one.type === "MessageLogged" &&
          /Cannot make .*#Here .* again: it needs 1 GPU, and no node has/.test(one.text));
        await assert.rejects(
          persistently(() => pidOf(beside)),
          (error) => isShoalError(error, "Ended"),
        );
        // Who watches it learns why.
        const { reason, error } = await ended;
        assert.deepEqual([reason, error?.code], ["lost", "CapacityExceeded"]);
        assert.match(error!.message, /again: it needs 1 GPU, and no node has that free/);
        await system.stop(there);
        assert.equal(await pidOf(await system.spawn(Here, undefined, { resources })), process.pid);
      })
    ),
  patient,
);

test(
  "spawn: what was reserved for a durable actor is its own in its next process too, and free when it ends there",
  () =>
    unseen(() =>
      onStage({ nodes: 2, gpus: "0,1" }, async ({ system, pids, until }) => {
        const resources = { gpus: 1 };
        const options = { name: "kept", node: "n2", resources };
        const account = await system.spawn(Account, undefined, options);
        await account.ask("deposit", { id: 1, amount: 7 });
        const before = pids.get("n2")!;
        process.kill(before, "SIGKILL");
        await until(1, (one) => one.type === "NodeJoined" && one.node === "n2" && one.pid !== before);
        const other = (): Promise<ActorRef<Here>> => system.spawn(Here, undefined, { resources, node: "n2" });
        await fails(other(), "CapacityExceeded", /n2 has 1 GPU, of which 0 GPUs is free/);
        // Who asks for it again has what it has, and no more.
        const again = await system.spawn(Account, undefined, options);
        assert.equal((await again.ask("books")).balance, opening + 7);
        await fails(other(), "CapacityExceeded", /n2 has 1 GPU, of which 0 GPUs is free/);
        await system.stop(again);
        assert.equal((await (await other()).ask("where")).pid, pids.get("n2"));
      })
    ),
  patient,
);
