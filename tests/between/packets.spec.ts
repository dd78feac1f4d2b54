// What becomes of frames on their way through a packet, and of what is under way by its number.

import type { Answer, Entry, Frame } from "../../runtime/delivery/protocol.ts";
import { type Body, bodyOf, leavingBody, openBody } from "../../runtime/nodes/body.ts";
import { type Departures, departures } from "../../runtime/nodes/departures.ts";
import { headOf, packetOf, reader } from "../../runtime/nodes/packets.ts";
import { copyMessage, type Passage } from "../../runtime/messages/message.ts";
import { assert, fc, property, test } from "../suite.ts";

const letterhead = { run: "r", token: "t", node: "one" };
const head = headOf(letterhead, 3);

const values = fc.oneof(
  fc.integer(),
  fc.double(),
  fc.string(),
  fc.bigInt(),
  fc.constantFrom(undefined, null, true, -0, Number.NaN),
  fc.record({ a: fc.integer(), $: fc.string(), list: fc.array(fc.double(), { maxLength: 3 }) }),
  fc.uint8Array({ maxLength: 9 }),
  fc.array(fc.float64Array({ maxLength: 3 }), { maxLength: 2 }),
);

/** A body as it leaves, in either form. */
const bodies = fc.record({
  value: values,
  method: fc.constantFrom("add", "take"),
  isKept: fc.boolean(),
  credit: fc.constantFrom(0, 0, 16),
  call: fc.nat(),
}).map(({ value, method, isKept, credit, call }) => {
  const passage: Passage = {
    bytes: 0,
    bytesMax: 1e6,
    tensors: undefined,
    special: false,
    bind: () => undefined,
  };
  const copy = copyMessage(value, passage);
  return isKept ? bodyOf(method, copy, passage, call, credit, 7) : leavingBody(method, copy, passage, call, credit);
});

const names = { key: fc.constantFrom("", "", "a(b)1"), digest: fc.constantFrom("", "", "d") };

const entries = fc.array(
  fc.record({
    ...names,
    kind: fc.constantFrom("tell", "tell", "call", "void", "forget"),
    born: fc.constantFrom(2, 3),
    bytes: fc.constantFrom(0, 0, 8, 2 ** 40),
    chain: fc.constantFrom([], ["one/1"], ["other/2", "one/1"]),
    body: fc.option(bodies, { nil: undefined }),
  }),
  { maxLength: 40, size: "max" },
).map((list) => list.map((entry, index): Entry => ({ ...entry, sequence: 5 + index, pins: [] })));

const answers = fc.array(
  fc.record({
    ...names,
    epoch: fc.constantFrom(3, 4),
    sequence: fc.nat({ max: 9 }),
    result: fc.constantFrom("value", "threw", "conflict"),
    body: fc.option(bodies, { nil: undefined }),
  }),
  { maxLength: 20, size: "max" },
).map((list): Answer[] => list.map((answer, index) => ({ ...answer, sequence: index * 2 + answer.sequence })));

const common = { node: "one", epoch: 3, source: "one/1", destination: "two/@a b" };
const acked = {
  cursorEpoch: 1,
  incarnation: 2 ** 20,
  through: 4,
  accepted: 9,
  creditMessages: 8,
  creditBytes: 2 ** 40,
};

const frames: fc.Arbitrary<Frame> = fc.oneof(
  fc.tuple(entries, fc.constantFrom([{ epoch: 3, base: 0 }], [{ epoch: 1, base: 4 }, { epoch: 3, base: 9 }])).map((
    [list, openings],
  ): Frame => ({ type: "mail", ...common, incarnation: 1, start: 0, openings, got: 2, forget: ["k"], entries: list })),
  answers.map((list): Frame => ({ type: "answer", ...common, streamEpoch: 1, answers: list })),
  fc.constantFrom("known", "new", "ended").map((state): Frame => ({
    type: "ack",
    ...common,
    ...acked,
    streamEpoch: 1,
    state,
    got: 3,
    doubts: state === "new" ? ["a(b)1"] : [],
  })),
  fc.constant<Frame>({ type: "fenced", node: "one", epoch: 3, stale: 2 }),
);

/** What a message says, whichever form its body has. */
function told(body: unknown): unknown {
  if (body === undefined) return undefined;
  const { method, text, json, special, arrays, tensors, call, credit, at } = body as Body;
  const fresh = { method, text, json: structuredClone(json), special, arrays, tensors, call, credit, at };
  return { method, call, credit, at, tensors, value: openBody(fresh, () => undefined) };
}

