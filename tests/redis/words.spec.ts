// Commands as servers read them: what is written is what any client would write, and large words are not copied.
import { Buffer } from "node:buffer";
import { piecesOf, type Word } from "../../stores/redis/words.ts";
import { assert, fc, property, test } from "../suite.ts";

/** As the protocol's specification has it. */
const specified = (words: readonly Word[]): Buffer =>
  Buffer.concat([
    Buffer.from(`*${words.length}\r\n`),
    ...words.flatMap((word) => {
      const bytes = word instanceof Uint8Array ? Buffer.from(word) : Buffer.from(String(word));
      return [Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from("\r\n")];
    }),
  ]);

const sizes = fc.oneof(fc.nat(40), fc.constantFrom(99, 100, 16_383, 16_384));
const word: fc.Arbitrary<Word> = fc.oneof(
  fc.string({ unit: "binary", maxLength: 200 }),
  fc.string({ maxLength: 120 }),
  fc.maxSafeInteger(),
  fc.tuple(sizes, fc.nat(255), fc.nat(7), fc.boolean()).map(([bytes, fill, offset, isShared]) => {
    const buffer = isShared ? new SharedArrayBuffer(offset + bytes) : new ArrayBuffer(offset + bytes);
    return new Uint8Array(buffer, offset, bytes).fill(fill);
  }),
);

test("piecesOf: together they are the command, whatever its words", () =>
  property([fc.array(word, { minLength: 1, maxLength: 12 })], (words) => {
    assert.ok(Buffer.concat(piecesOf(words)).equals(specified(words)));
  }));

test("piecesOf: a large word is a piece as it lies there, and what is shared between threads a copy", () => {
  const large = new Uint8Array(new ArrayBuffer(2 ** 20), 8, 2 ** 19).fill(7);
  const pieces = piecesOf(["SET", "k", large]);
  assert.deepEqual(pieces.map(({ length }) => length), [
    Buffer.from("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$524288\r\n").length,
    2 ** 19,
    2,
  ]);
  assert.equal(pieces[1]!.buffer, large.buffer);
  assert.equal(pieces[1]!.byteOffset, 8);
  assert.equal(piecesOf(["SET", "k", new Uint8Array(new SharedArrayBuffer(2 ** 19))]).length, 1);
});
