// What schedules reach rarely or never: bad input, conflicts, ends, and senders that find no room. One or two cores, by
// hand.
import type { Command, Deliver, DeliveryLimits, Event } from "../../runtime/delivery/events.ts";
import { advance, deliveryNode, type Node } from "../../runtime/delivery/node.ts";
import type { Input } from "../../runtime/delivery/protocol.ts";
import { rules } from "../../runtime/delivery/rules.ts";
import { assert, test } from "../suite.ts";

type Of<T extends Command["type"]> = Extract<Command, { type: T }>;

/** A running node; everything it is told to do is kept, and frames to itself come back at once. */
function start(name: string, limits: Partial<DeliveryLimits> = {}) {
  const core = deliveryNode(name, limits, rules);
  const done: Command[] = [];
  const tell = (...events: Event[]): void => {
    for (const command of advance(core, events)) {
      done.push(command);
      if (command.type === "send" && command.node === name) tell({ type: "frame", frame: command.frame });
      if (command.type === "commit") tell({ type: "committed", number: command.number, outcome: "held" });
    }
  };
  tell({ type: "started", standing: 0 }, { type: "claimed", held: true }, { type: "opened", fenced: false });
  tell({ type: "read", records: [], end: true });
  const all = <T extends Command["type"]>(type: T): Of<T>[] => done.filter((one): one is Of<T> => one.type === type);
  return { core, tell, all };
}

const send = (from: string, to: string, token: number, bytes = 1, node = "n0") => {
  return { from, node, to, body: `${from}>${to}`, bytes, pins: [], token };
};
const tell = (...parts: Parameters<typeof send>): Event => ({ type: "tell", ...send(...parts) });
const ask = (...parts: Parameters<typeof send>): Event => ({ type: "ask", digest: "ask", ...send(...parts) });
const spawned = (actor: string, durable = false): Event => ({ type: "spawned", actor, durable });
const finished = (actor: string, input: Input, body?: unknown): Event => {
  return { type: "finished", actor, input, threw: false, body, discard: false };
};
const outcome = (node: { all(type: "settle"): Of<"settle">[] }, token: number): string | undefined => {
  const found = node.all("settle").find((settled) => settled.token === token);
  return found === undefined ? undefined : `${found.outcome}${found.code === undefined ? "" : ` ${found.code}`}`;
};
const inHandler = (delivery: Deliver | undefined): Event => {
  return { type: "began", actor: delivery!.actor, input: delivery!.input, chain: delivery!.entry?.chain ?? [] };
};

test("ask that would close a circle of waiting handlers is BadInput and names the chain", () => {
  const node = start("n0");
  node.tell(spawned("x"), spawned("a", true), spawned("b"), ask("x", "a", 1));
  node.tell(inHandler(node.all("deliver")[0]), ask("a", "b", 2));
  node.tell(inHandler(node.all("deliver")[1]), ask("b", "a", 3));
  assert.equal(outcome(node, 3), "failed BadInput");
  assert.deepEqual(node.all("settle")[0]!.body, ["x", "a", "b"]);
});

test("ask of a second run that asks something else is a Conflict", () => {
  const node = start("n0");
  node.tell(spawned("x"), spawned("a", true), spawned("b", true), tell("x", "a", 0));
  node.tell(inHandler(node.all("deliver")[0]), ask("a", "b", 1));
  node.tell({ type: "crashed", actor: "a" });
  node.tell({ type: "tick" });
  const [, first, again] = node.all("deliver");
  node.tell(inHandler(first), finished("b", first!.input, "first answer"));
  node.tell(inHandler(again), { type: "ask", ...send("a", "b", 2), digest: "something else" });
  node.tell({ type: "tick" });
  assert.equal(outcome(node, 2), "failed Conflict");
  assert.equal(node.all("deliver").length, 3, "the second ask was not handled");
});

test("message that is too large is refused", () => {
  const node = start("n0", { messageBytesMax: 10 });
  node.tell(spawned("x"), spawned("y"), tell("x", "y", 1, 11), ask("x", "y", 2, 11), tell("x", "y", 3, 10));
  assert.equal(outcome(node, 1), "failed TooLarge");
  assert.equal(outcome(node, 2), "failed TooLarge");
  assert.equal(outcome(node, 3), "done");
});

test("mailbox that stays full makes senders wait, then refuses, and lets go in order", () => {
  const node = start("n0", { mailboxMessagesMax: 2, outboxMessagesMax: 5, firstMessagesMax: 1 });
  node.tell(spawned("x"), spawned("y"));
  for (let token = 1; token <= 8; token++) node.tell(tell("x", "y", token));
  assert.deepEqual([1, 2, 3, 4, 5, 6, 7, 8].map((token) => outcome(node, token)), [
    "done",
    "done",
    undefined,
    undefined,
    undefined,
    "failed CapacityExceeded",
    "failed CapacityExceeded",
    "failed CapacityExceeded",
  ]);
  node.tell({ type: "expired", actor: "x", destination: "y", token: 4 });
  assert.equal(outcome(node, 4), "failed Timeout");
  for (let handled = 0; handled < 4; handled++) {
    const delivery = node.all("deliver")[handled]!;
    node.tell(finished("y", delivery.input));
    node.tell({ type: "tick" });
  }
  assert.deepEqual(node.all("deliver").map(({ entry }) => entry?.sequence), [1, 2, 3, 5]);
  assert.equal(outcome(node, 5), "done");
});

