// What a message may be: the copy within a thread and the codec between nodes accept the same values and give the same
// results; what is refused is named; no frame, however broken, does more than a typed error.
import { decodeMessage, encodeMessage } from "../../runtime/messages/codec.ts";
import { copyMessage, type Passage } from "../../runtime/messages/message.ts";
import { Actor, type ActorRef, isShoalError, ShoalError, type TensorRef } from "../../runtime/mod.ts";
import { assert, fc, property, test } from "../suite.ts";
import { checked, fails, followed, inSystem, systemIn } from "./world.ts";

/* oxlint-disable unicorn/no-thenable -- odd thenables are what is tested */

const bytesMax = 2 ** 20;

const passing = (max: number): Passage => ({
  bytes: 0,
  tensors: undefined,
  special: false,
  bytesMax: max,
  bind: (reference) => reference,
});
const copied = (value: unknown, max: number = bytesMax): unknown => copyMessage(value, passing(max));

/** The way between two nodes. */
function sent(value: unknown, max: number = bytesMax): unknown {
  const passage = passing(max);
  const copy = copyMessage(value, passage);
  return decodeMessage(encodeMessage(copy, passage.special), () => assert.fail("there is no reference in it"));
}

function refusal(value: unknown, max?: number): ShoalError {
  for (const way of [copied, sent]) {
    try {
      way(value, max);
    } catch (error) {
      if (isShoalError(error)) {
        if (way === sent) return error;
        continue;
      }
      throw new Error(`Expected an error of shoal's, got ${String(error)}`, { cause: error });
    }
    assert.fail("it was accepted");
  }
  return assert.fail("unreachable");
}

function refused(value: unknown, path: string, max?: number): void {
  const error = refusal(value, max);
  assert.equal(error.code, "BadInput");
  assert.equal(error.outcome, "failed");
  assert.ok(error.message.includes(`${path}:`), `${error.message} does not name ${path}`);
}

function tooLarge(value: unknown, max?: number): void {
  assert.equal(refusal(value, max).code, "TooLarge");
}

function accepted(value: unknown, expected: unknown = value): void {
  for (const way of [copied, sent]) assert.deepStrictEqual(way(value), expected);
}

class Point {
  readonly x = 1;
}

// ——— values

test("message: JSON, and what JSON has no word for, arrives as it was", () => {
  for (const value of [undefined, null, true, false, "", "text", 0, -0, 1.5, NaN, Infinity, -Infinity, 1e308, 5e-324]) {
    accepted(value);
    if (value !== undefined) accepted({ a: [value, { b: value }] });
  }
  for (const value of [0n, -1n, 2n ** 64n, -(2n ** 200n)]) accepted({ big: value, list: [value] });
});

test("message: strings survive whatever they hold", () => {
  for (
    const text of [
      "\u{1F41F}",
      "\uD83D",
      "\uDC1F\uD83D",
      "\0",
      "\u2028",
      "\uFEFFbom",
      '"$"',
      '{"$":"number"}',
      "é",
      "e\u0301",
    ]
  ) {
    accepted(text);
    accepted({ [text]: text, list: [text] });
  }
});

test("message: keys that mean something to the codec or to JavaScript are only keys", () => {
  accepted({ $: 1 });
  accepted({ $: "bigint", text: "1" });
  accepted({ $: { $: { $: NaN } }, a: [{ $: [] }] });
  accepted({ $: "object", members: [["a", 1]] });
  accepted({ constructor: 1, toString: 2, hasOwnProperty: 3, valueOf: 4, length: 5, toJSON: 6, then: 7, "": 8 });
  accepted({ b: 1, 2: 2, 1: 1, a: -0, "-0": 3 });
  accepted({ ref: "actor", id: "main/1" });
});

test("message: a member that is undefined is absent; an element that is undefined is refused, by its place", () => {
  accepted({ a: undefined, b: 1, c: { d: undefined } }, { b: 1, c: {} });
  refused([1, undefined], "message[1]");
  refused({ list: [[undefined]] }, "message.list[0][0]");
  refused([1, , 3], "message[1]"); // oxlint-disable-line no-sparse-arrays
});

