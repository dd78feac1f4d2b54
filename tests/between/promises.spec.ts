// What a caller on another node may rely on: outcomes, order, cancelling, circles, names, and errors that say why.

import { Actor } from "../../runtime/mod.ts";
import type { ActorRef } from "../../runtime/mod.ts";
import { isShoalError, type ShoalError } from "../../stores/error.ts";
import { openStore } from "../../stores/open.ts";
import { realWorld } from "../../runtime/launch/world.ts";
import { headOf, packetOf } from "../../runtime/nodes/packets.ts";
import { assert, test } from "../suite.ts";
import { world } from "./world.ts";

async function fails(call: PromiseLike<unknown>, code: string, outcome: string): Promise<ShoalError> {
  let thrown: unknown;
  try {
    const value = await call;
    thrown = new Error(`expected ${code}, got ${String(value)}`);
  } catch (error) {
    thrown = error;
  }
  assert.ok(isShoalError(thrown), String(thrown));
  assert.equal(`${thrown.code} ${thrown.outcome}`, `${code} ${outcome}`, thrown.message);
  return thrown;
}

interface Gate {
  readonly opened: Promise<void>;
  open(): void;
}

function gate(): Gate {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => open = resolve);
  return { opened, open };
}

let door = gate();
let entered = gate();
const left = gate();

class Server extends Actor {
  applied: number[] = [];
  aborted = false;
  note(n: number): void {
    this.applied.push(n);
  }
  list(): number[] {
    return this.applied;
  }
  async hold(n: number): Promise<number> {
    const { signal } = this;
    signal.addEventListener("abort", () => {
      this.aborted = true;
      left.open();
    });
    entered.open();
    await door.opened;
    this.applied.push(n);
    return n;
  }
  wasAborted(): boolean {
    return this.aborted;
  }
  async relay(step: { via: ActorRef<Server>[]; n: number }): Promise<number> {
    const [next, ...via] = step.via;
    return next === undefined ? step.n : await next.ask("relay", { via, n: step.n });
  }
  crash(): void {
    throw new Error("broken");
  }
  async *slowly(to: number): AsyncGenerator<number> {
    for (let i = 0; i < to; i++) {
      yield i;
      await door.opened;
    }
  }
}

test("cancelled: what has not begun never happens, of what has begun nobody can say, and its handler is told", async () => {
  door = gate();
  entered = gate();
  const { open, close } = await world(Server);
  const a = await open("a");
  await open("b");
  const far = await a.system.spawn(Server, undefined, { node: "b" });
  const one = new AbortController();
  const two = new AbortController();
  const held = far.ask("hold", 1, { signal: one.signal });
  const queued = far.ask("note", 2, { signal: two.signal });
  await entered.opened;
  // The word of the second goes first: it is heard before the first handler is told, and the door opens.
  two.abort();
  one.abort();
  await fails(held, "Cancelled", "unknown");
  await fails(queued, "Cancelled", "unknown");
  await left.opened;
  door.open();
  assert.equal(await far.ask("wasAborted"), true);
  assert.deepEqual(await far.ask("list"), [1], "what was cancelled while it waited has happened");
  await close();
});

