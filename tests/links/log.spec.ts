// Mail through a store's logs: what comes, how it is cut into entries, what is trimmed, and who may write.

import { bundling, unbundling } from "../../runtime/links/bundle.ts";
import type { Packet } from "../../runtime/links/link.ts";
import { mailStream } from "../../runtime/links/log.ts";
import type { Logs, Position } from "../../stores/store.ts";
import { assert, fc, property, test } from "../suite.ts";
import { logEnd, storeAt } from "./logs.ts";
import { eventually, inFolder } from "./place.ts";

const packets = fc.array(
  fc.oneof(fc.string({ unit: "grapheme", maxLength: 200 }), fc.uint8Array({ maxLength: 200 })),
  { maxLength: 30, size: "max" },
);
const position = fc.option(fc.record({ epoch: fc.nat(), sequence: fc.nat() }, { noNullPrototype: true }), {
  nil: undefined,
});
const plain = (packet: Packet): unknown => typeof packet === "string" ? packet : [...packet];

test("bundling: packets are put into entries of a limited size, and come out of them again, whole and in order", () =>
  property([packets, position, fc.integer({ min: 40, max: 500 })], (list, read, entryBytesMax) => {
    const { entries, bytes } = bundling(entryBytesMax, 7)(list, read);
    const unbundle = unbundling(1_000);
    const bundles = entries.map((entry) => unbundle(entry));
    assert.equal(bytes, entries.reduce((sum, entry) => sum + entry.byteLength, 0));
    assert.ok(entries.length > 0 && entries.every((entry) => entry.byteLength <= entryBytesMax));
    assert.deepEqual(bundles.flatMap((bundle) => bundle!.packets).map(plain), list.map(plain));
    for (const bundle of bundles) assert.deepEqual(bundle!.read, read);
  }, { runs: 100 }));

test("unbundling: entries that are lost take none but their own packets with them, and none is cut off", () =>
  property([packets, fc.array(fc.boolean(), { minLength: 1, maxLength: 20 }), fc.integer({ min: 40, max: 200 })], (
    list,
    lost,
    entryBytesMax,
  ) => {
    const { entries } = bundling(entryBytesMax, 0xffff_ffff)(list, undefined);
    const unbundle = unbundling(1_000);
    const came = entries.filter((_, index) => !lost[index % lost.length]).flatMap((entry) => unbundle(entry)!.packets);
    // A run of what was sent, with gaps.
    let from = 0;
    for (const packet of came) {
      const text = JSON.stringify(plain(packet));
      const found = list.findIndex((one, index) => index >= from && JSON.stringify(plain(one)) === text);
      assert.ok(found >= 0, text);
      from = found + 1;
    }
  }, { runs: 100 }));

test("unbundling: what is no entry is nothing, whatever it is", () =>
  property(
    [fc.uint8Array({ maxLength: 100 }), packets, fc.nat(), fc.integer({ min: 0, max: 255 })],
    (garbage, list, at, byte) => {
      const unbundle = unbundling(1_000);
      unbundle(garbage);
      const [entry] = bundling(500, 0)(list, undefined).entries;
      const damaged = new Uint8Array(entry!);
      damaged[at % damaged.length] = byte;
      for (const packet of unbundle(damaged)?.packets ?? []) assert.ok(packet.length <= 1_000);
      unbundle(damaged.subarray(0, at % damaged.length));
    },
    { runs: 100 },
  ));

for (const scheme of ["memory", "file"] as const) {
  test(`logEnds over ${scheme}: what is sent comes in order, both ways, and all of a turn in one append`, () =>
    inFolder(async (folder) => {
      const store = await storeAt(scheme === "memory" ? "memory:" : `file://${folder}`);
      const [a, b] = [logEnd(store, "a", ["b"]), logEnd(store, "b", ["a"])];
      assert.deepEqual([a.linkedTo, b.linkedTo], [["b"], ["a"]]);
      const sent: Packet[] = Array.from({ length: 300 }, (_, n) => n % 3 === 0 ? new Uint8Array([n, n % 7]) : `${n} é`);
      for (const packet of sent) a.send("b", packet);
      await b.until(() => b.packets.length === sent.length);
      assert.deepEqual(b.packets.map(plain), sent.map(plain));
      assert.equal(a.ends.counts("b")!.sent.appends, 1);
      assert.equal(b.ends.counts("a")!.received.entries, a.ends.counts("b")!.sent.entries);
      for (let n = 0; n < 50; n++) {
        b.send("a", `${n}`);
        await a.until(() => a.packets.length === n + 1);
      }
      assert.deepEqual(a.packets, Array.from({ length: 50 }, (_, n) => `${n}`));
      await Promise.all([a.ends.close(), b.ends.close()]);
      await store.close();
    }));
}

