// Bad input between nodes: whoever comes from elsewhere, speaks otherwise, or is there twice; and whoever is written to
// and is not there, or takes nothing in. Callers get a typed error, in bounded virtual time; the others go on.
import { inspect } from "node:util";
import { Actor } from "../../runtime/actor.ts";
import type { ActorRef } from "../../runtime/ref.ts";
import { isShoalError } from "../../stores/error.ts";
import type { Packet } from "../../runtime/links/link.ts";
import { headOf } from "../../runtime/nodes/packets.ts";
import { assert, test } from "../suite.ts";
import { type Stage, stage } from "./stage.ts";

class Counter extends Actor<Counter> {
  #count = 0;

  add(n: number): number {
    return this.#count += n;
  }

  fail(): never {
    throw new Error("on purpose");
  }

  async sleep(ms: number): Promise<void> {
    let wake = (): void => {};
    const woken = new Promise<void>((resolve) => wake = resolve);
    this.#wake = wake;
    this.after(ms, "wake");
    await woken;
  }

  wake(): void {
    this.#wake();
  }

  #wake = (): void => {};

  async stuck(): Promise<void> {
    await new Promise(() => {});
  }
}

interface Two {
  readonly world: Stage;
  readonly one: Awaited<ReturnType<Stage["open"]>>;
  readonly other: Awaited<ReturnType<Stage["open"]>>;
  /** An actor on the other node, as the first one sees it. */
  readonly counter: ActorRef<Counter>;
}

async function two(seed: number, limits: Parameters<Stage["open"]>[1] = {}): Promise<Two> {
  const world = stage(seed);
  const one = await world.open("a", limits);
  const other = await world.open("b", limits);
  const counter = await world.settled(one.node.system.spawn(Counter, undefined, { node: "b" }));
  return { world, one, other, counter };
}

const warnings = ({ records }: Stage): string[] =>
  records.flatMap((record) => record.type === "MessageLogged" && record.level === "warn" ? [record.text] : []);

function packetOf(json: string): Uint8Array {
  const bytes = new TextEncoder().encode(json);
  const packet = new Uint8Array(4 + bytes.length);
  new DataView(packet.buffer).setUint32(0, bytes.length, true);
  packet.set(bytes, 4);
  return packet;
}

const head = headOf({ run: "r", token: "", node: "stranger" }, 1);
const headWith = (what: { readonly run?: string; readonly token?: string }): string =>
  headOf({ run: "r", token: "", node: "stranger", ...what }, 1);

const strange: Readonly<Record<string, Packet>> = {
  "text that is nothing": "",
  "text that is no JSON": "{",
  "text without frames": head,
  "text of another layout": '[999,"r","","stranger",1]\n[]',
  "text of another run": `${headWith({ run: "elsewhere" })}[]`,
  "text of another token": `${headWith({ token: "guessed" })}[]`,
  "text of nobody": `${head.replace('"stranger"', "null")}[]`,
  "text with holes": `${head}[[1,"one/1"]]`,
  "text of a message with holes": `${head}[[0,"one/1","b/1",1048576,0,0,0,0,1,[0,1]]]`,
  "text of a message that says more than one may":
    `${head}[[0,"o/1","b/1",1,0,0,0,0,1,[0,1,12,"add",0,0,[1,2],0,"k","d",0,0,0]]]`,
  "text of more arrays than there are": `${head}[[0,"o/1","b/1",1,0,0,0,0,1,[0,1,13,"add",0,0,[1],0,"","",0,0,999]]]`,
  "text of a refusal by nobody": '["refused",1,"Unauthorized","no"]',
  "text of a refusal that is none": '["refused","b","Ended","no"]',
  "text of a refusal by one who is known": '["refused","b","Unauthorized","no"]',
  "text of a refusal by another run's": '["refused","b","Incompatible","no","elsewhere","r"]',
  "text of a refusal of another run's": '["refused","b","Incompatible","no","r","elsewhere"]',
  "nothing": new Uint8Array(0),
  "three bytes": Uint8Array.of(1, 2, 3),
  "a length that is not true": Uint8Array.of(255, 255, 255, 255, 1),
  "garbage": new Uint8Array(500).map((_, index) => index * 37),
  "no JSON": packetOf("{"),
  "no list": packetOf(`${head}{}`),
  "another layout": packetOf('[999,"r","","stranger",1]\n[]'),
  "another run": packetOf(`${headWith({ run: "elsewhere" })}[]`),
  "no frames": packetOf(head),
  "a frame of no kind": packetOf(`${head}[[9,"one/1","b/1",1]]`),
  "a frame with holes": packetOf(`${head}[[0,"one/1"]]`),
  "a member that changes objects": packetOf(`${head}[{"__proto__":{"x":1}}]`),
};

