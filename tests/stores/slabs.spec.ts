// The pool of shared memory: no two slots share a byte, warm memory first, and a bound on what is kept.
import { classRoom, slabs, type Slot } from "../../stores/slabs.ts";
import { assert, fc, property, test } from "../suite.ts";

test("classRoom: fits, is aligned, wastes less than a quarter, and is a class itself", () =>
  property([fc.oneof(fc.integer({ min: 1, max: 5_000 }), fc.integer({ min: 1, max: 2 ** 40 }))], (bytes) => {
    const room = classRoom(bytes);
    assert.ok(room >= bytes && room % 64 === 0 && classRoom(room) === room);
    assert.ok(room - bytes < Math.max(64, bytes / 4), `${bytes} → ${room}`);
  }));

test("slabs: two slots that are taken never share a byte", () =>
  property([fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 300_000 })), { maxLength: 60 })], (steps) => {
    const pool = slabs(2 ** 22);
    const taken: Slot[] = [];
    for (const [give, bytes] of steps) {
      if (give && taken.length > 0) pool.give(taken.splice(bytes % taken.length, 1)[0]!);
      else taken.push(pool.take(bytes));
      for (const [index, a] of taken.entries()) {
        assert.ok(a.offset + a.room <= a.slab.buffer.byteLength);
        for (const b of taken.slice(index + 1)) {
          const apart = a.slab !== b.slab || a.offset + a.room <= b.offset || b.offset + b.room <= a.offset;
          assert.ok(apart, "two slots overlap");
        }
      }
    }
    const buffers = new Set([...taken, ...pool.free()].map((slot) => slot.slab.buffer));
    assert.equal(pool.heldBytes, [...buffers].reduce((sum, buffer) => sum + buffer.byteLength, 0));
  }));

test("slabs: a slot that was given back is taken again before anything fresh", () => {
  const pool = slabs(2 ** 30);
  const first = pool.take(8_000_000);
  pool.give(first);
  assert.equal(pool.take(8_000_000), first);
  pool.give(first);
  assert.equal(pool.take(5_000_000), first, "a smaller one prefers a warm slot of up to twice its size");
  assert.notEqual(pool.take(1_000_000), first);
});

test("slabs: gives free slabs back rather than hold more than it may keep", () => {
  const pool = slabs(10_000_000);
  pool.give(pool.take(4_000_000));
  const kept = pool.take(700);
  const large = pool.take(9_000_000);
  assert.equal(pool.heldBytes, kept.slab.buffer.byteLength + large.slab.buffer.byteLength);
  assert.equal(kept.slab.slotsFree, kept.slab.slotsMax - 1);
});