test("message: an object without a prototype, or frozen, arrives plain", () => {
  accepted(Object.assign(Object.create(null), { a: 1, $: 2 }), { a: 1, $: 2 });
  accepted(Object.freeze({ a: Object.freeze([1]) }), { a: [1] });
});

test("message: members that JSON does not see are not sent", () => {
  const value = Object.defineProperty({ a: 1, [Symbol("s")]: 2 }, "hidden", { value: 3, enumerable: false });
  accepted(value, { a: 1 });
});

test("message: small arrays arrive as arrays of their own, of their kind", () => {
  for (
    const array of [
      Int8Array.of(-1, 2),
      Uint8Array.of(1, 255),
      Uint8ClampedArray.of(1, 255),
      Int16Array.of(-1, 300),
      Uint16Array.of(1, 65535),
      Int32Array.of(-(2 ** 31)),
      Uint32Array.of(2 ** 32 - 1),
      Float32Array.of(NaN, -0, 1.5),
      Float64Array.of(NaN, -0, Infinity, 5e-324),
      BigInt64Array.of(-1n),
      BigUint64Array.of(2n ** 64n - 1n),
      new Float64Array(0),
    ]
  ) {
    accepted(array);
    accepted({ a: array, b: [array, Uint8Array.of(7), array] });
    const copy = copied(array) as Uint8Array;
    assert.notEqual(copy.buffer, array.buffer);
    assert.equal(copy.buffer.byteLength, array.byteLength);
  }
});

test("message: of a view only what it shows is sent; shared memory arrives as memory of the receiver's own", () => {
  const whole = Uint8Array.from({ length: 64 }, (_, i) => i);
  accepted(whole.subarray(3, 8), Uint8Array.of(3, 4, 5, 6, 7));
  accepted(new Float32Array(whole.buffer, 12, 2), new Float32Array(whole.slice(12, 20).buffer));
  accepted(Buffer.from("fish"), Uint8Array.of(102, 105, 115, 104));
  const shared = new Int32Array(new SharedArrayBuffer(16));
  shared.fill(7);
  for (const way of [copied, sent]) {
    const arrived = way({ shared }) as { shared: Int32Array };
    assert.ok(arrived.shared.buffer instanceof ArrayBuffer);
    assert.deepStrictEqual(arrived, { shared: Int32Array.of(7, 7, 7, 7) });
  }
});

test("message: an array of a class of its own, or of a type that there is no name for, is refused or arrives plain", () => {
  class Floats extends Float64Array {}
  const Float16: unknown = Reflect.get(globalThis, "Float16Array");
  const values: unknown[] = [new Floats(3)];
  if (typeof Float16 === "function") values.push(Reflect.construct(Float16, [2]));
  for (const value of values) {
    const results = [copied, sent].map((way) => {
      try {
        return (way({ value }) as { value: object }).value.constructor.name;
      } catch (error) {
        return isShoalError(error, "BadInput") && error.message.includes("message.value:") ? "BadInput" : String(error);
      }
    });
    assert.ok(
      ["BadInput", "Float64Array"].includes(results[0]!),
      `a ${(value as object).constructor.name}: ${results}`,
    );
    assert.equal(results[0], results[1]);
  }
});

// ——— what is refused

test("message: functions and symbols are refused, by their path", () => {
  refused(() => 1, "message");
  refused(Symbol("s"), "message");
  refused({ a: [{ "b c": () => 1 }] }, 'message.a[0]["b c"]');
  refused({ list: [1, Symbol.iterator] }, "message.list[1]");
  refused({ a: class {} }, "message.a");
});