for (const [what, packet] of Object.entries(strange)) {
  test(`a packet that is ${what} is refused, and mail goes on`, async () => {
    const { world, counter } = await two(1);
    const stranger = world.network.linking(world.processes.start("stranger"))({ packet() {}, linked() {} });
    stranger.send("b", packet.slice());
    stranger.send("a", packet.slice());
    await world.pass(1_000);
    assert.equal(await world.settled(counter.ask("add", 3)), 3);
    assert.equal(await world.settled(counter.ask("add", 4)), 7);
  });
}

test("a node of another layout, or of another run, is no node: who writes to it is told in bounded time", async () => {
  for (const answer of [strange["another layout"]!, strange["another run"]!]) {
    const world = stage(2);
    const { node } = await world.open("a");
    const link = world.network.linking(world.processes.start("odd"))({
      packet: () => link.send("a", answer.slice()),
      linked() {},
    });
    const began = world.world.now();
    const error = await world.refused(node.system.spawn(Counter, undefined, { node: "odd" }));
    assert.ok(["Suspended", "Incompatible", "Lost", "Timeout"].includes(error.code), error.code);
    assert.ok(world.world.now() - began < 300_000, `${world.world.now() - began} ms`);
    assert.ok(warnings(world).length > 0, "nobody says why");
  }
});

test("a spawn on a node that is not there ends in bounded time", async () => {
  const world = stage(3);
  const { node } = await world.open("a");
  const began = world.world.now();
  const error = await world.refused(node.system.spawn(Counter, undefined, { node: "nowhere" }));
  assert.ok(["Suspended", "Lost", "Timeout"].includes(error.code), error.code);
  assert.ok(world.world.now() - began < 300_000, `${world.world.now() - began} ms`);
});

for (let seed = 1; seed <= 10; seed++) {
  test(`two runs on one network and one server never see each other's mail, names or actors, seed ${seed}`, async () => {
    const world = stage(seed);
    const systems = [];
    for (const run of ["r", "s"]) {
      const a = await world.open("a", { run });
      const b = await world.open("b", { run });
      systems.push(a.node.system);
      const ref = await world.settled(a.node.system.spawn(Counter, undefined, { node: "b", name: "counter" }));
      assert.equal(await world.settled(ref.ask("add", 1)), 1);
      assert.equal(b.node.epoch, 1);
    }
    for (const system of systems) {
      const found = await world.settled(system.find(Counter, "counter"));
      assert.equal(await world.settled(found!.ask("add", 1)), 2);
    }
  });
}

test("of two processes that are one node at once the later is it, and the other learns that it is not", async () => {
  const { world, one, other, counter } = await two(5);
  assert.equal(await world.settled(counter.ask("add", 1)), 1);
  const successor = await world.open("b");
  assert.equal(successor.node.epoch, other.node.epoch + 1);
  // Both answer until one has been heard of: what the earlier one has answered may be refused by the later.
  const attempt = async (): Promise<number> =>
    await (await one.node.system.spawn(Counter, undefined, { node: "b" })).ask("add", 5);
  const first = await world.settled(attempt()).catch(() => 0);
  assert.equal(first === 5 ? first : await world.settled(attempt()), 5);
  // The first has heard of the later one: nothing that the earlier one says counts any more.
  const outcome = await world.refused(counter.ask("add", 1));
  assert.ok(["Lost", "Ended", "Suspended"].includes(outcome.code), outcome.code);
  // The first is told by the first that it writes to, if nothing tells it sooner.
  const stale = await world.settled(other.node.system.spawn(Counter)).catch((error: unknown) => error);
  if (!(stale instanceof Error)) {
    await world.refused(other.node.system.spawn(Counter, undefined, { node: "a" }));
  }
  const ended = await world.settled(other.node.ended, 600_000);
  assert.equal((ended as { code?: string } | undefined)?.code, "Fenced");
});