test("logEnds: a packet that is longer than an entry comes whole", () =>
  inFolder(async (folder) => {
    const store = await storeAt(`file://${folder}`);
    const [a, b] = [
      logEnd(store, "a", ["b"], { frameBytesMax: 1_000 }),
      logEnd(store, "b", ["a"], { frameBytesMax: 1_000 }),
    ];
    const long = new Uint8Array(100_000).map((_, index) => index * 7);
    a.send("b", "before");
    a.send("b", "é".repeat(5_000));
    a.send("b", long.slice());
    a.send("b", "after");
    await b.until(() => b.packets.length === 4);
    assert.deepEqual(b.packets.map(plain), ["before", "é".repeat(5_000), [...long], "after"]);
    await Promise.all([a.ends.close(), b.ends.close()]);
    await store.close();
  }));

test("logEnds: what was read is trimmed by its writer, even where no mail goes back", () =>
  inFolder(async (folder) => {
    const store = await storeAt(`file://${folder}`);
    const trims: Position[] = [];
    const logs: Logs = {
      ...store.logs,
      trim(stream, through) {
        assert.equal(stream, mailStream("a", "b"));
        trims.push(through);
        return store.logs.trim(stream, through);
      },
    };
    const [a, b] = [logEnd(store, "a", ["b"], { logs }), logEnd(store, "b", ["a"], { logs })];
    for (let n = 0; n < 40; n++) {
      a.send("b", `${n}`.padEnd(300_000));
      await b.until(() => b.packets.length === n + 1);
    }
    await eventually(() => a.ends.counts("b")!.sent.trims > 0);
    assert.ok(trims.length > 0 && trims.every(({ epoch }) => epoch === 1));
    // A reader that comes after the trim goes on behind it.
    await b.ends.close();
    const next = logEnd(store, "b", ["a"], { epoch: 2 });
    a.send("b", "after");
    await next.until(() => next.packets.includes("after"));
    assert.equal(next.ends.counts("a")!.received.gaps, 1);
    await Promise.all([a.ends.close(), next.ends.close()]);
    await store.close();
  }));

test("logEnds: what nobody reads is lost beyond a bound, and mail goes on when somebody does", () =>
  inFolder(async (folder) => {
    const store = await storeAt(`file://${folder}`);
    const a = logEnd(store, "a", ["b"], { backlogBytesMax: 100_000 });
    for (let n = 0; n < 30; n++) a.send("b", `${n}`.padEnd(10_000));
    await eventually(() => a.ends.counts("b")!.sent.packets > 0);
    const { lost, packets: kept } = a.ends.counts("b")!.sent;
    assert.ok(lost > 0 && kept < 11, `${kept} kept, ${lost} lost`);
    const b = logEnd(store, "b", ["a"]);
    await b.until(() => b.packets.length === kept);
    // Its own mail says how far it has read.
    b.send("a", "hello");
    await a.until(() => a.packets.length === 1);
    a.send("b", "again");
    await b.until(() => b.packets.at(-1) === "again");
    await Promise.all([a.ends.close(), b.ends.close()]);
    await store.close();
  }));

test("logEnds: entries that are none of ours are passed over", async () => {
  const store = await storeAt("memory:");
  const [a, b] = [logEnd(store, "a", ["b"]), logEnd(store, "b", ["a"])];
  await store.logs.append(mailStream("a", "b"), 1, [new Uint8Array(0), new Uint8Array([9, 9]), new Uint8Array(500)]);
  a.send("b", "hello");
  await b.until(() => b.packets.length > 0);
  assert.deepEqual(b.packets, ["hello"]);
  assert.equal(b.ends.counts("a")!.received.strange, 3);
  await Promise.all([a.ends.close(), b.ends.close()]);
  await store.close();
});

