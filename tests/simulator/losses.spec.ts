// What simulated stores lose: nothing that they declare to keep, all that they do not, and of what lies between no more
// than the end of it. And what becomes of calls on a bad way.
import { isShoalError } from "../../stores/error.ts";
import { virtualWorld as lawsWorld } from "../../stores/conformance/world.ts";
import type { SimulatedBackend } from "../../stores/simulated/backend.ts";
import { simulatedFolder } from "../../stores/simulated/folder.ts";
import { simulatedServer } from "../../stores/simulated/server.ts";
import { direct, type Mishap, type Way } from "../../stores/simulated/way.ts";
import type { Store, Survives, TensorRef } from "../../stores/store.ts";
import { random } from "../../runtime/random.ts";
import { assert, fc, property, test } from "../suite.ts";

type World = ReturnType<typeof lawsWorld>;

const open = (backend: SimulatedBackend, world: World, way?: Way): Promise<Store> =>
  backend.open({ run: "r", environment: world, strict: true, thresholdBytes: 0 }, way);

interface Done {
  readonly at: number;
  readonly stands: () => Promise<boolean>;
}

const acts = fc.array(
  fc.record({ act: fc.constantFrom("put", "append", "claim", "trim"), waitMs: fc.nat(300) }),
  { minLength: 1, maxLength: 30, size: "max" },
);

/** Does things one after the other, and answers how to see whether each has happened. */
async function work(store: Store, world: World, all: readonly { act: string; waitMs: number }[]): Promise<Done[]> {
  const done: Done[] = [];
  let sequence = 0;
  for (const [index, { act, waitMs }] of all.entries()) {
    await world.advance(waitMs);
    if (act === "put") {
      const ref: TensorRef = await store.tensors.put({ data: new Uint8Array(3).fill(index) });
      done.push({
        at: world.now(),
        stands: () => store.tensors.get(ref).then(() => true, (error) => !isShoalError(error, "Missing")),
      });
    } else if (act === "append") {
      await store.logs.append("s", 1, [Uint8Array.of(index)]);
      const own = ++sequence;
      done.push({
        at: world.now(),
        stands: async () => (await store.logs.read("s", { epoch: 1, sequence: own - 1 })).length > 0,
      });
    } else if (act === "claim") {
      await store.claims.claim("c", index + 1, "x");
      done.push({
        at: world.now(),
        stands: async () => ((await store.claims.claimed("c"))?.epoch ?? 0) >= index + 1,
      });
    } else await store.logs.trim("t", { epoch: 1, sequence: 1 });
  }
  return done;
}

test("a simulated server loses the end of what was done, no further back than it declares", async () => {
  let lost = 0;
  let kept = 0;
  await property([acts, fc.nat(), fc.constantFrom(0, 200, 1_000)], async (all, seed, lossWindowMs) => {
    const world = lawsWorld();
    const server = simulatedServer({ environment: world, lossWindowMs, chance: random(seed).next });
    const done = await work(await open(server, world), world, all);
    const taken = server.end("power");
    const stands = await Promise.all(done.map(({ stands }) => stands()));
    const first = stands.indexOf(false);
    assert.equal(stands.lastIndexOf(true) < first || first < 0, true, `not the end of it is lost: ${stands}`);
    assert.equal(taken, first < 0 ? 0 : done.length - first);
    if (first >= 0) assert.ok(done[first]!.at > world.now() - lossWindowMs, "it lost what it declares to keep");
    lost += taken;
    kept += done.length - taken;
  });
  assert.ok(lost > 0 && kept > 0, `${lost} lost, ${kept} kept`);
});

const ends: readonly (readonly [Survives, "server" | "power", boolean])[] = [
  ["host", "server", false],
  ["server", "server", true],
  ["server", "power", false],
  ["power", "server", true],
  ["power", "power", true],
];

for (const [survives, level, isKept] of ends) {
  test(`a simulated server that survives ${survives} keeps ${isKept ? "all" : "nothing"} at the end of ${level}`, async () => {
    const world = lawsWorld();
    const server = simulatedServer({ environment: world, survives });
    assert.equal((await open(server, world)).abilities.survives, survives);
    const done = await work(await open(server, world), world, [
      { act: "put", waitMs: 1 },
      { act: "append", waitMs: 1 },
      { act: "claim", waitMs: 1 },
    ]);
    server.end(level);
    for (const { stands } of done) assert.equal(await stands(), isKept);
  });
}

