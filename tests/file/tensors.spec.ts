// The tensors of `file:` on a real folder: what comes back, to whom, and what becomes of damage.
import { appendFileSync, mkdirSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { dtypes, tensorBytes } from "../../stores/dtype.ts";
import { isShoalError } from "../../stores/error.ts";
import { openStore } from "../../stores/open.ts";
import { tensorRef } from "../../stores/reference.ts";
import type { TensorRef } from "../../stores/store.ts";
import { errorOf, openOptions, world } from "../stores/world.ts";
import { assert, test } from "../suite.ts";
import { filesBelow, inFolder, opened, real } from "./place.ts";

const bytesOf = (array: ArrayBufferView): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength).slice();
const patterned = (bytes: number): Uint8Array => Uint8Array.from({ length: bytes }, (_, index) => index * 31 + bytes);

for (const fsync of ["never", "always"] as const) {
  test(`file store: every dtype and shape comes back, also after reopening, fsync=${fsync}`, () =>
    inFolder(async (root) => {
      const store = await opened(root, { fsync });
      const kept: [TensorRef, Uint8Array][] = [];
      for (const dtype of dtypes) {
        for (const shape of [[], [0], [3], [2, 3, 5], [7, 0, 2]]) {
          const draft = await store.tensors.allocate(dtype, shape);
          const pattern = patterned(tensorBytes(dtype, shape));
          new Uint8Array(draft.data.buffer, draft.data.byteOffset, pattern.length).set(pattern);
          const ref = await draft.seal();
          assert.equal(await draft.seal(), ref);
          const put = await store.tensors.put({ data: draft.data, dtype, shape });
          kept.push([ref, pattern], [JSON.parse(JSON.stringify(put)) as TensorRef, pattern]);
        }
      }
      for (const bytes of [2 ** 20 - 1, 2 ** 20, 2 ** 20 + 1, 5_000_003]) {
        const pattern = patterned(bytes);
        kept.push([await store.tensors.put({ data: pattern }), pattern]);
      }
      const check = async (tensors: typeof store.tensors): Promise<void> => {
        for (const [ref, pattern] of kept) {
          const tensor = await tensors.get(ref);
          assert.ok(Buffer.from(bytesOf(tensor.data)).equals(pattern));
          assert.deepEqual([tensor.dtype, tensor.shape], [ref.dtype, ref.shape]);
          tensor.done();
        }
      };
      await check(store.tensors);
      const other = await opened(root);
      await check(other.tensors);
      await store.close();
      await check(other.tensors);
      await other.close();
      const again = await opened(root);
      await check(again.tensors);
      const ids: string[] = [];
      for await (const entry of again.tensors.list()) ids.push(entry.id);
      assert.deepEqual(ids.sort(), kept.map(([ref]) => ref.id).sort());
      assert.equal(new Set(ids).size, ids.length);
      await again.close();
      for (const path of filesBelow(root)) assert.equal(statSync(path).mode & 0o777, 0o600);
      assert.equal(statSync(join(root, "r", "tensors")).mode & 0o777, 0o700);
      assert.ok(!filesBelow(root).some((path) => path.includes("/temp/")));
    }));
}

test("file store: released is Missing for everybody and for ever, twice is once", () =>
  inFolder(async (root) => {
    const [a, b] = [await opened(root), await opened(root)];
    for (const bytes of [3, 2 ** 20 + 5]) {
      const [mine, yours] = [
        await a.tensors.put({ data: patterned(bytes) }),
        await a.tensors.put({ data: patterned(bytes) }),
      ];
      const view = await b.tensors.get(mine);
      await a.tensors.release(mine);
      await b.tensors.release(yours);
      await b.tensors.release(yours);
      for (const ref of [mine, yours]) {
        for (const store of [a, b]) await errorOf("Missing", () => store.tensors.get(ref));
      }
      assert.ok(Buffer.from(bytesOf(view.data)).equals(patterned(bytes)), "a view stands until it is done");
      view.done();
      const later = await opened(root);
      await errorOf("Missing", () => later.tensors.get(mine));
      await errorOf("Missing", () => later.tensors.get(yours));
      await later.close();
    }
    await a.close();
    await b.close();
    const c = await opened(root);
    const found: string[] = [];
    for await (const entry of c.tensors.list()) found.push(entry.id);
    assert.deepEqual(found, []);
    await c.close();
  }));