test("timeout: the caller is told in its time, and later messages go on in order", async () => {
  door = gate();
  entered = gate();
  const { open, close } = await world(Server);
  // Its time is over when the handler has begun, however long that takes here.
  const timeoutMs = 77_777;
  let passedMs = 0;
  const now = (): number => realWorld.now() + passedMs;
  const after = (delayMs: number, call: () => void): () => void => {
    if (delayMs !== timeoutMs) return realWorld.after(delayMs, call);
    void entered.opened.then(() => {
      passedMs += timeoutMs;
      call();
    });
    return () => {};
  };
  const a = await open("a", { environment: { ...realWorld, now, after } });
  await open("b");
  const far = await a.system.spawn(Server, undefined, { node: "b" });
  await fails(far.ask("hold", 1, { timeoutMs }), "Timeout", "unknown");
  for (let i = 2; i < 10; i++) void far.tell("note", i);
  door.open();
  assert.deepEqual(await far.ask("list"), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  await close();
});

test("circle: through three nodes it is BadInput, and names the chain", async () => {
  const { open, close } = await world(Server);
  const a = await open("a");
  await open("b");
  await open("c");
  const here = await a.system.spawn(Server);
  const b = await a.system.spawn(Server, undefined, { node: "b" });
  const c = await a.system.spawn(Server, undefined, { node: "c" });
  assert.equal(await here.ask("relay", { via: [b, c], n: 7 }), 7);
  const error = await fails(here.ask("relay", { via: [b, c, here], n: 7 }), "HandlerError", "done");
  assert.match(error.message, /for ever/);
  for (const { id } of [here, b, c]) assert.ok(error.message.includes(id), error.message);
  await fails(b.ask("relay", { via: [c, b], n: 7 }), "HandlerError", "done");
  const b2 = await a.system.spawn(Server, undefined, { node: "b" });
  await fails(b.ask("relay", { via: [c, b2, b], n: 7 }), "HandlerError", "done");
  await close();
});

test("circle: one that closes on two nodes at once is found too, and only one of its asks is given up", async () => {
  const { open, close } = await world(Server);
  const a = await open("a");
  await open("b");
  const one = await a.system.spawn(Server);
  const two = await a.system.spawn(Server, undefined, { node: "b" });
  const results = await Promise.allSettled([
    one.ask("relay", { via: [two, one], n: 1 }),
    two.ask("relay", { via: [one, two], n: 2 }),
  ]);
  assert.ok(results.some(({ status }) => status === "rejected"));
  for (const result of results) {
    if (result.status === "rejected") assert.match(String(result.reason), /for ever/);
  }
  await close();
});

test("pool: its members live where they are told to", async () => {
  const { open, close } = await world(Server);
  const a = await open("a");
  await open("b");
  await open("c");
  const pool = await a.system.pool(Server, { size: 4, nodes: ["b", "c"] });
  const values = await pool.map("relay", Array.from({ length: 100 }, (_, n) => ({ via: [], n })));
  assert.deepEqual(values, Array.from({ length: 100 }, (_, n) => n));
  await close();
});

test("names: one actor of all nodes has a name, others find it, and it is free when that has ended", async () => {
  const { open, close } = await world(Server);
  const a = await open("a");
  const b = await open("b");
  const first = await b.system.spawn(Server, undefined, { name: "x" });
  await fails(a.system.spawn(Server, undefined, { name: "x" }), "Conflict", "failed");
  await fails(a.system.spawn(Server, undefined, { name: "x", node: "b" }), "Conflict", "failed");
  const found = await a.system.find(Server, "x");
  assert.ok(found !== undefined && found.id === first.id);
  void found.tell("note", 1);
  assert.deepEqual(await found.ask("list"), [1]);
  const ended = a.system.watch(found);
  await b.system.stop(first);
  assert.equal((await ended).reason, "stopped");
  while (await a.system.find(Server, "x") !== undefined) await new Promise(setImmediate);
  const second = await a.system.spawn(Server, undefined, { name: "x" });
  assert.equal((await b.system.find(Server, "x"))?.id, second.id);
  await close();
});

test("gone: an actor that has ended, one of an earlier process, and one that never was: Ended, failed or unknown", async () => {
  const { open, close, store } = await world(Server);
  const a = await open("a");
  const b1 = await open("b");
  const old = await a.system.spawn(Server, undefined, { node: "b" });
  assert.deepEqual(await old.ask("list"), []);
  await b1.system.close();
  await open("b");
  let thrown: unknown;
  await old.ask("list").catch((error: unknown) => thrown = error);
  assert.ok(isShoalError(thrown, "Ended") || isShoalError(thrown, "Lost"), String(thrown));
  await fails(old.ask("list"), "Ended", "failed");
  const fresh = await a.system.spawn(Server, undefined, { node: "b" });
  assert.notEqual(fresh.id, old.id);
  assert.deepEqual(await fresh.ask("list"), []);
  // Names are claims in the store: one that means an address which nobody was given, and one that no state stands behind.
  for (const [name, id] of [["never", `${fresh.id}999`], ["unborn", "b/@unborn"]] as const) {
    const named = { id, class: "tests/between#Server", className: "Server" };
    assert.ok((await store.claims.claim(`actor/${name}`, 1, JSON.stringify(named))).held);
  }
  const never = await a.system.find(Server, "never");
  assert.equal(never?.id, `${fresh.id}999`);
  await fails(never.ask("list"), "Ended", "unknown");
  assert.equal(await a.system.find(Server, "unborn"), undefined);
  await close();
});

test("lost: a node that goes with its process settles what was under way to it, as the successor comes", async () => {
  door = gate();
  entered = gate();
  const { open, close, hub } = await world(Server);
  const a = await open("a");
  await open("b");
  const far = await a.system.spawn(Server, undefined, { node: "b" });
  const held = far.ask("hold", 1);
  const reading = far.stream("slowly", 3)[Symbol.asyncIterator]();
  const next = reading.next();
  next.catch(() => {});
  const watching = a.system.watch(far);
  await entered.opened;
  hub.passes = () => false;
  await open("b");
  hub.passes = () => true;
  const ends = [await held.catch((error: unknown) => error), await next.catch((error: unknown) => error)];
  for (const end of ends) assert.ok(isShoalError(end, "Ended") || isShoalError(end, "Lost"), String(end));
  assert.equal((ends[0] as ShoalError).outcome, "unknown");
  assert.equal((await watching).reason, "lost");
  door.open();
  await close();
});

test("packets: of another run, of another layout, damaged: said, and nothing comes of them", async () => {
  const said: string[] = [];
  const { open, close, hub } = await world(Server);
  const a = await open("a", {
    record: (record) => void (record.type === "MessageLogged" && said.push(record.text)),
  });
  const far = await open("b").then(() => a.system.spawn(Server, undefined, { node: "b" }));
  const link = hub.linking("stranger")({ packet() {}, linked() {} });
  const other = packetOf(headOf({ run: "another", token: "", node: "stranger" }, 1), []);
  const framed = (packet: Uint8Array): Uint8Array => {
    const bytes = new Uint8Array(4 + packet.length);
    new DataView(bytes.buffer).setUint32(0, packet.length, true);
    bytes.set(packet, 4);
    return bytes;
  };
  const encoder = new TextEncoder();
  link.send("a", other);
  link.send("a", framed(encoder.encode(`[99,"between","","stranger",1]\n[]`)));
  link.send("a", framed(encoder.encode(`[3,"between","","stranger",1]\n[[0,"here","there"]]`)));
  link.send("a", new Uint8Array([255, 255, 255, 255, 1]));
  link.send("a", new Uint8Array(0));
  link.send("a", "{");
  void far.tell("note", 1);
  assert.deepEqual(await far.ask("list"), [1]);
  assert.equal(said.filter((line) => line.includes("another")).length, 1);
  assert.equal(said.filter((line) => line.includes("same version")).length, 1);
  assert.equal(said.filter((line) => line.includes("damaged")).length, 4);
  await close();
});

for (
  const [what, theirs, code] of [
    ["another token", { token: "theirs" }, "Unauthorized"],
    ["no token", { token: "" }, "Unauthorized"],
    ["another run", { run: "elsewhere" }, "Incompatible"],
  ] as const
) {
  test(`strangers: a node with ${what} takes no mail and brings none, and who asks it is told`, async () => {
    const { open, close } = await world(Server);
    const a = await open("a", { token: "ours" });
    await open("b", { token: "ours" });
    const { run = "between" } = theirs as { readonly run?: string };
    // What one run has claimed in a store, another does not see.
    const store = await openStore("memory:", { run, environment: realWorld, strict: true, thresholdBytes: 0 });
    const own = run === "between" ? {} : { store };
    const c = await open("c", { token: "ours", ...theirs, ...own });
    const there = await fails(a.system.spawn(Server, undefined, { node: "c" }), code, "unknown");
    assert.ok(/token|run/.test(there.message) && !/ours|theirs/.test(there.message), there.message);
    await fails(c.system.spawn(Server, undefined, { node: "a" }), code, "unknown");
    assert.equal(c.system.statistics().spawned, 0);
    const far = await a.system.spawn(Server, undefined, { node: "b" });
    void far.tell("note", 1);
    assert.deepEqual(await far.ask("list"), [1]);
    await close();
  });
}