test("message: instances of classes are refused, by their path", () => {
  for (
    const value of [
      new Date(0),
      new Map(),
      new Set(),
      /x/,
      new Error("x"),
      new Point(),
      Promise.resolve(),
      new WeakMap(),
      new ArrayBuffer(8),
      new SharedArrayBuffer(8),
      new DataView(new ArrayBuffer(8)),
      new URL("file:///x"),
      Object(1),
      Object("text"),
      Object(1n),
      new Proxy(new Point(), {}),
      (function* () {})(),
      Object.create({ inherited: 1 }),
      new AbortController().signal,
      globalThis,
    ]
  ) {
    refused(value, "message");
    refused({ ok: 1, member: [0, value] }, "message.member[1]");
  }
});

test("message: a cycle is refused, by its path; the same object twice is no cycle", () => {
  const cycle: { a: unknown[] } = { a: [0] };
  cycle.a.push({ back: cycle });
  refused(cycle, "message.a[1].back");
  const list: unknown[] = [];
  list.push(list);
  refused({ list }, "message.list[0]");
  const leaf = { x: 1 };
  accepted({ a: leaf, b: leaf, c: [leaf, leaf] }, { a: { x: 1 }, b: { x: 1 }, c: [{ x: 1 }, { x: 1 }] });
});

test("message: the name __proto__ is refused, by its path, and no prototype is touched", () => {
  refused(JSON.parse('{"a":{"__proto__":{"polluted":1}}}'), "message.a.__proto__");
  const value = Object.create(null);
  value["__proto__"] = 1;
  refused(value, "message.__proto__");
  assert.equal(Reflect.get({}, "polluted"), undefined);
});

test("message: nesting is bounded, the same for copy and codec", () => {
  const nested = (depth: number): unknown => {
    let value: unknown = 1;
    for (let i = 0; i < depth; i++) value = i % 2 === 0 ? [value] : { a: value };
    return value;
  };
  accepted(nested(60));
  for (const depth of [80, 5_000, 100_000]) assert.equal(refusal(nested(depth)).code, "BadInput");
});

test("message: what throws while it is read is BadInput, with its cause", () => {
  const boom = new Error("boom");
  const values = [
    {
      get a(): never {
        throw boom;
      },
    },
    [1, {
      get a(): never {
        throw boom;
      },
    }],
    new Proxy({}, {
      ownKeys() {
        throw boom;
      },
    }),
    new Proxy({}, {
      getPrototypeOf() {
        throw boom;
      },
    }),
    new Proxy([1], {
      get() {
        throw boom;
      },
    }),
  ];
  for (const value of values) {
    const error = refusal(value);
    assert.equal(error.code, "BadInput");
    assert.equal(error.cause, boom);
  }
  const buffer = new ArrayBuffer(8);
  const detached = new Uint8Array(buffer);
  structuredClone(buffer, { transfer: [buffer] });
  assert.equal(detached.length, 0);
  for (const way of [copied, sent]) {
    try {
      assert.deepStrictEqual(way({ detached }), { detached: new Uint8Array(0) });
    } catch (error) {
      assert.ok(isShoalError(error, "BadInput"), `a detached array: ${String(error)}`);
    }
  }
});

// ——— limits

test("message: the limit holds at its edge", () => {
  accepted("x".repeat(bytesMax));
  tooLarge("x".repeat(bytesMax + 1));
  accepted(new Uint8Array(bytesMax));
  tooLarge(new Uint8Array(bytesMax + 1));
  tooLarge(1n << BigInt(4 * bytesMax + 64));
  tooLarge({ ["k".repeat(bytesMax + 1)]: 1 });
  for (const text of ["x".repeat(90), "x".repeat(100)]) tooLarge({ a: text, b: { c: text } }, 150);
});

test("message: many small members weigh as much as they take, wherever they stand", () => {
  const count = bytesMax / 8;
  for (const member of [0, -0, 0.5, true, null]) {
    const many: unknown[] = new Array(count + 1).fill(member);
    tooLarge(many);
    tooLarge({ many });
    tooLarge([[many]]);
    tooLarge([many, []]);
  }
  tooLarge(new Array(bytesMax).fill([]));
  tooLarge(Array.from({ length: count }, () => ({})));
});