test("logEnds: a node's older process writes no more once a newer one has", async () => {
  const store = await storeAt("memory:");
  const [old, b] = [logEnd(store, "a", ["b"], { epoch: 1 }), logEnd(store, "b", ["a"])];
  old.send("b", "old");
  await b.until(() => b.packets.length === 1);
  const next = logEnd(store, "a", ["b"], { epoch: 2 });
  next.send("b", "new");
  await b.until(() => b.packets.length === 2);
  old.send("b", "too late");
  await eventually(() => old.ends.counts("b")!.sent.lost === 1);
  old.send("b", "still too late");
  next.send("b", "newer");
  await b.until(() => b.packets.length === 3);
  assert.deepEqual(b.packets, ["old", "new", "newer"]);
  await Promise.all([old, next, b].map(({ ends }) => ends.close()));
  await store.close();
});

test("logEnds: one that has not said which process of its node it is, writes nothing", async () => {
  const store = await storeAt("memory:");
  const a = logEnd(store, "a", ["b"], { epoch: 0 });
  a.send("b", "hello");
  assert.equal(a.ends.counts("b")!.sent.lost, 1);
  await a.ends.close();
  assert.deepEqual(await store.logs.streams("mail/"), []);
  await store.close();
});

test("logEnds: a store that does not answer for a while loses what was sent meanwhile, and nothing after", () =>
  inFolder(async (folder) => {
    const store = await storeAt(`file://${folder}`);
    let isDown = true;
    const down = (): Promise<never> => Promise.reject(new TypeError("down"));
    const logs: Logs = {
      ...store.logs,
      append: (...given) => isDown ? down() : store.logs.append(...given),
      read: (...given) => isDown ? down() : store.logs.read(...given),
    };
    const [a, b] = [logEnd(store, "a", ["b"], { logs }), logEnd(store, "b", ["a"], { logs })];
    a.send("b", "lost");
    await eventually(() => a.ends.counts("b")!.sent.lost === 1);
    await eventually(() => b.ends.counts("a")!.received.reads > 2);
    isDown = false;
    a.send("b", "kept");
    await b.until(() => b.packets.length > 0);
    assert.deepEqual(b.packets, ["kept"]);
    await Promise.all([a.ends.close(), b.ends.close()]);
    await store.close();
  }));

test("logEnds: a reader that looks seldom looks often once something is sent there", () =>
  inFolder(async (folder) => {
    const store = await storeAt(`file://${folder}`);
    const waits: number[] = [];
    const logs: Logs = {
      ...store.logs,
      read(stream, after, options) {
        if (stream === mailStream("b", "a")) waits.push(options?.pollMsMax ?? 0);
        return store.logs.read(stream, after, options);
      },
    };
    // A clock that is moved by hand, so that nothing has to be waited for.
    let nowMs = 0;
    const environment = { now: () => nowMs, after: (ms: number, call: () => void) => later(ms, call) };
    const later = (ms: number, call: () => void): () => void => {
      const timer = setTimeout(call, ms);
      return () => clearTimeout(timer);
    };
    const a = logEnd(store, "a", ["b"], { logs, environment });
    // Nobody has written to it yet.
    assert.deepEqual(waits, [50]);
    const b = logEnd(store, "b", ["a"]);
    b.send("a", "first");
    await a.until(() => a.packets.length > 0);
    await eventually(() => waits.at(-1) === 1);
    nowMs = 10_000;
    await eventually(() => waits.at(-1) === 1_000);
    nowMs = 20_000;
    a.send("b", "hello");
    await eventually(() => waits.at(-1) === 1);
    a.ends.attend("b", false);
    nowMs = 30_000;
    await eventually(() => waits.at(-1) === 10_000);
    nowMs = 40_000;
    a.ends.attend("b", true);
    await eventually(() => waits.at(-1) === 1_000);
    await Promise.all([a.ends.close(), b.ends.close()]);
    await store.close();
  }));
