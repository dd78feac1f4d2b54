// The parts that systems are simulated with: processes that are killed, paused and run by clocks of their own, and a
// network that loses, repeats, delays and reorders, each counted, and never changes what it carries.
import { drawnFaults, type FaultRates, listedFaults, noFaults } from "../../runtime/simulator/faults.ts";
import { type Network, network } from "../../runtime/simulator/network.ts";
import { processes, type SimulatedProcess } from "../../runtime/simulator/processes.ts";
import { type VirtualWorld, virtualWorld } from "../../runtime/simulator/world.ts";
import type { Link, Packet } from "../../runtime/links/link.ts";
import { random } from "../../runtime/random.ts";
import { assert, fc, property, test } from "../suite.ts";

/** Lets everything happen that will. */
function exhaust(world: VirtualWorld): void {
  for (let steps = 0; world.act() || world.pass(); steps++) assert.ok(steps < 1e6, "it never ends");
}

interface Wired {
  readonly world: VirtualWorld;
  readonly network: Network;
  readonly happened: Map<string, number>;
  readonly got: Map<string, number[]>;
  join(node: string): { readonly process: SimulatedProcess; readonly link: Link; readonly linked: string[] };
}

function wired(
  seed: number,
  rates: Partial<FaultRates>,
  bounds: { packetsMax?: number; bytesMax?: number } = {},
): Wired {
  const world = virtualWorld(random(`${seed}/world`));
  const all = processes(world);
  const plan = drawnFaults(random(`${seed}/faults`), { ...noFaults, ...rates }, () => world.now());
  plan.begin();
  const happened = new Map<string, number>();
  const got = new Map<string, number[]>();
  const wires = network({
    world,
    chance: random(seed),
    plan,
    latencyMs: { min: 1, max: 5 },
    trace: ({ type }) => void happened.set(type, (happened.get(type) ?? 0) + 1),
    ...bounds,
  });
  return {
    world,
    network: wires,
    happened,
    got,
    join(node) {
      const process = all.start(node);
      const linked: string[] = [];
      const link = wires.linking(process)({
        packet: (packet) => void got.set(node, [...got.get(node) ?? [], numberOf(packet)]),
        linked: (other) => void linked.push(other),
      });
      return { process, link, linked };
    },
  };
}

function numberOf(packet: Packet): number {
  return typeof packet === "string" ? Number(packet) : new DataView(packet.buffer).getUint32(0);
}

/** Text and bytes in turn: a link carries both. */
function packet(number: number): Packet {
  if (number % 2 === 1) return String(number).padStart(4);
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
}

test("network carries packets in order, each once, where nothing goes wrong", () => {
  const { world, got, join } = wired(1, {});
  const { link } = join("a");
  join("b");
  for (let number = 0; number < 100; number++) link.send("b", packet(number));
  exhaust(world);
  assert.deepEqual(got.get("b"), Array.from({ length: 100 }, (_, number) => number));
  assert.ok(world.now() >= 1 && world.now() < 10);
});

test("network loses, repeats, delays and reorders as its seed says, and counts each", async () => {
  const seen = { dropped: 0, repeated: 0, delayed: 0, overtaken: 0 };
  await property([fc.nat(), fc.constantFrom(0, 0.2), fc.constantFrom(0, 0.2)], (seed, loss, disorder) => {
    const rates = { drop: loss, repeat: disorder, delay: disorder, reorder: disorder };
    const { world, network, got, join } = wired(seed, rates);
    const { link } = join("a");
    join("b");
    for (let number = 0; number < 50; number++) {
      link.send("b", packet(number));
      if (number % 10 === 9) exhaust(world);
    }
    exhaust(world);
    const { counts } = network;
    const arrived = got.get("b") ?? [];
    assert.equal(arrived.length, counts.arrived);
    assert.equal(counts.sent, 50);
    assert.equal(counts.arrived, counts.sent - counts.dropped + counts.repeated);
    if (loss === 0) assert.equal(new Set(arrived).size, 50, "one is lost that was not to be");
    if (disorder === 0) assert.deepEqual(arrived, arrived.toSorted((a, b) => a - b));
    for (const kind of ["dropped", "repeated", "delayed", "overtaken"] as const) seen[kind] += counts[kind];
  });
  for (const [kind, times] of Object.entries(seen)) assert.ok(times > 0, `${kind} never happened`);
});

test("network takes no more than its bounds, and counts what it refuses", () => {
  const few = wired(1, {}, { packetsMax: 10 });
  const { link } = few.join("a");
  few.join("b");
  for (let number = 0; number < 25; number++) link.send("b", packet(number));
  exhaust(few.world);
  assert.equal(few.got.get("b")?.length, 10);
  assert.equal(few.network.counts.overflowed, 15);
  const small = wired(1, {}, { bytesMax: 100 });
  const { link: narrow } = small.join("a");
  small.join("b");
  for (let number = 0; number < 30; number++) narrow.send("b", packet(number));
  exhaust(small.world);
  assert.equal(small.got.get("b")?.length, 25);
});