test("message: what copies may not be weighs no more than its limit on the way to saying so", () => {
  let reads = 0;
  const leaf = {
    get x() {
      return ++reads % 2;
    },
  };
  let value: unknown = leaf;
  for (let i = 0; i < 21; i++) value = [value, value];
  tooLarge(value);
  assert.ok(reads < bytesMax, `${reads} members were read of a message of at most ${bytesMax} bytes`);
});

test("message: an array that says it is huge is refused without walking it", () => {
  const huge: unknown[] = [];
  huge.length = 1_100_000;
  let walked = 0;
  const watched = new Proxy(huge, {
    get(target, key, receiver): unknown {
      if (typeof key === "string" && /^\d/.test(key)) walked++;
      return Reflect.get(target, key, receiver);
    },
  });
  const error = refusal(watched);
  assert.ok(error.code === "TooLarge" || error.code === "BadInput");
  assert.ok(walked <= 1_100_000, `${walked} elements were read`);
});

// ——— copy and codec agree

type Tree = unknown;
const keys = fc.oneof(
  fc.constantFrom(
    "a",
    "b",
    "$",
    "ref",
    "id",
    "text",
    "members",
    "length",
    "0",
    "01",
    "constructor",
    "toJSON",
    "then",
    "é",
    "e\u0301",
    "",
  ),
  fc.string({ unit: "binary", maxLength: 3 }).filter((key) => key !== "__proto__"),
);
const goodLeaf: fc.Arbitrary<Tree> = fc.oneof(
  fc.constantFrom(null, true, false, NaN, Infinity, -Infinity, -0, 0, "", "$"),
  fc.double(),
  fc.bigInt(),
  fc.string({ unit: "binary" }),
  fc.uint8Array({ maxLength: 9 }),
  fc.float64Array({ maxLength: 3 }),
  fc.float32Array({ maxLength: 3 }),
  fc.bigInt64Array({ maxLength: 2 }),
  fc.uint8Array({ minLength: 4, maxLength: 9 }).map((array) => array.subarray(1, 3)),
  fc.uint8Array({ maxLength: 5 }).map((array) => Buffer.from(array)),
);
const badLeaf: fc.Arbitrary<Tree> = fc.constantFrom<Tree>(
  () => 1,
  Symbol("s"),
  new Date(0),
  new Map(),
  new Point(),
  new DataView(new ArrayBuffer(1)),
);
const tree = (leaf: fc.Arbitrary<Tree>): fc.Arbitrary<Tree> =>
  fc.letrec<{ tree: Tree }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 5, withCrossShrink: true },
      leaf,
      fc.array(tie("tree"), { maxLength: 4 }),
      fc.dictionary(
        keys,
        fc.oneof({ weight: 9, arbitrary: tie("tree") }, { weight: 1, arbitrary: fc.constant(undefined) }),
        {
          maxKeys: 5,
        },
      ),
    ),
  })).tree;
const anything = tree(fc.oneof(
  { weight: 30, arbitrary: goodLeaf },
  { weight: 1, arbitrary: badLeaf },
));

/** What may be sent, told apart anew; and what arrives of it. */
function expected(value: Tree, depth = 0): { ok: boolean; value?: unknown } {
  if (typeof value === "function" || typeof value === "symbol") return { ok: false };
  if (value === undefined) return { ok: depth === 0, value };
  if (typeof value !== "object" || value === null) return { ok: true, value };
  if (value instanceof DataView) return { ok: false };
  if (Buffer.isBuffer(value)) return { ok: true, value: new Uint8Array(value) };
  if (ArrayBuffer.isView(value)) return { ok: true, value };
  const isArray = Array.isArray(value);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (!isArray && prototype !== Object.prototype && prototype !== null) return { ok: false };
  const result: Record<string, unknown> | unknown[] = isArray ? [] : {};
  for (const [key, member] of Object.entries(value) as [string, unknown][]) {
    if (member === undefined && !isArray) continue;
    const inner = expected(member, depth + 1);
    if (!inner.ok) return inner;
    Reflect.set(result, key, inner.value);
  }
  return { ok: true, value: result };
}

