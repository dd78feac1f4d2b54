// What stays of actors that have ended: what was never applied is known, answers that were committed still come, and
// of millions that came and went no more is kept than a limit says.
import type { Command, Deliver, DeliveryLimits, Event } from "../../runtime/delivery/events.ts";
import { advance, deliveryNode } from "../../runtime/delivery/node.ts";
import type { StepRecord } from "../../runtime/delivery/protocol.ts";
import { rules } from "../../runtime/delivery/rules.ts";
import { assert, test } from "../suite.ts";
import { singly } from "./singly.ts";

type Of<T extends Command["type"]> = Extract<Command, { type: T }>;

/** A running node whose frames to itself come back at once, and whose commits are held by the test. */
function start(limits: Partial<DeliveryLimits> = {}, journal: StepRecord[] = [], standing = 0) {
  const core = deliveryNode("n", limits, rules);
  const done: Command[] = [];
  const held: Of<"commit">[] = [];
  const records = [...journal];
  const tell = (...events: Event[]): void => {
    for (const command of advance(core, events).flatMap(singly)) {
      done.push(command);
      if (command.type === "send") tell({ type: "frame", frame: command.frame });
      if (command.type === "commit") held.push(command);
    }
  };
  const commit = (): void => {
    for (let next = held.shift(); next !== undefined; next = held.shift()) {
      journal.push(...next.records);
      tell({ type: "committed", number: next.number, outcome: "held" });
    }
  };
  tell({ type: "started", standing }, { type: "claimed", held: true }, { type: "opened", fenced: false });
  tell({ type: "read", records, end: true });
  const all = <T extends Command["type"]>(type: T): Of<T>[] => done.filter((one): one is Of<T> => one.type === type);
  const outcome = (token: number): string | undefined => {
    const found = all("settle").find((settled) => settled.token === token);
    return found === undefined ? undefined : `${found.outcome} ${found.code ?? String(found.body)}`;
  };
  const ticks = (count: number): void => {
    for (let tick = 0; tick < count; tick++) tell({ type: "tick" });
  };
  return { core, tell, commit, all, outcome, ticks };
}

const send = (from: string, to: string, token: number) => {
  return { from, node: "n", to, body: `${from}>${to}`, bytes: 1, pins: [], token };
};
const tell = (from: string, to: string, token: number): Event => ({ type: "tell", ...send(from, to, token) });
const ask = (from: string, to: string, token: number): Event => ({ type: "ask", digest: "", ...send(from, to, token) });
const spawned = (actor: string, durable = false): Event => ({ type: "spawned", actor, durable });
const began = ({ actor, input }: Deliver): Event => ({ type: "began", actor, input, chain: [] });
const finished = ({ actor, input }: Deliver, body: unknown, state?: unknown): Event => {
  const base = { type: "finished", actor, input, threw: false, body, discard: false } as const;
  return state === undefined ? base : { ...base, change: { state } };
};

test("ask that comes after the end of its actor never happened, and is failed", () => {
  for (const durable of [false, true]) {
    const node = start();
    node.tell(spawned("x"), spawned("y", durable), ask("x", "y", 1));
    const first = node.all("deliver")[0]!;
    node.tell(began(first), finished(first, "one", 1));
    node.commit();
    assert.equal(node.outcome(1), "done one");
    node.tell({ type: "ended", actor: "y" });
    node.commit();
    node.tell(ask("x", "y", 2));
    node.commit();
    assert.equal(node.outcome(2), "failed Ended");
    assert.equal(node.all("gap").filter(({ tells }) => tells).length, 0);
  }
});

test("ask whose actor ended is unknown where it had been let in, and failed where it had not", () => {
  for (const durable of [false, true]) {
    const node = start({ mailboxMessagesMax: 1 });
    node.tell(spawned("x"), spawned("y", durable), ask("x", "y", 1), ask("x", "y", 2));
    node.tell({ type: "ended", actor: "y" });
    node.commit();
    node.ticks(3);
    assert.deepEqual([node.outcome(1), node.outcome(2)], ["unknown Ended", "failed Ended"]);
  }
});