test("file store: a flipped bit or a file cut short is an error and never other bytes", () =>
  inFolder(async (root) => {
    const store = await opened(root, { strict: false });
    const small = await store.tensors.put({ data: patterned(200) });
    const large = await store.tensors.put({ data: patterned(2 ** 20 + 9) });
    const outcomes = new Set<string>();
    for (const [ref, at] of [[small, "segments"], [large, large.id]] as const) {
      const path = filesBelow(root).find((each) => each.includes(at))!;
      const good = readFileSync(path);
      const attempt = async (): Promise<void> => {
        try {
          const tensor = await store.tensors.get(ref);
          assert.ok(Buffer.from(bytesOf(tensor.data)).equals(patterned(ref.bytes)));
          tensor.done();
          outcomes.add("whole");
        } catch (error) {
          if (!isShoalError(error)) throw error;
          outcomes.add(error.code);
        }
      };
      for (let count = 0; count < 60; count++) {
        const bad = Buffer.from(good);
        bad[Math.floor(count < 30 ? count * 5 : Math.random() * bad.length)]! ^= 1 << (count % 8);
        writeFileSync(path, bad);
        await attempt();
      }
      for (let count = 0; count < 20; count++) {
        writeFileSync(path, good);
        truncateSync(path, Math.floor(good.length * count / 20));
        await attempt();
      }
      writeFileSync(path, good);
      (await store.tensors.get(ref)).done();
    }
    assert.deepEqual([...outcomes].filter((code) => code !== "Corrupt"), []);
    await store.close();
  }));

test("file store: what others put into its folders is left alone and is nobody's tensor", () =>
  inFolder(async (root) => {
    const store = await opened(root);
    const ref = await store.tensors.put({ data: patterned(9) });
    await store.tensors.put({ data: patterned(2 ** 20) });
    await store.claims.claim("c", 1, "x");
    await store.logs.append("s", 1, [patterned(4)]);
    const folders = new Set(filesBelow(root).map((path) => path.replace(/\/[^/]*$/, "")));
    for (const folder of folders) {
      writeFileSync(join(folder, "README"), "mine");
      writeFileSync(join(folder, "0".repeat(16) + ".tmp"), "mine");
      mkdirSync(join(folder, "ff".repeat(20)));
    }
    writeFileSync(join(root, "r", "tensors", "0123456789abcdef"), "no folder");
    writeFileSync(join(root, "r", "logs", "ab"), "no folder");
    const again = await opened(root);
    const ids: string[] = [];
    for await (const entry of again.tensors.list()) ids.push(entry.id);
    assert.equal(ids.length, 2);
    (await again.tensors.get(ref)).done();
    assert.deepEqual(await again.logs.streams(""), ["s"]);
    assert.deepEqual(await again.claims.claims(""), ["c"]);
    assert.deepEqual(await again.claims.claim("c", 2, "y"), { held: true, epoch: 2, value: "y" });
    assert.equal((await again.logs.append("s", 2, [patterned(1)])).sequence, 1);
    for (const folder of folders) assert.equal(readFileSync(join(folder, "README"), "utf8"), "mine");
    await again.close();
    await store.close();
  }));

