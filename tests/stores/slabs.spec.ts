// The pool of shared memory: no two slots share a byte, warm memory first, and a bound on what is kept; for one thread
// and for two that take from one pool.
import { type Pool, pool, type Slot } from "../../stores/memory/pool.ts";
import { newGround, type Words, wordsOf } from "../../stores/memory/words.ts";
import { classRoom } from "../../stores/slabs.ts";
import { assert, fc, property, test } from "../suite.ts";

type Told = readonly [number, SharedArrayBuffer | undefined];

/** Pools on one ground, each of which hears of the others' slabs when it looks. */
function pools(count: number, keepBytesMax: number): { all: Pool[]; words: Words } {
  const ground = newGround();
  const queues: Told[][] = Array.from({ length: count }, () => []);
  const all = queues.map((queue, index) =>
    pool(wordsOf(ground), keepBytesMax, {
      announce: (slab, buffer) => queues.forEach((other, at) => at === index || other.push([slab, buffer])),
      drain: (take) => {
        for (const [slab, buffer] of queue.splice(0)) take(slab, buffer);
      },
    })
  );
  return { all, words: wordsOf(ground) };
}

const only = (keepBytesMax: number): { one: Pool; words: Words } => {
  const { all: [one], words } = pools(1, keepBytesMax);
  return { one: one!, words };
};

test("classRoom: fits, is aligned, wastes less than a quarter, and is a class itself", () =>
  property([fc.oneof(fc.integer({ min: 1, max: 5_000 }), fc.integer({ min: 1, max: 2 ** 40 }))], (bytes) => {
    const room = classRoom(bytes);
    assert.ok(room >= bytes && room % 64 === 0 && classRoom(room) === room);
    assert.ok(room - bytes < Math.max(64, bytes / 4), `${bytes} → ${room}`);
  }));

test("pool: two slots that are taken never share a byte, whichever thread took them", () =>
  property(
    [
      fc.array(fc.tuple(fc.boolean(), fc.nat(1), fc.integer({ min: 1, max: 300_000 })), { maxLength: 60 }),
      fc.constantFrom(2 ** 18, 2 ** 22),
    ],
    (steps, keepBytesMax) => {
      const { all } = pools(2, keepBytesMax);
      const taken: { slot: Slot; bytes: Uint8Array }[] = [];
      for (const [give, who, bytes] of steps) {
        if (give && taken.length > 0) all[who]!.give(taken.splice(bytes % taken.length, 1)[0]!.slot);
        else {
          const slot = all[who]!.take(bytes);
          // The other thread sees the same memory there.
          taken.push({ slot, bytes: all[who]!.bytes(slot, bytes)! });
          assert.equal(all[1 - who]!.bytes(slot, bytes)!.buffer, taken.at(-1)!.bytes.buffer);
        }
        for (const [index, { bytes: a }] of taken.entries()) {
          for (const { bytes: b } of taken.slice(index + 1)) {
            const apart = a.buffer !== b.buffer || a.byteOffset + a.byteLength <= b.byteOffset ||
              b.byteOffset + b.byteLength <= a.byteOffset;
            assert.ok(apart, "two slots overlap");
          }
        }
      }
    },
  ));

test("pool: what is held is what all slabs take", () =>
  property([fc.array(fc.integer({ min: 1, max: 300_000 }), { maxLength: 40 })], (sizes) => {
    const { one, words } = only(2 ** 30);
    for (const bytes of sizes) one.take(bytes);
    assert.equal(words.held, [...one.slabs()].reduce((sum, [, { byteLength }]) => sum + byteLength, 0));
  }));

test("pool: a slot that was given back is taken again before anything fresh", () => {
  const { one } = only(2 ** 30);
  const first = one.take(8_000_000);
  one.give(first);
  assert.equal(one.take(8_000_000), first);
  one.give(first);
  assert.equal(one.take(5_000_000), first, "a smaller one prefers a warm slot of up to twice its size");
  assert.notEqual(one.take(1_000_000), first);
});

test("pool: gives free slabs back rather than hold more than it may keep", () => {
  const { one, words } = only(10_000_000);
  one.give(one.take(4_000_000));
  const kept = one.take(700);
  const large = one.take(9_000_000);
  assert.equal(words.held, one.bytes(kept, 1)!.buffer.byteLength + one.bytes(large, 1)!.buffer.byteLength);
  assert.deepEqual([...one.slabs()].length, 2);
});

test("pool: a slab that one thread lets go of is forgotten by the others when they look", () => {
  const { all: [one, two] } = pools(2, 10_000_000);
  const slot = one!.take(6_000_000);
  assert.equal(two!.bytes(slot, 1)!.byteLength, 1);
  one!.give(slot);
  one!.take(9_000_000);
  assert.equal([...two!.slabs()].length, 1);
});
