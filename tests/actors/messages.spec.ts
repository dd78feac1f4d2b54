// What a message may be: which values arrive as they were, what is refused by its path, and how large it may be.
import { isShoalError } from "../../runtime/mod.ts";
import { assert, test } from "../suite.ts";

/* oxlint-disable unicorn/no-thenable -- odd thenables are what is tested */
import { accepted, bytesMax, copied, Point, refusal, refused, sent, tooLarge } from "./sending.ts";

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