test("message: copy and codec accept exactly the same values, and give what was sent", async () => {
  let acceptedCount = 0;
  let refusedCount = 0;
  await property([anything], (value) => {
    const { ok, value: wanted } = expected(value);
    if (!ok) {
      refusedCount++;
      assert.equal(refusal(value).code, "BadInput");
      return;
    }
    acceptedCount++;
    assert.deepStrictEqual(copied(value), wanted);
    assert.deepStrictEqual(sent(value), wanted);
  }, { runs: 1_500 });
  assert.ok(acceptedCount > 300 && refusedCount > 30, `${acceptedCount} accepted, ${refusedCount} refused`);
});

test("message: what arrived shares nothing with what was sent", async () => {
  const mutate = (value: unknown): void => {
    if (ArrayBuffer.isView(value) && !(value instanceof DataView)) {
      new Uint8Array(value.buffer).fill(0xee);
    } else if (Array.isArray(value)) {
      value.forEach(mutate);
      value.push("mutated");
    } else if (typeof value === "object" && value !== null) {
      Object.values(value).forEach(mutate);
      Reflect.set(value, "mutated", true);
    }
  };
  await property([tree(goodLeaf)], (value) => {
    for (const way of [copied, sent]) {
      const arrived = way(value);
      const again = copied(value);
      mutate(arrived);
      assert.deepStrictEqual(copied(value), again, "the sender's value changed with the receiver's");
    }
  }, { runs: 300 });
});

// ——— frames

const frameOf = (json: string, behind: readonly number[] = []): Uint8Array => {
  const text = new TextEncoder().encode(json);
  const start = (4 + text.length + 7) & ~7;
  const frame = new Uint8Array(start + behind.length);
  new DataView(frame.buffer).setUint32(0, text.length, true);
  frame.set(text, 4);
  frame.set(behind, start);
  return frame;
};

/** A frame from nowhere: a value, or `Corrupt`, and nothing else. */
function decoded(frame: Uint8Array): unknown {
  try {
    return decodeMessage(frame, (id, className) => ({ id, className }));
  } catch (error) {
    assert.ok(isShoalError(error, "Corrupt"), `a broken frame: ${String(error)}`);
    return error;
  }
}

test("codec: a broken frame is Corrupt, whatever is broken", () => {
  const good = encodeMessage({ a: Float64Array.of(1, 2), b: -0 }, true);
  for (let length = 0; length < good.length; length++) {
    assert.ok(
      isShoalError(decoded(good.subarray(0, length)), "Corrupt"),
      `the first ${length} of ${good.length} bytes`,
    );
  }
  for (
    const json of [
      "{",
      '"\\x"',
      '{"$":"Float64Array","length":1e9}',
      '{"$":"Float64Array","length":-1}',
      '{"$":"Float64Array","length":0.5}',
      '{"$":"Float64Array","length":9007199254740993}',
      '{"$":"Float64Array","length":1}',
      '{"$":"Date"}',
      '{"$":1}',
      '{"$":null}',
      '{"$":{}}',
      '{"$":"constructor"}',
      '{"$":"__proto__"}',
      '{"$":"bigint","text":"x"}',
      '{"$":"bigint"}',
      '{"$":"number","text":5}',
      '{"$":"actor"}',
      '{"$":"actor","id":5,"class":"x"}',
      '{"$":"object","members":[1]}',
      '{"$":"object","members":[[1,2]]}',
      '{"$":"object"}',
    ]
  ) assert.ok(isShoalError(decoded(frameOf(json)), "Corrupt"), `${json} is accepted`);
  assert.ok(isShoalError(decoded(Uint8Array.of(2, 0, 0, 0, 0xff, 0xfe, 0, 0)), "Corrupt"), "no UTF-8");
});

