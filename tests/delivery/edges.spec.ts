// What schedules reach rarely or never: bad input, conflicts, ends, and senders that find no room. One or two cores, by
// hand.
import type { Command, Deliver, DeliveryLimits, Event } from "../../runtime/delivery/events.ts";
import { advance, deliveryNode, type Node } from "../../runtime/delivery/node.ts";
import type { Input, MailFrame, StepRecord } from "../../runtime/delivery/protocol.ts";
import { rules } from "../../runtime/delivery/rules.ts";
import { assert, test } from "../suite.ts";

type Of<T extends Command["type"]> = Extract<Command, { type: T }>;

/** A running node; everything it is told to do is kept, and frames to itself come back at once. */
function start(name: string, limits: Partial<DeliveryLimits> = {}, journal: StepRecord[] = [], standing = 0) {
  const core = deliveryNode(name, limits, rules);
  const done: Command[] = [];
  const records = [...journal];
  const tell = (...events: Event[]): void => {
    for (const command of advance(core, events)) {
      done.push(command);
      if (command.type === "send" && command.node === name) tell({ type: "frame", frame: command.frame });
      if (command.type !== "commit") continue;
      journal.push(...command.records);
      tell({ type: "committed", number: command.number, outcome: "held" });
    }
  };
  tell({ type: "started", standing }, { type: "claimed", held: true }, { type: "opened", fenced: false });
  tell({ type: "read", records, end: true });
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