test("parked stream leaves its neighbours alone", () => {
  const node = start("n0", { mailboxMessagesMax: 1 });
  node.tell(spawned("x"), spawned("y"), spawned("z"), tell("x", "y", 1), tell("x", "y", 2), tell("x", "z", 3));
  assert.deepEqual(node.all("deliver").map(({ actor }) => actor), ["y", "z"]);
});

test("actor that has ended settles what is under way and refuses what comes", () => {
  const node = start("n0", { mailboxMessagesMax: 1 });
  node.tell(spawned("x"), spawned("y"), ask("x", "y", 1), ask("x", "y", 2), tell("x", "y", 3));
  node.tell({ type: "ended", actor: "y" });
  for (let ticks = 0; ticks < 3; ticks++) node.tell({ type: "tick" });
  assert.equal(outcome(node, 1), "unknown Ended");
  assert.match(outcome(node, 2)!, /Ended$/);
  node.tell(ask("x", "y", 4));
  assert.equal(outcome(node, 4), "failed Ended");
});

for (const [what, to, home] of [["actor that never existed", "nobody", "n0"], ["node that never existed", "y", "n9"]]) {
  test(`call to an ${what} is suspended in bounded time`.replace("an node", "a node"), () => {
    const node = start("n0", { suspendProbesMax: 3, resendTicksMax: 2 });
    node.tell(spawned("x"), ask("x", to!, 1, 1, home), tell("x", to!, 2, 1, home));
    for (let ticks = 0; ticks < 12; ticks++) node.tell({ type: "tick" });
    assert.match(outcome(node, 1)!, /Suspended$/);
    assert.equal(node.all("suspended").length, 1);
    node.tell(tell("x", to!, 3, 1, home));
    assert.equal(outcome(node, 3), "failed Suspended");
  });
}

test("durable actor tells and asks only inside a step", () => {
  const node = start("n0");
  node.tell(spawned("a", true), spawned("b", true), tell("a", "b", 1), ask("a", "b", 2));
  assert.equal(outcome(node, 1), "failed BadInput");
  assert.equal(outcome(node, 2), "failed BadInput");
});

test("step that asks more than it may is refused and cannot say that nothing happened", () => {
  const node = start("n0", { callsMax: 1 });
  node.tell(spawned("x"), spawned("a", true), spawned("b", true), tell("x", "a", 0));
  node.tell(inHandler(node.all("deliver")[0]), ask("a", "b", 1), ask("a", "b", 2));
  assert.equal(outcome(node, 2), "unknown CapacityExceeded");
});

test("late word of a handler that was given up changes nothing", () => {
  const node = start("n0");
  node.tell(spawned("x"), spawned("a", true), tell("x", "a", 0));
  const [delivery] = node.all("deliver");
  const event = { ...finished("a", delivery!.input), change: { state: 1 } };
  node.tell(event);
  node.tell(event);
  assert.equal(node.all("commit").length, 1);
});

test("node that learns of its successor stops", () => {
  for (
    const event of [
      { type: "peer", node: "n0", epoch: 2 },
      { type: "frame", frame: { type: "fenced", node: "n1", epoch: 1, stale: 1 } },
      { type: "frame", frame: { type: "fenced", node: "n0", epoch: 2, stale: 0 } },
    ] satisfies Event[]
  ) {
    const node = start("n0");
    node.tell(spawned("x"), event, tell("x", "y", 1));
    assert.deepEqual(node.all("stop").length, 1);
    assert.equal(outcome(node, 1), undefined, "a node that has stopped does nothing");
  }
});

test("node that loses its claim or finds its streams opened stops", () => {
  for (const event of [{ type: "claimed", held: false }, { type: "opened", fenced: true }] satisfies Event[]) {
    const core: Node = deliveryNode("n0", {}, rules);
    advance(core, [{ type: "started", standing: 4 }]);
    const commands = advance(core, event.type === "claimed" ? [event] : [{ type: "claimed", held: true }, event]);
    assert.deepEqual(commands, [{ type: "stop", code: "Fenced" }]);
  }
});

test("outbox forgets in bulk and keeps its order over thousands of messages", () => {
  const node = start("n0");
  node.tell(spawned("x"), spawned("y"));
  for (let round = 0; round < 300; round++) {
    node.tell(...Array.from({ length: 10 }, () => tell("x", "y", 0)));
    for (const { input } of node.all("deliver").slice(round * 10)) node.tell(finished("y", input));
  }
  const sequences = node.all("deliver").map(({ entry }) => entry!.sequence);
  assert.deepEqual(sequences, Array.from({ length: 3_000 }, (_, index) => index + 1));
});