test("codec: what no message may be does not come in by a frame either", () => {
  for (
    const json of [
      '{"__proto__":{"a":1}}',
      '{"a":[{"__proto__":{"a":1}}],"b":{"$":"number","text":"NaN"}}',
      '{"$":"object","members":[["__proto__",1]]}',
      '{"$":"number","text":"hello"}',
      `${"[".repeat(200)}${"]".repeat(200)}`,
      `${"[".repeat(100_000)}${"]".repeat(100_000)}`,
      `${'{"$":"object","members":[["$",'.repeat(3_000)}1${"]]}".repeat(3_000)}`,
    ]
  ) assert.ok(isShoalError(decoded(frameOf(json)), "Corrupt"), `${json.slice(0, 60)} is accepted`);
});

test("codec: garbage ends in a value or in Corrupt, and what was decoded can be sent on", async () => {
  const marks = fc.constantFrom(
    '{"$":"',
    "number",
    "bigint",
    "actor",
    "object",
    "Uint8Array",
    "Float64Array",
    '"',
    ",",
    ":",
    "text",
    "members",
    "length",
    "[",
    "]",
    "{",
    "}",
    "1",
    "-",
    "1e999",
    "null",
    "NaN",
    "__proto__",
  );
  const json = fc.array(marks, { maxLength: 30 }).map((parts) => parts.join(""));
  const mutated = fc.tuple(tree(goodLeaf), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 })).map(
    ([value, changes]) => {
      const frame = encodeMessage(copied(value), true);
      for (const [at, byte] of changes) frame[at % frame.length] = byte;
      return frame;
    },
  );
  const frames = fc.oneof(
    fc.uint8Array({ maxLength: 64 }),
    fc.tuple(json, fc.array(fc.nat(255), { maxLength: 32 })).map(([text, behind]) => frameOf(text, behind)),
    mutated,
  );
  await property([frames], (frame) => {
    decoded(frame);
  }, { runs: 2_000 });
});

test("codec: a frame may stand anywhere in a larger buffer", () => {
  const value = { a: Float64Array.of(1.5, 2), b: [1n, "x"], c: Uint8Array.of(9) };
  const frame = encodeMessage(value, true);
  for (let offset = 0; offset < 9; offset++) {
    const larger = new Uint8Array(frame.length + 20).fill(0xee);
    larger.set(frame, offset);
    assert.deepStrictEqual(decodeMessage(larger.subarray(offset, offset + frame.length), () => 0), value);
  }
});

// ——— through a system

class Echo extends Actor {
  seen: unknown[] = [];
  echo(value: unknown): unknown {
    this.seen.push(value);
    return value;
  }
  id(who: ActorRef<Echo>): string {
    return who.id;
  }
  relay(who: ActorRef<Echo>): Promise<unknown> {
    return who.ask("echo", "relayed");
  }
  count(): number {
    return this.seen.length;
  }
  bad(which: string): unknown {
    if (which === "function") return () => 1;
    if (which === "member") return { list: [1, new Map()] };
    if (which === "large") return "x".repeat(bytesMax + 1);
    if (which === "getter") {
      return {
        get a(): never {
          throw new Error("boom");
        },
      };
    }
    if (which === "thenable") {
      return {
        then() {
          throw new Error("boom");
        },
      };
    }
    if (which === "then") {
      return {
        get then(): never {
          throw new Error("boom");
        },
      };
    }
    const cycle: { self?: unknown } = {};
    cycle.self = cycle;
    return cycle;
  }
}

type Untyped = {
  ask(method: string, message?: unknown): Promise<unknown>;
  tell(method: string, message?: unknown): PromiseLike<void>;
};
const untyped = (ref: unknown): Untyped => ref as Untyped;