test("file store: references from elsewhere, forged or of another run, change nothing", () =>
  inFolder(async (root) => {
    const store = await opened(root);
    const other = await opened(root, { run: "r2" });
    for (const bytes of [8, 2 ** 20]) {
      const ref = await store.tensors.put({ data: patterned(bytes) });
      await errorOf("BadInput", () => other.tensors.get(ref));
      await errorOf("BadInput", () => store.tensors.get({ ...ref, id: "../x" }));
      const forged = tensorRef({ ...ref, dtype: "int8" });
      await errorOf("Corrupt", () => store.tensors.get(forged));
      await store.tensors.release(forged);
      const huge = tensorRef({ ...ref, shape: [2 ** 50], bytes: 2 ** 50 });
      await errorOf("Corrupt", () => store.tensors.get(huge));
      await errorOf("Missing", () => store.tensors.get(tensorRef({ ...ref, id: "0123456789abcdef-f0" })));
      const fresh = await opened(root);
      await errorOf("Corrupt", () => fresh.tensors.get(forged));
      await fresh.tensors.release(forged);
      fresh.tensors.pin(forged, "x");
      (await fresh.tensors.get(ref)).done();
      await fresh.close();
      (await store.tensors.get(ref)).done();
    }
    await other.close();
    await store.close();
  }));

test("file store: leases, reads, pins and room end as their maker chose", () =>
  inFolder(async (root) => {
    const environment = world();
    const store = await opened(root, { environment, graceMs: 100, capacityBytes: 100, full: "reject" });
    const leased = await store.tensors.put({ data: patterned(60) }, { lifetime: { leaseMs: 1_000 } });
    await errorOf("CapacityExceeded", () => store.tensors.put({ data: patterned(60) }));
    store.tensors.pin(leased, "message");
    await environment.advance(2_000);
    (await store.tensors.get(leased)).done();
    store.tensors.unpin(leased, "message", false);
    await errorOf("Expired", () => store.tensors.get(leased));
    const read = await store.tensors.put({ data: patterned(60) }, { lifetime: { reads: 1 } });
    store.tensors.pin(read, "a");
    store.tensors.unpin(read, "a", true);
    await errorOf("Missing", () => store.tensors.get(read));
    assert.equal(store.statistics().bytes, 0);
    const draft = await store.tensors.allocate("uint8", [100]);
    draft.discard();
    await assert.rejects(draft.seal(), TypeError);
    await store.close();
    assert.equal(environment.timers, 0);
    await errorOf("ShuttingDown", () => store.tensors.get(read));
    const again = await opened(root);
    // With its segment went what said why.
    await errorOf("Missing", () => again.tensors.get(leased));
    await errorOf("Missing", () => again.tensors.get(read));
    await again.close();
  }));

test("file store: opens by its URL, and refuses what it does not understand", () =>
  inFolder(async (root) => {
    const store = await openStore(`file://${root}/new?fsync=always&capacity=1MB`, openOptions(real));
    assert.deepEqual([store.abilities.survives, store.abilities.shared], ["power", "network"]);
    const ref = await store.tensors.put({ data: patterned(100) });
    assert.ok(JSON.stringify(ref).length < 300 + root.length);
    (await store.tensors.get(ref)).done();
    await store.close();
    for (const url of ["file:", "file:x", "file://host/x", `file://${root}?fsync=sometimes`, `file://${root}?x=1`]) {
      await errorOf("BadInput", () => openStore(url, openOptions(real)));
    }
    appendFileSync(join(root, "plain"), "a file");
    await errorOf("Unavailable", () => openStore(`file://${root}/plain`, openOptions(real)));
    assert.ok(readdirSync(root).length > 0);
  }));

test("file store: whoever calls it again and again leaves timers and sockets their turn", () =>
  inFolder(async (root) => {
    const store = await opened(root);
    let isTheirTurn = false;
    setImmediate(() => isTheirTurn = true);
    let calls = 0;
    while (!isTheirTurn && calls < 10_000) {
      await store.claims.claimed("leader");
      calls += 1;
    }
    assert.ok(isTheirTurn, `not within ${calls} calls`);
    await store.close();
  }));
