// References: through JSON and back, and every way of making one up.
import { crc32, crc32ByTable } from "../../stores/checksum.ts";
import { dtypes, tensorBytes } from "../../stores/dtype.ts";
import { checkedRef, inlineBytes, inlineRef, isTensorRef, tensorRef } from "../../stores/reference.ts";
import type { TensorRef } from "../../stores/store.ts";
import { assert, fc, property, test } from "../suite.ts";
import { errorOf } from "./world.ts";

const shapes = fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 6 });
const headers = fc.record({ dtype: fc.constantFrom(...dtypes), shape: shapes, count: fc.nat() }).map((
  { dtype, shape, count },
) => ({
  run: "run-1",
  id: `00000000000000ff-${count.toString(36)}`,
  dtype,
  shape,
  bytes: tensorBytes(dtype, shape),
  where: "memory:",
}));

test("crc32: the table and node:zlib agree, on texts, on bytes and going on", () =>
  property([fc.string({ unit: "grapheme" }), fc.uint8Array({ maxLength: 300 })], (text, bytes) => {
    assert.equal(crc32(text), crc32ByTable(text));
    assert.equal(crc32(bytes, crc32(text)), crc32ByTable(bytes, crc32ByTable(text)));
  }));

test("crc32: goes on from its seed over nothing too", () => {
  for (const nothing of ["", new Uint8Array(0), Buffer.from("", "base64")]) {
    assert.equal(crc32(nothing, 12_345), 12_345);
  }
});

test("crc32: is the one of the standard", () => assert.equal(crc32ByTable("123456789"), 0xcbf43926));

test("tensorRef: goes through JSON unchanged, frozen, and is checked as what it was", () =>
  property([headers], (header) => {
    const ref = tensorRef(header);
    assert.ok(Object.isFrozen(ref) && Object.isFrozen(ref.shape));
    const again = JSON.parse(JSON.stringify(ref)) as TensorRef;
    assert.ok(isTensorRef(again));
    assert.deepEqual(checkedRef(again, "run-1"), ref);
  }));

test("tensorRef: takes less than 300 bytes at its longest", () => {
  const shape = [9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, ...new Array<number>(18).fill(1), 100];
  const header = {
    run: "r".repeat(40),
    id: `${"f".repeat(16)}-${"z".repeat(11)}`,
    dtype: "complex128" as const,
    shape,
  };
  const ref = tensorRef({ ...header, bytes: tensorBytes("complex128", shape), where: "memory:" });
  assert.ok(JSON.stringify(ref).length < 300, `${JSON.stringify(ref).length}`);
});

test("inlineRef: 10 kB take 14 kB, and come back as they were", () => {
  const bytes = Uint8Array.from({ length: 10_000 }, (_, index) => index * 7);
  const header = { run: "run-1", id: "a-1", dtype: "uint8" as const, shape: [10_000], bytes: 10_000, where: "inline:" };
  const ref = JSON.parse(JSON.stringify(inlineRef(header, bytes))) as TensorRef;
  assert.ok(JSON.stringify(ref).length < 14_000);
  assert.deepEqual(inlineBytes(checkedRef(ref, "run-1")), bytes);
});

test("checkedRef: refuses a reference in which anything was changed", () =>
  property(
    [headers, fc.constantFrom("id", "dtype", "shape", "bytes", "checksum"), fc.nat(1_000)],
    async (header, member, change) => {
      const ref = tensorRef(header);
      const others = {
        id: `${header.id}${change}`,
        dtype: dtypes[(dtypes.indexOf(header.dtype) + 1 + (change % 14)) % 15],
        shape: [...header.shape, 1 + change],
        bytes: header.bytes + 1 + change,
        checksum: `crc32:${(crc32(ref.checksum) ^ change).toString(16).padStart(8, "0")}`,
      };
      const forged = { ...ref, [member]: others[member] } as TensorRef;
      const refuses = (): Promise<void> =>
        assert.rejects(async () => checkedRef(forged, "run-1"), { name: "ShoalError", code: /BadInput|Corrupt/ });
      await refuses();
      // Nor is it believed because the true one was, a moment ago.
      assert.deepEqual(checkedRef({ ...ref }, "run-1"), ref);
      await refuses();
      assert.deepEqual(checkedRef(JSON.parse(JSON.stringify(ref)) as TensorRef, "run-1"), ref);
      await assert.rejects(async () => checkedRef(ref, "run-2"), { code: "BadInput" });
    },
  ));

test("checkedRef: says what a forged reference is", async () => {
  const ref = tensorRef({ run: "run-1", id: "a-1", dtype: "int8", shape: [2], bytes: 2, where: "memory:" });
  const refused = async (change: object, message: RegExp): Promise<void> => {
    const error = await errorOf("BadInput", () => checkedRef({ ...ref, ...change }, "run-1"));
    assert.match(error.message, message);
  };
  await refused({ id: "../../etc/passwd" }, /its id is not one/);
  await refused({ id: ".." }, /its id is not one/);
  await refused({ id: "" }, /its id is not one/);
  await refused({ id: "a".repeat(65) }, /its id is not one/);
  await refused({ id: "a\n" }, /its id is not one/);
  await refused({ bytes: -1 }, /its length/);
  await refused({ bytes: 2 ** 53 }, /its length/);
  await refused({ bytes: 1.5 }, /its length/);
  await refused({ shape: [2 ** 53] }, /Cannot use shape/);
  await refused({ shape: [-2] }, /Cannot use shape/);
  await refused({ shape: [3] }, /int8 \[3\] does not take 2 bytes/);
  await refused({ shape: new Array<number>(100_000).fill(1) }, /more than 32 dimensions/);
  await refused({ dtype: "float128" }, /not a tensor's reference/);
  await refused({ dtype: "__proto__" }, /not a tensor's reference/);
  await refused({ run: "run-2" }, /it belongs to run run-2, this is run run-1/);
  await refused({ run: "../run" }, /its run is not a name/);
  await refused({ checksum: "md5:00000000" }, /of no known kind/);
  await refused({ where: "x".repeat(2_000) }, /its place/);
  await refused({ inline: "AAAA" }, /not of its kind/);
  await refused({ inline: "AAAA", checksum: "crc32+bytes:00000000", bytes: 2 ** 40, shape: [2 ** 40] }, /4 characters/);
  await refused({ ref: "actor" }, /not a tensor's reference/);
  for (const value of [null, undefined, 1, "x", [], {}, () => 1]) {
    await errorOf("BadInput", () => checkedRef(value as TensorRef, "run-1"));
    assert.equal(isTensorRef(value), false);
  }
  await errorOf("Corrupt", () => checkedRef({ ...ref, checksum: "crc32:00000000" }, "run-1"));
});

test("inlineBytes: refuses bytes or a header that were changed", async () => {
  const header = { run: "run-1", id: "a-1", dtype: "uint8" as const, shape: [3], bytes: 3, where: "inline:" };
  const ref = inlineRef(header, Uint8Array.of(1, 2, 3));
  assert.deepEqual(inlineBytes(checkedRef(ref, "run-1")), Uint8Array.of(1, 2, 3));
  for (const change of [{ inline: "AQIE" }, { inline: "!!!!" }, { inline: "AQ==" }, { id: "a-2" }, { dtype: "bool" }]) {
    await errorOf("Corrupt", () => inlineBytes(checkedRef({ ...ref, ...change } as TensorRef, "run-1")));
  }
});