for (const strict of [false, true]) {
  const mode = strict ? "strict" : "not strict";

  test(`message, ${mode}: what cannot be sent fails its call, never runs, and of a tell a dead letter stays`, async () => {
    await inSystem({ strict }, async (system) => {
      const echo = untyped(await system.spawn(Echo));
      const getter = {
        get a(): never {
          throw new Error("boom");
        },
      };
      const bad = [() => 1, { a: [Symbol("s")] }, [undefined], new Date(0), getter, 1n << 9_000_000n];
      for (const value of bad) {
        const error = await echo.ask("echo", value).then(() => assert.fail("it was sent"), (thrown: unknown) => thrown);
        assert.ok(isShoalError(error), `an ask of what cannot be sent: ${String(error)}`);
        assert.equal(error.outcome, "failed");
        const told = await echo.tell("echo", value).then(() => undefined, (thrown: unknown) => thrown);
        assert.ok(isShoalError(told));
        assert.equal(told.code, error.code);
      }
      assert.equal(await echo.ask("count"), 0);
      assert.equal(system.statistics().deadLetters, bad.length);
      assert.equal(system.statistics().crashes, 0);
    });
  });

  test(`message, ${mode}: an answer that cannot be sent says so to who asked, and its actor lives on`, async () => {
    await inSystem({ strict }, async (system) => {
      const echo = await system.spawn(Echo);
      await echo.ask("echo", 1);
      const cases = [["function", "answer:"], ["member", "answer.list[1]:"], ["cycle", "answer.self:"], [
        "getter",
        "boom",
      ]] as const;
      for (const [which, text] of cases) {
        const error = await fails(echo.ask("bad", which), "BadInput", "done");
        assert.ok(error.message.includes(text), error.message);
      }
      await fails(echo.ask("bad", "large"), "TooLarge", "done");
      assert.equal(await echo.ask("count"), 1, "its state was kept");
      assert.equal(system.statistics().crashes, 0);
    });
  });

  test(`message, ${mode}: an answer whose then throws fails the one ask and stops nobody`, async () => {
    for (const which of ["thenable", "then"]) {
      const system = systemIn({ strict });
      const echo = await system.spawn(Echo);
      const call = followed(echo.ask("bad", which));
      await system.environment.settle();
      assert.ok(call.ended?.error !== undefined, `${which}: the ask has not failed`);
      const next = followed(echo.ask("echo", 7));
      await system.environment.settle();
      assert.deepEqual(next.ended, { value: 7 }, `${which}: the actor does not go on`);
      await system.close({ now: true });
    }
  });

  test(`message, ${mode}: a reference is bound to the one it is sent to, and comes back as it went`, async () => {
    await inSystem({ strict }, async (system) => {
      const [a, b] = [await system.spawn(Echo), await system.spawn(Echo)];
      assert.equal(await a.ask("id", b), b.id);
      assert.equal(await a.ask("relay", b), "relayed");
      const back = await a.ask("echo", { who: [b] }) as { who: [ActorRef<Echo>] };
      assert.equal(back.who[0].id, b.id);
      assert.equal(await back.who[0].ask("echo", 1), 1);
      await system.stop(b);
      const gone = await a.ask("echo", b) as ActorRef<Echo>;
      await fails(gone.ask("echo", 1), "Ended", "failed");
      assert.equal((await system.watch(gone)).reason, "stopped");
    });
  });

  test(`message, ${mode}: a reference into another system is refused: two runs never see each other's actors`, async () => {
    await inSystem({ strict }, async (system) => {
      await inSystem({ strict, run: "run-2" }, async (other) => {
        const here = await system.spawn(Echo);
        const there = await other.spawn(Echo);
        assert.equal(here.id, there.id);
        await here.ask("echo", 1);
        const error = await fails(here.ask("relay", there), "BadInput", "failed");
        assert.ok(error.message.includes("message:"), error.message);
        assert.equal(await here.ask("count"), 1);
        assert.equal(await there.ask("count"), 0);
      });
    });
  });
}

test("message: a getter that ends the receiver leaves no call unsettled", async () => {
  await inSystem({}, async (system) => {
    const echo = await system.spawn(Echo);
    let end: (() => void) | undefined = () => void system.stop(echo, { now: true });
    const message = {
      get a() {
        end?.();
        end = undefined;
        return 1;
      },
    };
    const call = followed(untyped(echo).ask("echo", message));
    await system.environment.settle();
    checked(call.ended, "Ended", "failed");
  });
});

