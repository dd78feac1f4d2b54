// What schedules of durable actors reach rarely or never: their ends, steps that run again, snapshots, and receivers that
// lost what they acknowledged.
import { type Event } from "../../runtime/delivery/events.ts";
import { advance, deliveryNode } from "../../runtime/delivery/node.ts";
import { type MailFrame, type StepRecord } from "../../runtime/delivery/protocol.ts";
import { rules } from "../../runtime/delivery/rules.ts";
import { assert, test } from "../suite.ts";
import { ask, finished, inHandler, outcome, spawned, start, tell } from "./hand.ts";

test("durable actor that has ended stays so for its node's successors, and what it told is still delivered", () => {
  const journal: StepRecord[] = [];
  const first = start("n0", {}, journal);
  first.tell(spawned("a", true), spawned("x"), tell("x", "a", 0));
  const [delivery] = first.all("deliver");
  first.tell(inHandler(delivery), tell("a", "far", 0, 1, "n1"), finished("a", delivery!.input));
  first.tell({ type: "ended", actor: "a" }, tell("a", "far", 1, 1, "n1"), ask("a", "far", 2, 1, "n1"));
  assert.equal(outcome(first, 1), "failed Ended");
  assert.equal(outcome(first, 2), "failed Ended");
  for (let epoch = 1; epoch <= 3; epoch++) {
    const next = start("n0", {}, journal, epoch);
    next.tell(spawned("a", true), spawned("x"), ask("x", "a", 3));
    assert.match(outcome(next, 3)!, /Ended$/);
    assert.equal(next.all("restore").length, 0, "its memory comes back");
    next.tell({ type: "snapshotted", actor: "a", state: 1 }, { type: "crashed", actor: "a" });
    assert.equal(next.all("reload").length + next.all("commit").length, 0, "it goes on after its end");
    const toFar = next.all("send").filter(({ node }) => node === "n1").map(({ frame }) => frame as MailFrame);
    assert.ok(toFar.length > 0, "what it told is forgotten");
    // Its receiver says where it stands, and gets what is missing.
    const { source, destination, epoch: streamEpoch } = toFar[0]!;
    const ack = { type: "ack", node: "n1", epoch: 1, source, destination, streamEpoch, cursorEpoch: 0 } as const;
    const credit = { creditMessages: 9, creditBytes: 99, got: 0, doubts: [] };
    next.tell({ type: "frame", frame: { ...ack, incarnation: 0, state: "known", through: 0, accepted: 0, ...credit } });
    const sent = next.all("send").flatMap(({ node, frame }) =>
      node === "n1" && frame.type === "mail" ? frame.entries : []
    );
    assert.deepEqual(sent.map(({ body }) => body), ["a>far"]);
  }
});

test("durable actor's end outlives the trimming of its journal, while others go on", () => {
  const journal: StepRecord[] = [];
  const limits = { replayMessagesMax: 2 };
  const first = start("n0", limits, journal);
  first.tell(spawned("a", true), spawned("b", true), spawned("x"));
  first.tell({ type: "ended", actor: "a" });
  for (let round = 0; round < 12; round++) {
    first.tell(tell("x", "b", 0));
    const delivery = first.all("deliver").at(-1)!;
    const { input } = delivery;
    first.tell(inHandler(delivery), { ...finished("b", input), change: { state: round } } as Event);
  }
  const trims = first.all("trim");
  assert.ok(trims.length > 0, "the journal of a node with an ended actor is never trimmed");
  // One record a commit here: what is left is what a trim has not passed.
  const left = journal.slice(trims.at(-1)!.through);
  const next = start("n0", limits, left, 1);
  next.tell(spawned("a", true), spawned("x"), ask("x", "a", 3));
  assert.match(outcome(next, 3)!, /Ended$/);
});

test("end of a durable actor is not told before it is committed", () => {
  const core = deliveryNode("n0", {}, rules);
  advance(core, [{ type: "started", standing: 0 }, { type: "claimed", held: true }, { type: "opened", fenced: false }]);
  advance(core, [{ type: "read", records: [], end: true }, spawned("a", true)]);
  const probe: Event = {
    type: "frame",
    frame: {
      type: "mail",
      node: "n1",
      epoch: 1,
      source: "x",
      destination: "a",
      incarnation: 0,
      start: 0,
      openings: [],
      got: 0,
      forget: [],
      entries: [],
    },
  };
  const said = advance(core, [{ type: "ended", actor: "a" }, probe]);
  assert.deepEqual(said.map(({ type }) => type), ["commit"]);
  const after = advance(core, [{ type: "committed", number: 1, outcome: "held" }, probe]);
  assert.deepEqual(after.flatMap((one) => one.type === "send" && one.frame.type === "ack" ? one.frame.state : []), [
    "ended",
  ]);
});

test("ask of a durable step to an actor that has ended is Ended in every run, and the step can go on", () => {
  const node = start("n0");
  node.tell(spawned("x"), spawned("a", true), spawned("b", true), { type: "ended", actor: "b" }, tell("x", "a", 0));
  for (let run = 1; run <= 3; run++) {
    node.tell(inHandler(node.all("deliver").at(-1)), ask("a", "b", run));
    for (let ticks = 0; ticks < 4; ticks++) node.tell({ type: "tick" });
    assert.equal(outcome(node, run), "unknown Ended");
    if (run < 3) node.tell({ type: "crashed", actor: "a" }, { type: "tick" });
  }
  node.tell({ ...finished("a", node.all("deliver").at(-1)!.input), threw: true } as Event);
  assert.ok(node.all("commit").some(({ records }) => records.some(({ input }) => input?.source === "x")));
});

