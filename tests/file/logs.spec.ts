// Logs and claims of `file:` on a real folder: several stores of one folder fence each other, and damage is told.
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { isShoalError } from "../../stores/error.ts";
import type { Entry, Position } from "../../stores/store.ts";
import { errorOf } from "../stores/world.ts";
import { assert, fc, property, test } from "../suite.ts";
import { filesBelow, inFolder, opened } from "./place.ts";

const frame = (...bytes: number[]): Uint8Array => Uint8Array.from(bytes);
const shown = (entries: readonly Entry[]): string[] =>
  entries.map(({ epoch, sequence, frame }) => `${epoch}-${sequence}:${[...frame].join()}`);

test("file logs: epochs, positions, trims and names as every store has them", () =>
  inFolder(async (root) => {
    const { logs, close, abilities } = await opened(root);
    assert.deepEqual(await logs.append("s", 1, [frame(1), frame(2)]), { epoch: 1, sequence: 2 });
    assert.deepEqual(await logs.append("s", 1, []), { epoch: 1, sequence: 2 });
    assert.deepEqual(await logs.append("s", 4, []), { epoch: 4, sequence: 0 });
    assert.deepEqual(await logs.append("s", 4, [frame(3)]), { epoch: 4, sequence: 1 });
    await errorOf("Fenced", () => logs.append("s", 1, [frame(9)]));
    assert.deepEqual(shown(await logs.read("s", undefined)), ["1-1:1", "1-2:2", "4-1:3"]);
    assert.deepEqual(shown(await logs.read("s", { epoch: 1, sequence: 1 }, { entriesMax: 1 })), ["1-2:2"]);
    assert.deepEqual(shown(await logs.read("s", { epoch: 2, sequence: 9 })), ["4-1:3"]);
    assert.deepEqual(await logs.read("s", { epoch: 4, sequence: 1 }), []);
    assert.deepEqual(await logs.read("other", undefined), []);
    await logs.trim("s", { epoch: 1, sequence: 1 });
    const error = await errorOf("Lost", () => logs.read("s", undefined));
    const { through } = error.cause as { through: Position };
    assert.deepEqual(shown(await logs.read("s", through)), ["1-2:2", "4-1:3"]);
    await logs.trim("s", { epoch: 9, sequence: 9 });
    assert.deepEqual(await logs.append("s", 4, [frame(4)]), { epoch: 4, sequence: 2 });
    assert.deepEqual(shown(await logs.read("s", { epoch: 4, sequence: 1 })), ["4-2:4"]);
    const names = ["a", "aa", "a/b", "a/", "..", "../a", "é", "e\u0301", "__proto__", "A", "a\0b", " "];
    for (const [index, name] of names.entries()) await logs.append(name, index, [frame(index)]);
    for (const [index, name] of names.entries()) {
      assert.deepEqual(shown(await logs.read(name, undefined)), [`${index}-1:${index}`]);
    }
    assert.deepEqual(await logs.streams("a"), ["a", "a\0b", "a/", "a/b", "aa"].sort());
    await errorOf("TooLarge", () => logs.append("s", 4, [new Uint8Array(abilities.frameBytesMax + 1)]));
    await errorOf("BadInput", () => logs.append("", 1, []));
    await close();
    await errorOf("ShuttingDown", () => logs.append("s", 4, []));
  }));

test("file logs: whoever of several stores appends, opens, trims and reads, all see one log", () =>
  property(
    [fc.array(
      fc.record({
        kind: fc.constantFrom("append", "append", "trim", "read", "reopen"),
        who: fc.nat(2),
        epoch: fc.nat(3),
        count: fc.nat(4),
        sequence: fc.nat(9),
      }),
      { maxLength: 25, size: "max" },
    )],
    (steps) =>
      inFolder(async (root) => {
        const stores = [await opened(root), await opened(root), await opened(root)];
        const all: (Position & { gone: boolean })[] = [];
        let [epochNow, sequenceNow] = [-1, 0];
        const behind = (a: Position, b: Position): boolean => (a.epoch - b.epoch || a.sequence - b.sequence) > 0;
        for (const { kind, who, epoch, count, sequence } of steps) {
          const position = { epoch, sequence };
          const { logs, close } = stores[who]!;
          if (kind === "reopen") {
            await close();
            stores[who] = await opened(root);
          } else if (kind === "append") {
            const frames = Array.from({ length: count }, (_, index) => frame(index));
            if (epoch < epochNow) {
              await errorOf("Fenced", () => logs.append("s", epoch, frames));
              continue;
            }
            if (epoch > epochNow) [epochNow, sequenceNow] = [epoch, 0];
            for (const _ of frames) all.push({ epoch, sequence: ++sequenceNow, gone: false });
            assert.deepEqual(await logs.append("s", epoch, frames), { epoch, sequence: sequenceNow });
          } else if (kind === "trim") {
            await logs.trim("s", position);
            for (const entry of all) entry.gone ||= !behind(entry, position);
          } else {
            const wanted = all.filter((entry) => behind(entry, position));
            if (wanted.some((entry) => entry.gone)) await errorOf("Lost", () => logs.read("s", position));
            else {
              const found = await logs.read("s", position, { entriesMax: count + 1 });
              const numbers = wanted.slice(0, count + 1).map(({ epoch, sequence }) => `${epoch}-${sequence}`);
              assert.deepEqual(found.map(({ epoch, sequence }) => `${epoch}-${sequence}`), numbers);
            }
          }
        }
        for (const { close } of stores) await close();
      }),
    { runs: 40 },
  ));