test("message: a getter that sends is heard first, and once", async () => {
  for (const strict of [false, true]) {
    await inSystem({ strict }, async (system) => {
      const echo = await system.spawn(Echo);
      let reads = 0;
      const message = {
        get a() {
          reads++;
          void echo.tell("echo", "inner");
          return 1;
        },
      };
      await untyped(echo).ask("echo", message);
      assert.equal(reads, 1);
      assert.equal(await echo.ask("count"), 2);
    });
  }
});

test("message: data that looks like a tensor's reference and is none does no harm", async () => {
  await inSystem({ limits: { mailboxMessagesMax: 4, mailboxBytesMax: 100 } }, async (system) => {
    const echo = untyped(await system.spawn(Echo));
    const valid = await system.store.put({ data: new Float64Array(4_000) });
    const lookalikes: unknown[] = [NaN, Infinity, -5, 0.5, 1e300].map((bytes) => ({ ...valid, bytes }));
    lookalikes.push({ ref: "tensor", id: "x", bytes: 1 }, { ...valid, id: "other" }, { ...valid, run: "run-9" });
    for (const value of lookalikes) {
      const call = followed(echo.ask("echo", value));
      await system.environment.settle();
      assert.ok(call.ended !== undefined, "it has not settled");
      if ("error" in call.ended && call.ended.error !== undefined) {
        assert.ok(isShoalError(call.ended.error), String(call.ended.error));
      }
    }
    // What they may have weighed must not stay behind in a mailbox.
    for (let round = 0; round < 3; round++) {
      const calls = Array.from({ length: 20 }, (_, i) => followed(echo.ask("echo", i)));
      await system.environment.settle();
      assert.ok(calls.every(({ ended }) => ended !== undefined && ended.error === undefined));
    }
  });
});

class Rude extends Actor {
  async take(message: { tensor: TensorRef }): Promise<number> {
    const view = await this.store.get(message.tensor);
    // It belongs to the receiver: it may do with it what it likes.
    const loose = message as unknown as { tensor: { id: unknown; bytes: unknown } | undefined };
    Object.assign(loose.tensor!, { id: 5, bytes: NaN, run: undefined });
    loose.tensor = undefined;
    return view.shape.length;
  }
}

test("message: a receiver that changes the reference it got leaves no pin and no harm behind", async () => {
  for (const strict of [false, true]) {
    await inSystem({ strict }, async (system) => {
      const rude = await system.spawn(Rude);
      const tensor = await system.store.put({ data: new Float64Array(4_000) }, { lifetime: { until: "release" } });
      assert.equal(await rude.ask("take", { tensor }), 1);
      assert.equal(await rude.ask("take", { tensor }), 1);
      await system.store.release(tensor);
      assert.equal(system.tensorStore.statistics().tensors, 0, "it is still pinned");
      assert.equal(system.statistics().crashes, 0);
    });
  }
});

test("message: the same program ends the same way in strict mode and not", async () => {
  await property([fc.array(anything, { maxLength: 8 })], async (values) => {
    const outcomes = [];
    for (const strict of [false, true]) {
      const system = systemIn({ strict });
      const echo = untyped(await system.spawn(Echo));
      const results: unknown[] = [];
      for (const value of values) {
        results.push(
          await echo.ask("echo", value).catch((error: unknown) => isShoalError(error) ? error.message : "raw"),
        );
      }
      results.push(await echo.ask("count"));
      outcomes.push(results);
      await system.close({ now: true });
    }
    assert.deepStrictEqual(outcomes[0], outcomes[1]);
  }, { runs: 60 });
});

test("message: the limit of a system is the limit of its asks, tells and answers", async () => {
  await inSystem({ limits: { messageBytesMax: 100 } }, async (system) => {
    const echo = await system.spawn(Echo);
    assert.equal(await echo.ask("echo", "x".repeat(100)), "x".repeat(100));
    await fails(echo.ask("echo", "x".repeat(101)), "TooLarge", "failed");
    await fails(echo.tell("echo", "x".repeat(101)), "TooLarge", "failed");
    assert.ok(new ShoalError("TooLarge", "x") instanceof Error);
  });
});