test("durable step tells a suspended receiver until its outbox is full, and no further", () => {
  const node = start("n0", { suspendProbesMax: 1, resendTicksMax: 1, outboxMessagesMax: 3 });
  node.tell(spawned("x"), spawned("a", true), tell("x", "a", 0));
  const [first] = node.all("deliver");
  node.tell(inHandler(first), tell("a", "far", 0, 1, "n1"), finished("a", first!.input));
  for (let ticks = 0; ticks < 6; ticks++) node.tell({ type: "tick" });
  assert.ok(node.all("suspended").length > 0);
  node.tell(tell("x", "a", 0));
  const second = node.all("deliver")[1];
  node.tell(inHandler(second), ...[1, 2, 3].map((token) => tell("a", "far", token, 1, "n1")));
  assert.deepEqual([1, 2, 3].map((token) => outcome(node, token)), ["done", "done", "failed CapacityExceeded"]);
});

test("snapshot that is due is asked of the memory that is read back, too", () => {
  const node = start("n0", { replayMessagesMax: 1 });
  node.tell(spawned("x"), spawned("a", true), tell("x", "a", 0));
  const [delivery] = node.all("deliver");
  node.tell(inHandler(delivery), { ...finished("a", delivery!.input), change: { input: 1 } } as Event);
  assert.equal(node.all("snapshot").length, 1);
  node.tell({ type: "crashed", actor: "a" });
  assert.deepEqual([node.all("reload").length, node.all("snapshot").length], [1, 2]);
});

test("sender of a durable receiver that lost what it acknowledged is told once, and goes on behind it", () => {
  const receiver: StepRecord[] = [];
  const sender = start("n1");
  const far = start("n0", {}, receiver);
  const meet = (other: ReturnType<typeof start>): void => {
    for (let said = -1; said !== sender.all("send").length + other.all("send").length;) {
      said = sender.all("send").length + other.all("send").length;
      const [there, back] = [sender.all("send"), other.all("send")];
      other.tell(...there.slice(seen.there).map(({ frame }): Event => ({ type: "frame", frame })));
      sender.tell(...back.slice(seen.back).map(({ frame }): Event => ({ type: "frame", frame })));
      seen.there = there.length;
      seen.back = back.length;
    }
  };
  const seen = { there: 0, back: 0 };
  far.tell(spawned("a", true));
  sender.tell(spawned("x"), tell("x", "a", 0, 1, "n0"), tell("x", "a", 0, 1, "n0"));
  meet(far);
  for (const { input } of far.all("deliver")) far.tell(finished("a", input));
  meet(far);
  const next = start("n0", {}, receiver.slice(0, 1), 1);
  next.tell(spawned("a", true));
  seen.back = 0;
  sender.tell(tell("x", "a", 0, 1, "n0"));
  for (let ticks = 0; ticks < 8; ticks++) {
    sender.tell({ type: "tick" });
    meet(next);
  }
  assert.deepEqual(sender.all("gap").map(({ acknowledged, through }) => [acknowledged, through]), [[1, 2]]);
  assert.deepEqual(next.all("deliver").map(({ input }) => input.sequence), [3]);
});

test("ask of a second run is known by its place among the asks, though one before it was refused the first time", () => {
  const node = start("n0", { outboxMessagesMax: 2 });
  node.tell(spawned("x"), spawned("a", true), spawned("b", true), tell("x", "a", 0), tell("x", "a", 0));
  const [first, second] = node.all("deliver");
  const toFar = [1, 2].map((token) => tell("a", "far", token, 1, "n1"));
  node.tell(inHandler(first), ...toFar, finished("a", first!.input));
  node.tell(inHandler(second), ask("a", "far", 3, 1, "n1"), ask("a", "b", 4));
  assert.equal(outcome(node, 3), "unknown CapacityExceeded");
  const atB = node.all("deliver").find(({ actor }) => actor === "b");
  node.tell(inHandler(atB), finished("b", atB!.input, "first answer"));
  assert.equal(outcome(node, 4), "done");
  const head = { node: "n1", epoch: 1, source: "a", destination: "far", streamEpoch: 1, cursorEpoch: 1 } as const;
  const room = { through: 2, accepted: 2, creditMessages: 9, creditBytes: 99, got: 0, doubts: [] };
  node.tell({ type: "crashed", actor: "a" });
  node.tell({ type: "frame", frame: { type: "ack", ...head, incarnation: 0, state: "known", ...room } }, {
    type: "tick",
  });
  const again = node.all("deliver").at(-1);
  node.tell(inHandler(again), ask("a", "far", 5, 1, "n1"), ask("a", "b", 6), { type: "tick" });
  assert.equal(outcome(node, 5), undefined, "there is room now");
  assert.equal(outcome(node, 6), "done");
  assert.equal(node.all("deliver").filter(({ actor }) => actor === "b").length, 1, "b was asked twice");
});
