// Who has which part of an arena: parts never meet, what is given back can be had again, and no more is taken from the
// file system than is needed.
import { type Chunk, Crowded, space, type SpaceOptions } from "../../stores/shm/space.ts";
import { windows } from "../../stores/shm/windows.ts";
import { assert, fc, property, test } from "../suite.ts";

const MB = 2 ** 20;

interface Disk extends SpaceOptions {
  /** Pages that the file system has given. */
  readonly given: Set<number>;
  freeBytes: number;
}

/** A file system that gives pages, each once, until there are no more. */
function disk(bytes: number, freeBytes: number, yields: SpaceOptions["yields"]): Disk {
  const given = new Set<number>();
  const pagesOf = (from: number, to: number): number[] => {
    assert.equal(from % 4_096, 0);
    return Array.from({ length: Math.ceil((to - from) / 4_096) }, (_, index) => from / 4_096 + index);
  };
  const self: Disk = {
    bytes,
    // Where nothing is mapped, nothing can lie across.
    windows: yields === "anywhere" ? windows(MB, 16 * MB) : undefined,
    yields,
    given,
    freeBytes,
    reserve(from, to) {
      assert.ok(to <= bytes);
      if (to - from > self.freeBytes) throw Object.assign(new Error("full"), { code: "ENOSPC" });
      for (const page of pagesOf(from, to)) {
        assert.ok(!given.has(page), "reserved twice");
        given.add(page);
      }
      self.freeBytes -= to - from;
    },
    yield(from, to) {
      for (const page of pagesOf(from, to)) assert.ok(given.delete(page), "given back, and was not had");
      self.freeBytes += to - from;
    },
  };
  return self;
}

const sizes = fc.oneof(
  fc.integer({ min: 1, max: 5_000 }),
  fc.constantFrom(64, 4_096, 65_536, 65_537, 2 ** 19, MB, 2 * MB, 2 * MB + 1, 5 * MB),
  fc.integer({ min: 1, max: 6 * MB }),
);
const steps = fc.array(
  fc.record({ act: fc.constantFrom("take", "take", "take", "give", "give", "trim"), bytes: sizes, which: fc.nat(50) }),
  { maxLength: 120, size: "max" },
);

test("space: parts never meet, lie on what is reserved, and all of it can be had again", () =>
  property([steps, fc.boolean(), fc.constantFrom(24, 60, 200)], (all, anywhere, freeMB) => {
    const file = disk(128 * MB, freeMB * MB, anywhere ? "anywhere" : "at the end");
    const arena = space(file);
    const taken: { chunk: Chunk; bytes: number }[] = [];
    for (const { act, bytes, which } of all) {
      if (act === "trim") arena.trim(which < 25 ? 0 : which * 100_000);
      else if (act === "give") {
        const [one] = taken.splice(which % Math.max(1, taken.length), 1);
        if (one !== undefined) arena.give(one.chunk);
      } else {
        try {
          taken.push({ chunk: arena.take(bytes), bytes });
        } catch (error) {
          assert.ok(error instanceof Crowded || (error as { code?: string }).code === "ENOSPC");
        }
      }
      assert.equal(arena.reservedBytes, file.given.size * 4_096);
      const sorted = [...taken].sort((a, b) => a.chunk.offset - b.chunk.offset);
      for (const [index, { chunk, bytes }] of sorted.entries()) {
        const end = chunk.offset + chunk.room;
        assert.ok(chunk.room >= bytes && chunk.offset % 64 === 0);
        assert.ok(end <= (sorted[index + 1]?.chunk.offset ?? 128 * MB), "two parts meet");
        for (const at of [chunk.offset, chunk.offset + bytes - 1]) {
          assert.ok(file.given.has(Math.floor(at / 4_096)), "a part lies on nothing");
        }
        const isLarge = chunk.room > 2 * MB;
        const window = (at: number): number => file.windows?.at(at) ?? 0;
        assert.ok(isLarge || window(chunk.offset) === window(chunk.offset + bytes - 1), "a small one lies across");
      }
    }
    for (const { chunk } of taken) arena.give(chunk);
    arena.trim(0);
    assert.equal(arena.usedBytes, 0);
    assert.equal(file.given.size, 0, "something is kept, though nobody has anything");
    const whole = arena.take(20 * MB);
    assert.equal(whole.offset, 0, "nothing is lost for ever");
  }, { runs: 60 }));

test("windows: each is as long as all before it, up to the largest, and they leave no gap", () => {
  const { at, begin, largestBytes } = windows(MB, 16 * MB);
  for (let index = 0; index < 12; index++) {
    const [from, to] = [begin(index), begin(index + 1)];
    assert.equal(to - from, index === 0 ? MB : Math.min(from, largestBytes));
    for (const place of [from, from + 1, (from + to) / 2, to - 1]) assert.equal(at(place), index);
  }
});

test("space: what a range passed over so that it does not lie across is there for a smaller one", () => {
  const arena = space(disk(128 * MB, 128 * MB, "anywhere"));
  const first = arena.take(2 * MB);
  assert.equal(first.offset, 2 * MB);
  const second = arena.take(MB);
  assert.ok(second.offset < first.offset);
  for (const chunk of [second, first]) arena.give(chunk);
  assert.equal(arena.take(20 * MB).offset, 0);
});

test("space: a few small ones take little of the file system", () => {
  const file = disk(128 * MB, 128 * MB, "anywhere");
  const arena = space(file);
  for (const bytes of [1, 100, 1_000, 10_000]) arena.take(bytes);
  assert.ok(arena.reservedBytes <= MB / 2, `${arena.reservedBytes}`);
});

test("space: what was used last is used first", () => {
  const arena = space(disk(128 * MB, 128 * MB, "anywhere"));
  for (const bytes of [100, 70_000, 3 * MB]) {
    const [one, two] = [arena.take(bytes), arena.take(bytes)];
    arena.give(one);
    assert.equal(arena.take(bytes).offset, one.offset);
    arena.give(two);
    assert.equal(arena.take(bytes).offset, two.offset);
  }
});

test("space: a slab that nobody uses makes room for what is large", () => {
  const file = disk(64 * MB, 4 * MB, "anywhere");
  const arena = space(file);
  const small = Array.from({ length: 3_000 }, () => arena.take(1_000));
  for (const chunk of small) arena.give(chunk);
  assert.ok(arena.take(3 * MB).room >= 3 * MB);
});