test("files on a simulated disk lose nothing that was acknowledged when the power goes, and open files are gone", async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const world = lawsWorld();
    const folder = await simulatedFolder({ chance: random(seed).next });
    const store = await open(folder, world);
    const ref = await store.tensors.put({ data: new Uint8Array(100).fill(7) });
    await store.logs.append("s", 1, [Uint8Array.of(1)]);
    await store.claims.claim("c", 1, "x");
    folder.end("power");
    const again = await open(folder, world);
    assert.equal((await again.tensors.get(ref)).data[99], 7);
    assert.equal((await again.logs.read("s", undefined)).length, 1);
    assert.equal((await again.claims.claimed("c"))?.value, "x");
    // Its process is still there, and finds that its files are not.
    await assert.rejects(store.logs.append("s", 1, [Uint8Array.of(2)]), (error) => isShoalError(error));
  }
});

/** A way on which this goes wrong with the next call, and that is walked by hand. */
function handWay(): { readonly way: Way; next: Mishap | undefined; readonly there: (() => void)[] } {
  const walked: { readonly way: Way; next: Mishap | undefined; readonly there: (() => void)[] } = {
    way: {
      ...direct,
      there: (call, delayMs) => void (delayMs > 0 ? walked.there.push(call) : call()),
      mishap() {
        const { next } = walked;
        walked.next = undefined;
        return next;
      },
    },
    next: undefined,
    there: [],
  };
  return walked;
}

test("a call on a bad way says whether it may have happened, and what is late happens later", async () => {
  const world = lawsWorld();
  const server = simulatedServer({ environment: world });
  const walked = handWay();
  const store = await open(server, world, walked.way);
  const append = (number: number): Promise<unknown> => store.logs.append("s", 1, [Uint8Array.of(number)]);
  const frames = async (): Promise<number[]> => (await store.logs.read("s", undefined)).map(({ frame }) => frame[0]!);
  const fails = async (mishap: Mishap, code: string, outcome: string, number: number): Promise<void> => {
    walked.next = mishap;
    await assert.rejects(append(number), (error) => {
      assert.ok(isShoalError(error));
      assert.deepEqual([error.code, error.outcome], [code, outcome]);
      return true;
    });
  };
  await fails({ kind: "unavailable" }, "Unavailable", "failed", 1);
  await fails({ kind: "full" }, "CapacityExceeded", "failed", 2);
  await fails({ kind: "lost" }, "Unavailable", "unknown", 3);
  assert.deepEqual(await frames(), []);
  await fails({ kind: "unheard" }, "Unavailable", "unknown", 4);
  assert.deepEqual(await frames(), [4]);
  await fails({ kind: "late", delayMs: 5 }, "Unavailable", "unknown", 5);
  await append(6);
  assert.deepEqual(await frames(), [4, 6]);
  walked.there.shift()!();
  assert.deepEqual(await frames(), [4, 6, 5]);
  // A successor has opened the next epoch: what is late is refused, and nobody hears of it.
  await fails({ kind: "late", delayMs: 5 }, "Unavailable", "unknown", 7);
  await store.logs.append("s", 2, []);
  walked.there.shift()!();
  assert.deepEqual(await frames(), [4, 6, 5]);
  // What is under way when the server is restarted never arrives.
  await fails({ kind: "late", delayMs: 5 }, "Unavailable", "unknown", 8);
  server.end("server");
  walked.there.shift()!();
  assert.deepEqual(await frames(), [4, 6, 5]);
});

test("a restart of the server ends every wait, and the next call works", async () => {
  const world = lawsWorld();
  const server = simulatedServer({ environment: world });
  const store = await open(server, world);
  const waits = store.logs.read("s", undefined, { waitMs: 10_000 });
  server.end("server");
  await assert.rejects(waits, (error) => isShoalError(error, "Unavailable"));
  await store.logs.append("s", 1, [Uint8Array.of(1)]);
  assert.equal((await store.logs.read("s", undefined)).length, 1);
});