test("of two processes that claim one node in the same moment one has it, and the other is Fenced", async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const world = stage(seed);
    const both = await Promise.allSettled([world.open("a"), world.open("a")]);
    const fates = both.map((end) =>
      end.status === "fulfilled" ? end.value.node : (end.reason as { code?: string }).code
    );
    const nodes = fates.filter((fate) => typeof fate === "object");
    assert.ok(nodes.length >= 1, inspect(fates));
    if (nodes.length === 1) assert.ok(fates.includes("Fenced"), inspect(fates));
    else assert.notEqual(nodes[0]!.epoch, nodes[1]!.epoch);
  }
});

test("an ask of an actor that has ended, or whose node never made it, is Ended at once", async () => {
  const { world, one, other, counter } = await two(6);
  await world.settled(one.node.system.stop(counter));
  const began = world.world.now();
  const error = await world.refused(counter.ask("add", 1));
  assert.equal(error.code, "Ended");
  assert.notEqual(error.outcome, "done");
  assert.ok(world.world.now() - began < 5_000);
  const child = await world.settled(one.node.system.spawn(Counter, undefined, { node: "b" }));
  await world.settled(other.node.system.stop(child, { now: true }).catch(() => one.node.system.stop(child)));
  assert.equal((await world.refused(child.ask("add", 1))).code, "Ended");
  assert.equal((await world.refused(child.tell("add", 1))).code, "Ended");
});

test("an ask of an actor that is being restarted waits for it", async () => {
  const { world, counter } = await two(7);
  await world.settled(counter.ask("add", 1));
  const failing = world.refused(counter.ask("fail"));
  const after = world.settled(counter.ask("add", 2));
  assert.equal((await failing).code, "HandlerError");
  const settled = await Promise.allSettled([after]);
  // A volatile actor's memory is gone with its life; the ask is not.
  const [end] = settled;
  if (end?.status === "fulfilled") assert.equal(end.value, 2);
  else assert.ok(isShoalError(end?.reason, "Lost"), String(end?.reason));
});

test("a mailbox that stays full refuses in bounded time, and forgets nothing that it took in", async () => {
  const limits = { mailboxMessagesMax: 3, overflowMessagesMax: 5, sendTimeoutMs: 10_000, replyTimeoutMs: 20_000 };
  const { world, counter } = await two(8, { limits });
  void counter.tell("stuck");
  await world.pass(100);
  const began = world.world.now();
  const ends = await Promise.all(
    Array.from(
      { length: 30 },
      () => world.settled(Promise.resolve(counter.tell("add", 1)).then(() => "done", (error) => error.code)),
    ),
  );
  assert.ok(world.world.now() - began < 60_000, `${world.world.now() - began} ms`);
  assert.ok(ends.some((end) => end === "CapacityExceeded"), `${ends}`);
  // What was taken in, and what waits at its sender, is within the limits.
  const held = ends.filter((end) => end !== "CapacityExceeded").length;
  assert.ok(ends.filter((end) => end === "done").length <= limits.mailboxMessagesMax, `${ends}`);
  assert.ok(held <= limits.overflowMessagesMax, `${ends}`);
  assert.ok(ends.every((end) => ["done", "CapacityExceeded", "Timeout"].includes(end as string)), `${ends}`);
  const asked = await world.refused(counter.ask("add", 1));
  assert.ok(["Timeout", "CapacityExceeded"].includes(asked.code), asked.code);
});