test("a partition cuts one way or both, what is under way too, and its end is told", () => {
  const { world, network, got, join } = wired(1, {});
  const a = join("a");
  const b = join("b");
  exhaust(world);
  assert.deepEqual([a.linked, b.linked], [["b"], ["a"]]);
  a.link.send("b", packet(1));
  const mend = network.partition(["a"], ["b"], true);
  a.link.send("b", packet(2));
  b.link.send("a", packet(3));
  exhaust(world);
  assert.deepEqual([got.get("a"), got.get("b")], [[3], undefined]);
  network.partition(["a"], ["b"], false);
  mend();
  b.link.send("a", packet(4));
  exhaust(world);
  assert.deepEqual(got.get("a"), [3]);
  assert.equal(network.counts.cutOff, 3);
  network.heal();
  a.link.send("b", packet(5));
  exhaust(world);
  assert.deepEqual(got.get("b"), [5]);
  assert.deepEqual([a.linked, b.linked], [["b", "b"], ["a", "a"]]);
});

test("a process and its successor both get what is sent to their node; a dead one gets nothing", () => {
  const { world, got, join } = wired(1, {});
  const { link } = join("a");
  const old = join("b");
  old.process.pause();
  join("b");
  link.send("b", packet(1));
  exhaust(world);
  assert.deepEqual(got.get("b"), [1]);
  old.process.resume();
  exhaust(world);
  assert.deepEqual(got.get("b"), [1, 1]);
  old.process.kill();
  link.send("b", packet(2));
  exhaust(world);
  assert.deepEqual(got.get("b"), [1, 1, 2]);
});

test("a killed process does nothing any more; a paused one does it when it wakes, but for what was cancelled", () => {
  const world = virtualWorld(random(1));
  const all = processes(world);
  const did: string[] = [];
  const one = all.start("n1");
  const other = all.start("n1");
  assert.deepEqual([one.number, other.number], [1, 2]);
  for (const [process, name] of [[one, "one"], [other, "other"]] as const) {
    process.environment.soon(() => did.push(`${name} soon`));
    process.environment.after(10, () => did.push(`${name} timer`));
  }
  const cancel = other.environment.after(10, () => did.push("other never"));
  one.kill();
  other.pause();
  exhaust(world);
  assert.deepEqual(did, []);
  cancel();
  other.resume();
  one.resume();
  exhaust(world);
  assert.deepEqual(new Set(did), new Set(["other soon", "other timer"]));
  assert.deepEqual([one.state, other.state], ["dead", "runs"]);
});

test("a clock that is wrong goes wrong: its dates are off, and its timers fire by it", () => {
  const world = virtualWorld(random(1));
  const all = processes(world);
  const right = all.start("a");
  const wrong = all.start("b", { skewMs: 60_000, drift: 0.1 });
  assert.equal(wrong.environment.date() - right.environment.date(), 60_000);
  const fired: string[] = [];
  wrong.environment.after(1_100, () => {
    fired.push("b");
    assert.ok(Math.abs(world.now() - 1_000) < 1e-6, `${world.now()}`);
    assert.ok(Math.abs(wrong.environment.now() - 1_100) < 1e-6);
  });
  right.environment.after(1_100, () => fired.push("a"));
  exhaust(world);
  assert.deepEqual(fired, ["b", "a"]);
  assert.ok(Math.abs(wrong.environment.date() - right.environment.date() - 60_110) < 1e-6);
});

test("faults of a list strike where the list says, and those that were drawn can be listed", () => {
  const draw = (plan: ReturnType<typeof listedFaults>): void => {
    plan.begin();
    for (let at = 1; at <= 200; at++) {
      plan.strike(["drop", "delay"], { at, node: "a", to: "b" });
      plan.strike(["drop", "delay"], { at, node: "b", to: "a" });
      plan.strike(["kill"], { at }, () => [{ node: "a" }, { node: "b" }]);
    }
  };
  const drawn = drawnFaults(random(7), { ...noFaults, drop: 0.1, delay: 0.1, kill: 0.1 }, () => 0);
  draw(drawn);
  assert.ok(drawn.happened.length > 50);
  const listed = listedFaults(drawn.happened);
  draw(listed);
  assert.deepEqual(listed.happened, drawn.happened);
  const before = drawnFaults(random(7), { ...noFaults, drop: 1 }, () => 0);
  assert.equal(before.strike(["drop"], { at: 1 }), undefined);
  const calm = drawnFaults(random(7), { ...noFaults, drop: 1, calmAfterMs: 10 }, () => 10);
  calm.begin();
  assert.equal(calm.strike(["drop"], { at: 1 }), undefined);
});