function plain(frame: Frame): unknown {
  if (frame.type === "mail") {
    // Only a call has a number by which it can be cancelled, and an answer has neither number nor name.
    const list = frame.entries.map(({ sequence, born, kind, body, bytes, pins, key, digest, chain }) => {
      return { sequence, born, kind, body: told(body), bytes, pins, key, digest, chain };
    });
    return { ...frame, entries: list.map((entry) => entry.kind === "call" ? entry : withoutCall(entry)) };
  }
  if (frame.type !== "answer") return frame;
  const answers = frame.answers.map(({ epoch, sequence, key, digest, result, body }) => {
    return { epoch, sequence, key, digest, result, body: value(told(body)) };
  });
  return { ...frame, answers };
}

function withoutCall<T extends { readonly body: unknown }>(entry: T): T {
  return entry.body === undefined ? entry : { ...entry, body: { ...Object(entry.body), call: 0 } };
}

const value = (body: unknown): unknown => body === undefined ? undefined : [Object(body).value];

test("packets: what leaves in one is what comes out of it, whatever stands beside it", async () => {
  await property([fc.array(frames, { maxLength: 4, size: "max" })], (list) => {
    const read = reader(letterhead)(packetOf(head, list));
    if ("error" in read) throw read.error;
    assert.deepEqual(read.map(plain), list.map(plain));
  });
});

test("packets: a hundred thousand alike take a few bytes each, and those of another token are none", () => {
  const passage = { special: false, tensors: undefined };
  const list = Array.from({ length: 100_000 }, (_, index): Entry => ({
    sequence: index + 1,
    born: 3,
    kind: "tell",
    body: leavingBody("add", index, passage, 0, 0),
    bytes: 0,
    pins: [],
    key: "",
    digest: "",
    chain: [],
  }));
  const mail: Frame = {
    type: "mail",
    ...common,
    incarnation: 1,
    start: 0,
    openings: [],
    got: 0,
    forget: [],
    entries: list,
  };
  const packet = packetOf(head, [mail]);
  assert.ok(packet.length < 700_000, `${packet.length} for 100,000`);
  const stranger = reader({ ...letterhead, token: "guessed" })(packet);
  assert.ok("error" in stranger && stranger.error.code === "Unauthorized" && stranger.node === "one");
});

const steps = fc.array(
  fc.tuple(fc.constantFrom("add", "skip", "take", "fresh", "flood"), fc.nat()),
  { maxLength: 40, size: "max" },
);

function freshOf<T>(real: Departures<T>): T[] {
  const fresh: T[] = [];
  real.fresh((item) => void fresh.push(item));
  return fresh;
}

test("departures: found by their numbers, fresh once, whatever the order of their ends", async () => {
  await property([steps], (list) => {
    const real = departures<number>();
    const model = new Map<number, number>();
    let unseen = new Set<number>();
    const add = (): void => {
      const number = real.next();
      real.add(number, -number);
      model.set(number, -number);
      unseen.add(number);
    };
    for (const [step, random] of list) {
      const keys = [...model.keys()];
      const number = keys.length === 0 ? random : keys[random % keys.length]!;
      if (step === "add") add();
      else if (step === "skip") real.next();
      else if (step === "flood") { for (let i = 0; i < 6_000; i++) add(); }
      else if (step === "take") {
        assert.equal(real.get(number), model.get(number));
        assert.equal(real.take(number), model.get(number));
        assert.equal(real.take(number), undefined);
        model.delete(number);
      } else {
        const expected = [...unseen].filter((one) => model.has(one)).map((one) => -one);
        assert.deepEqual(freshOf(real).sort((a, b) => b - a), expected);
        unseen = new Set();
      }
    }
    assert.deepEqual([...real.all()].sort((a, b) => b - a), [...model.values()]);
  });
});

test("departures: one that is added behind later ones, and one that was never added", () => {
  const real = departures<string>();
  const [one, two, three] = [real.next(), real.next(), real.next()];
  real.add(three, "three");
  real.add(one, "one");
  assert.deepEqual(freshOf(real).sort(), ["one", "three"]);
  real.add(two, "two");
  assert.deepEqual([freshOf(real), freshOf(real)], [["two"], []]);
  assert.equal(real.take(two), "two");
  assert.equal(real.take(two), undefined);
  assert.equal(real.take(three), "three");
  assert.equal(real.take(one), "one");
  real.add(two, "two");
  assert.deepEqual([real.get(two), real.take(two), real.get(two)], ["two", "two", undefined]);
});