test("answer of a durable step that ends its own actor comes before the word that it has ended", () => {
  const node = start();
  node.tell(spawned("x"), spawned("y", true), ask("x", "y", 1));
  const delivery = node.all("deliver")[0]!;
  node.tell(began(delivery), finished(delivery, "last", 1), { type: "ended", actor: "y" });
  assert.equal(node.outcome(1), undefined);
  node.commit();
  assert.equal(node.outcome(1), "done last");
});

test("durable actor that has ended says so in the next process too, and what was never let in is failed", () => {
  const journal: StepRecord[] = [];
  const node = start({}, journal);
  node.tell(spawned("x"), spawned("y", true), ask("x", "y", 1));
  const first = node.all("deliver")[0]!;
  node.tell(began(first), finished(first, "one", 1));
  node.commit();
  node.tell({ type: "ended", actor: "y" });
  node.commit();
  const next = start({}, journal, 1);
  next.tell(spawned("z"), ask("z", "y", 2));
  assert.equal(next.outcome(2), "failed Ended");
});

test("volatile actors that have ended are forgotten beyond a limit, on both sides, and asks to them still settle", () => {
  const node = start({ endedActorsMax: 2 });
  node.tell(spawned("x"));
  for (let n = 0; n < 50; n++) {
    node.tell(spawned(`y${n}`), ask("x", `y${n}`, n + 1));
    const delivery = node.all("deliver").at(-1)!;
    node.tell(began(delivery), finished(delivery, n), { type: "ended", actor: `y${n}` });
    // Half of them are asked once more.
    if (n % 2 === 0) node.tell(ask("x", `y${n}`, 100 + n));
    node.ticks(3);
  }
  for (let n = 0; n < 50; n += 2) assert.equal(node.outcome(100 + n), "failed Ended");
  assert.deepEqual([...node.core.actors.keys()], ["x", "y48", "y49"]);
  assert.deepEqual([...node.core.gone], ["y48", "y49"]);
  assert.equal(node.core.actors.get("x")!.outbounds.size, 0);
  // Of one that is forgotten its driver says so when it is asked for.
  node.tell(spawned("y0"), { type: "ended", actor: "y0", forgotten: true }, ask("x", "y0", 200));
  assert.equal(node.outcome(200), "unknown Ended");
});

test("volatile actor that has ended is kept while what it told is on its way", () => {
  const node = start({ endedActorsMax: 0, mailboxMessagesMax: 1, firstMessagesMax: 1 });
  node.tell(spawned("x"), spawned("y"), tell("x", "y", 0), tell("x", "y", 0));
  node.tell({ type: "ended", actor: "x" });
  node.ticks(2);
  assert.deepEqual([...node.core.actors.keys()], ["x", "y"]);
  for (const _ of [1, 2]) {
    const delivery = node.all("deliver").at(-1)!;
    node.tell(began(delivery), finished(delivery, undefined));
    node.ticks(40);
  }
  assert.equal(node.all("deliver").length, 2);
  assert.deepEqual([...node.core.actors.keys()], ["y"]);
});

test("durable actor's streams to volatile ones that are gone leave its journal, and are told of once", () => {
  const journal: StepRecord[] = [];
  let last = start({}, journal);
  last.tell(spawned("x"), spawned("a", true), spawned("v"), tell("x", "a", 0));
  const delivery = last.all("deliver")[0]!;
  last.tell(began(delivery), tell("a", "v", 0), finished(delivery, undefined, 1));
  last.commit();
  // Its process ends, and with it v: what the next ones say of it is that nobody knows.
  for (let process = 1; process <= 3; process++) {
    last = start({}, journal, process);
    last.tell(spawned("v"), { type: "ended", actor: "v", forgotten: true });
    last.ticks(8);
    last.commit();
    assert.equal(last.all("gap").length, process === 1 ? 1 : 0, `gaps in process ${process + 1}`);
    assert.equal(last.core.actors.get("a")!.outbounds.size, 0);
  }
  last.tell({ type: "snapshotted", actor: "a", state: 2 });
  last.commit();
  assert.deepEqual(journal.at(-1)!.sent, []);
});
