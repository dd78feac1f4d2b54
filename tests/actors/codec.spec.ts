// The copy within a thread and the codec between nodes accept the same values with the same results; no frame, however
// broken, does more than a typed error.
import { decodeMessage, encodeMessage } from "../../runtime/messages/codec.ts";
import { isShoalError } from "../../runtime/mod.ts";
import { assert, fc, property, test } from "../suite.ts";
import { copied, refusal, sent } from "./sending.ts";

import { anything, goodLeaf, type Tree, tree } from "./trees.ts";

// ——— copy and codec agree

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
