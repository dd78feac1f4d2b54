// What schedules reach rarely or never: bad input, conflicts, ends, and senders that find no room. One or two cores, by
// hand.
import { type Event } from "../../runtime/delivery/events.ts";
import { advance, deliveryNode, type Node } from "../../runtime/delivery/node.ts";
import { rules } from "../../runtime/delivery/rules.ts";
import { assert, test } from "../suite.ts";
import { ask, finished, inHandler, outcome, send, spawned, start, tell } from "./hand.ts";

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

test("message told when a successor is known is not sent to the process before it, nor lost with that", () => {
  const node = start("n0");
  const mails = (): number[][] =>
    node.all("send").flatMap(({ frame }) =>
      frame.type === "mail" ? [frame.entries.map(({ sequence }) => sequence)] : []
    );
  node.tell(spawned("x"), { type: "peer", node: "n1", epoch: 1 }, tell("x", "y", 1, 1, "n1"));
  assert.deepEqual(mails(), [[1]]);
  node.tell({ type: "peer", node: "n1", epoch: 2 }, tell("x", "y", 2, 1, "n1"));
  assert.deepEqual(mails(), [[1], []], "it was sent to a process that is gone");
  assert.equal(outcome(node, 2), undefined);
  const [asked] = node.all("send").slice(-1);
  assert.ok(asked?.frame.type === "mail");
  // A successor has never heard of the stream. It is its first life.
  const successor = start("n1", {}, [], 1);
  successor.tell(spawned("y"), { type: "frame", frame: asked.frame });
  for (const { frame } of successor.all("send").splice(0)) node.tell({ type: "frame", frame });
  const [gap] = node.all("gap");
  assert.deepEqual([gap?.acknowledged, gap?.through], [0, 1]);
  assert.deepEqual(mails(), [[1], [], [2]]);
  assert.equal(outcome(node, 2), "done");
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

test("step that asks more than it may is refused, in every run, and nothing happened", () => {
  const node = start("n0", { callsMax: 1 });
  node.tell(spawned("x"), spawned("a", true), spawned("b", true), tell("x", "a", 0));
  node.tell(inHandler(node.all("deliver")[0]), ask("a", "b", 1), ask("a", "b", 2));
  assert.equal(outcome(node, 2), "failed CapacityExceeded");
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

test("tells that were handled one after the other are acknowledged by one word, which counts once", () => {
  const node = start("n0", { mailboxMessagesMax: 4, firstMessagesMax: 4 });
  node.tell(spawned("x"), spawned("y"), ...[1, 2, 3, 4, 5, 6].map((bytes) => tell("x", "y", 0, bytes)));
  const got = (): (number | undefined)[] => node.all("deliver").map(({ entry }) => entry?.sequence);
  assert.deepEqual(got(), [1, 2, 3, 4]);
  const word = { type: "applied", actor: "y", source: "x", epoch: 1, after: 0, through: 3, bytes: 6 } as const;
  node.tell({ ...word, after: 1 }, { ...word, epoch: 2 }, { ...word, source: "z" });
  assert.deepEqual(got(), [1, 2, 3, 4], "what is not said of the next changes nothing");
  node.tell(word, word);
  const y = node.core.actors.get("y")!;
  assert.deepEqual(got(), [1, 2, 3, 4, 5, 6]);
  assert.deepEqual([y.mailMessages, y.mailBytes, y.inbounds.get("x")!.cursor], [3, 15, 3]);
  node.tell({ ...word, after: 3, through: 6, bytes: 15 });
  assert.deepEqual([y.mailMessages, y.mailBytes, y.inbounds.get("x")!.cursor], [0, 0, 6]);
  assert.equal(node.core.actors.get("x")!.outbounds.get("y")!.acked, 6);
});

test("tells one behind the other are one word, of which each is refused, withdrawn or done by itself", () => {
  const node = start("n0", { messageBytesMax: 10, outboxMessagesMax: 5, firstMessagesMax: 2, mailboxMessagesMax: 2 });
  const letters = [1, 11, 2, 3, 4, 5, 6].map((bytes, index) => ({ ...send("x", "y", index + 1, bytes) }));
  node.tell(spawned("x"), spawned("y"), { type: "tells", from: "x", node: "n0", to: "y", letters });
  const outcomes = (): (string | undefined)[] => letters.map(({ token }) => outcome(node, token));
  const [tooLarge, full] = ["failed TooLarge", "failed CapacityExceeded"];
  assert.deepEqual(outcomes(), ["done", tooLarge, "done", undefined, undefined, undefined, full]);
  node.tell({ type: "expired", actor: "x", destination: "y", token: 5 });
  assert.equal(outcome(node, 5), "failed Timeout");
  const word = { type: "applied", actor: "y", source: "x", epoch: 1 } as const;
  node.tell({ ...word, after: 0, through: 2, bytes: 3 });
  assert.deepEqual(node.all("deliver").map(({ entry }) => entry?.sequence), [1, 2, 3, 5]);
  assert.deepEqual(outcomes(), ["done", tooLarge, "done", "done", "failed Timeout", "done", full]);
  node.tell({ type: "ended", actor: "x" }, {
    type: "tells",
    from: "x",
    node: "n0",
    to: "y",
    letters: [send("x", "y", 8)],
  });
  assert.equal(outcome(node, 8), "failed Ended");
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