test("file logs: an old epoch that goes on writing with an open descriptor changes nothing", () =>
  inFolder(async (root) => {
    const [old, heir, reader] = [await opened(root), await opened(root), await opened(root)];
    await old.logs.append("s", 1, [frame(1)]);
    const racing = Promise.allSettled(
      Array.from({ length: 40 }, (_, index) => old.logs.append("s", 1, [frame(index), frame(index)])),
    );
    await reader.logs.read("s", undefined);
    await heir.logs.append("s", 2, []);
    const before = shown(await heir.logs.read("s", undefined));
    const results = await racing;
    await errorOf("Fenced", () => old.logs.append("s", 1, [frame(7)]));
    await heir.logs.append("s", 2, [frame(8)]);
    const after = shown(await reader.logs.read("s", undefined));
    assert.deepEqual(after, [...before, "2-1:8"]);
    for (const result of results) {
      if (result.status === "rejected") assert.ok(isShoalError(result.reason, "Fenced"));
      else assert.ok(after.some((entry) => entry.startsWith(`1-${result.value.sequence}:`)));
    }
    for (const store of [old, heir, reader]) await store.close();
  }));

test("file logs: a reader in another store hears of an append by looking again", () =>
  inFolder(async (root) => {
    const [a, b] = [await opened(root), await opened(root, { pollMs: { min: 1, max: 20 } })];
    const read = b.logs.read("s", undefined, { waitMs: 20_000 });
    await a.logs.append("s", 1, [frame(5)]);
    assert.deepEqual(shown(await read), ["1-1:5"]);
    assert.deepEqual(await b.logs.read("s", { epoch: 1, sequence: 1 }, { waitMs: 5 }), []);
    await a.close();
    await b.close();
  }));

test("file logs: damage before a cut is Corrupt, at the end it is a torn tail, and never other bytes", () =>
  inFolder(async (root) => {
    const store = await opened(root);
    const all: string[] = [];
    for (let count = 0; count < 20; count++) {
      await store.logs.append("s", 1, [frame(count, count)]);
      all.push(`1-${count + 1}:${count},${count}`);
    }
    const path = filesBelow(root).find((each) => each.endsWith(".log"))!;
    const good = readFileSync(path);
    const damaged = function* (): Generator<void> {
      for (let at = 0; at < good.length; at += 7) {
        const bad = Buffer.from(good);
        bad[at]! ^= 1 << (at % 8);
        yield writeFileSync(path, bad);
        writeFileSync(path, good);
        yield truncateSync(path, at);
      }
      writeFileSync(path, good);
    };
    for (const _ of damaged()) {
      const found = shown(await store.logs.read("s", undefined));
      assert.deepEqual(found, all.slice(0, found.length));
      assert.ok(found.length < all.length);
    }
    await store.logs.append("s", 2, [frame(9)]);
    for (const _ of damaged()) await errorOf("Corrupt", () => store.logs.read("s", undefined));
    assert.deepEqual(shown(await store.logs.read("s", undefined)), [...all, "2-1:9"]);
    await store.close();
  }));

test("file claims: of all stores that claim one epoch one holds, and a later epoch stands", () =>
  inFolder(async (root) => {
    const stores = await Promise.all(Array.from({ length: 4 }, () => opened(root)));
    for (let epoch = 1; epoch <= 12; epoch++) {
      const results = await Promise.all(stores.map(({ claims }, who) => claims.claim("n", epoch, `${who}`)));
      assert.equal(results.filter(({ held }) => held).length, 1);
      assert.equal(new Set(results.map(({ value }) => value)).size, 1);
      assert.deepEqual(await stores[0]!.claims.claimed("n"), { epoch, value: results[0]!.value });
    }
    const [{ claims }] = stores as [typeof stores[0]];
    assert.equal((await claims.claim("n", 3, "late")).held, false);
    assert.equal(await claims.claimed("unknown"), undefined);
    for (const name of ["a", "a/", "a/b", "..", "é", "e\u0301"]) await claims.claim(name, 0, `${name}\ud800`);
    assert.equal((await claims.claim("..", 0, "..\ud800")).held, true);
    assert.deepEqual(await claims.claims("a/"), ["a/", "a/b"]);
    await errorOf("TooLarge", () => claims.claim("n", 99, "x".repeat(65_537)));
    for (const store of stores) await store.close();
  }));
