// Where `shm:` lies: what it refuses to use, what garbage does to it, and what a sweep takes.
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { type Place } from "../../stores/sweep.ts";
import { endRun, openPlace, openStore } from "../../stores/open.ts";
import { foldersOf, pathsIn } from "../../stores/shm/place.ts";
import { shmRoot } from "../../stores/shm.ts";
import { tensorRef } from "../../stores/reference.ts";
import type { TensorRef } from "../../stores/store.ts";
import { assert, test } from "../suite.ts";
import { errorOf, openOptions } from "../stores/world.ts";
import { arenasIn, child, inMemory, opened, real, ways } from "./place.ts";

const data = (fill: number, bytes: number = 1_000): { data: Uint8Array } => ({
  data: new Uint8Array(bytes).fill(fill),
});
const urlOf = (dir: string): string => `shm:?dir=${encodeURIComponent(dir)}`;
const placeAt = (dir: string): Promise<Place> => openPlace(urlOf(dir), { environment: real });

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

test("shm store: a folder that others can enter, or that is a link, is refused", () =>
  inMemory(async (dir) => {
    const root = shmRoot(dir);
    chmodSync(root, 0o755);
    const { message } = await errorOf("Unauthorized", () => opened(dir));
    assert.match(message, /can be entered by others; remove it, or name another place with shm:\?dir=PATH/);
    chmodSync(root, 0o700);
    await (await opened(dir)).close();
    const other = join(dir, "other");
    mkdirSync(other);
    symlinkSync(root, join(other, root.slice(root.lastIndexOf("/") + 1)));
    await errorOf("Unauthorized", () => opened(other));
    for (const bad of [join(dir, "nowhere"), join(root, "r", "arenas", "none")]) {
      const error = await errorOf("BadInput", () => opened(bad));
      assert.match(error.message, /is no folder of this machine; name one with shm:\?dir=PATH/);
    }
  }));

test("shm store: its URL says all it may, and nothing else", () =>
  inMemory(async (dir) => {
    const options = openOptions(real);
    const store = await openStore(`${urlOf(dir)}&capacity=1MB&full=reject&waitMs=5&graceMs=9&verify=always`, options);
    const { survives, shared, tensorBytesMax } = store.abilities;
    assert.deepEqual([survives, shared, tensorBytesMax], ["process", "host", 1_000_000]);
    const ref = await store.tensors.put(data(1));
    assert.ok(JSON.stringify(ref).length < 300);
    (await store.tensors.get(ref)).done();
    await store.tensors.release(ref);
    await store.close();
    for (const url of ["shm:/x", "shm:?dri=/tmp", "shm:?map=often", "shm:?capacity=much", "shm:?verify=never"]) {
      await errorOf("BadInput", () => openStore(url, options));
    }
  }));

for (const way of ways) {
  test(`shm store: garbage among its files is passed over, and damage is told (map ${way})`, () =>
    inMemory(async (dir) => {
      const folders = foldersOf(shmRoot(dir), "r");
      const store = await opened(dir, { map: way });
      const ref = await store.tensors.put(data(3));
      writeFileSync(join(folders.arenas, "note"), "hello");
      writeFileSync(join(folders.arenas, "0123456789abcdef"), "a file where a folder belongs");
      mkdirSync(join(folders.arenas, "00000000000000aa"));
      const broken = await opened(dir, { map: way });
      const lost = await broken.tensors.put(data(4));
      const writer = lost.id.slice(0, 16);
      const cut = await opened(dir, { map: way });
      const short = await cut.tensors.put(data(5));
      await broken.close();
      await cut.close();
      const table = openSync(pathsIn(join(folders.arenas, writer)).table, "r+");
      writeSync(table, "garbage!", 0);
      closeSync(table);
      truncateSync(pathsIn(join(folders.arenas, short.id.slice(0, 16))).data, 100);
      const reader = await opened(dir, { map: way });
      for (const each of [lost, short]) await errorOf("Corrupt", () => reader.tensors.get(each));
      assert.deepEqual((await all(reader.tensors.list())).map(({ id }) => id), [ref.id]);
      for (const id of [`${writer}-0.1`, "00000000000000aa-0.0", "0123456789abcdef-0.0", "ffffffffffffffff-zzzz.0"]) {
        const forged: TensorRef = tensorRef({ ...ref, id });
        await errorOf(id.startsWith(writer) ? "Corrupt" : "Missing", () => reader.tensors.get(forged));
      }
      const far = tensorRef({ ...ref, id: `${ref.id.slice(0, 17)}zzzzz.0` });
      for (const each of [store, reader]) await errorOf("Missing", () => each.tensors.get(far));
      const place = await placeAt(dir);
      assert.deepEqual((await all(place.sweep())).map(({ kind }) => kind), []);
      assert.equal((await all(place.verify())).find(({ name }) => name === ref.id)?.trouble, undefined);
      await store.tensors.release(ref);
      for (const each of [reader, store]) await each.close();
    }));

  test(`shm store: a table of another version is Incompatible (map ${way})`, () =>
    inMemory(async (dir) => {
      const store = await opened(dir, { map: way });
      const ref = await store.tensors.put(data(3));
      await store.close();
      const folders = foldersOf(shmRoot(dir), "r");
      const table = openSync(pathsIn(join(folders.arenas, ref.id.slice(0, 16))).table, "r+");
      writeSync(table, Uint8Array.of(99), 0, 1, 4);
      closeSync(table);
      const reader = await opened(dir, { map: way });
      await errorOf("Incompatible", () => reader.tensors.get(ref));
      await reader.close();
    }));
}

test("shm store: verify=always finds bytes that were changed behind its back", () =>
  inMemory(async (dir) => {
    for (const map of ways) {
      const store = await opened(dir, { map, verify: "always" });
      const reader = await opened(dir, { map, verify: "always" });
      const ref = await store.tensors.put(data(3));
      for (const each of [store, reader]) (await each.tensors.get(ref)).done();
      const path = pathsIn(join(foldersOf(shmRoot(dir), "r").arenas, ref.id.slice(0, 16))).data;
      const file = openSync(path, "r+");
      writeSync(file, "x", 500);
      closeSync(file);
      const verified = await all((await placeAt(dir)).verify());
      assert.match(verified.find(({ name }) => name === ref.id)?.trouble ?? "", /checksum disagree/);
      for (const each of [reader, store]) await errorOf("Corrupt", () => each.tensors.get(ref));
      await reader.close();
      await store.close().catch(() => {});
    }
  }));

test("shm place: interrupted is not ended, and a run goes when it is given up or has ended", () =>
  inMemory(async (dir) => {
    const place = await placeAt(dir);
    assert.deepEqual(await all(place.runs()), []);
    const owner = child("obey", dir);
    const { ref } = await owner.tell({ do: "put", bytes: 100, fill: 1 });
    const [live] = await all(place.runs());
    assert.deepEqual([live?.run, live?.state, live?.tensors, live?.bytes], ["r", "live", 1, 100]);
    assert.deepEqual(live?.owners.map(({ pid, presence }) => [pid, presence]), [[owner.pid, "live"]]);
    await errorOf("Conflict", () => all(place.sweep({ run: "r" })));
    owner.kill("SIGKILL");
    await owner.end();
    assert.equal((await all(place.runs()))[0]?.state, "interrupted");
    assert.deepEqual(await all(place.sweep()), []);
    const store = await opened(dir);
    (await store.tensors.get(ref!)).done();
    await store.logs.append("s", 1, [Uint8Array.of(1)]);
    await store.close();
    assert.equal((await all(place.sweep({ run: "r", dryRun: true }))).length, 1);
    assert.ok(existsSync(foldersOf(shmRoot(dir), "r").run));
    await errorOf("BadInput", () => all(place.sweep({ run: "other" })));
    const [swept] = await all(place.sweep({ run: "r" }));
    assert.deepEqual([swept?.kind, swept?.bytes], ["run", 100]);
    assert.deepEqual(readdirSync(shmRoot(dir)), []);
  }));

test("shm place: an interrupted run that nobody has opened for so many days goes, and a live one does not", () =>
  inMemory(async (dir) => {
    const place = await placeAt(dir);
    const owner = child("obey", dir);
    await owner.tell({ do: "put", bytes: 100, fill: 1 });
    const live = await opened(dir, { run: "live" });
    await live.tensors.put(data(1));
    owner.kill("SIGKILL");
    await owner.end();
    const monthAgo = Date.now() / 1_000 - 30 * 86_400;
    for (const run of ["r", "live"]) utimesSync(foldersOf(shmRoot(dir), run).arenas, monthAgo, monthAgo);
    assert.deepEqual(await all(place.sweep({ keepDays: 31 })), []);
    assert.equal((await all(place.sweep({ keepDays: 29, dryRun: true }))).length, 1);
    const found = await all(place.sweep({ keepDays: 29 }));
    assert.deepEqual(found.map(({ run, kind, why }) => [run, kind, why]), [
      ["r", "run", "nobody has opened it for 30 days"],
    ]);
    assert.deepEqual((await all(place.runs())).map(({ run }) => run), ["live"]);
    await live.close();
  }));

test("shm store: what a run that has ended holds goes with the last who has it open", () =>
  inMemory(async (dir) => {
    const [one, two] = [await opened(dir), await opened(dir)];
    await one.tensors.put(data(1));
    const ref = await two.tensors.put(data(2));
    const view = await one.tensors.get(ref);
    await endRun(one);
    await two.close();
    assert.ok(view.data.every((byte) => byte === 2));
    (await one.tensors.get(ref)).done();
    view.done();
    assert.equal(arenasIn(dir).length, 2);
    await one.close();
    assert.deepEqual(readdirSync(shmRoot(dir)), []);
  }));

test("shm store: an orphan in which nothing stands is swept, and nothing else is", () =>
  inMemory(async (dir) => {
    const keeper = child("obey", dir);
    const { ref } = await keeper.tell({ do: "put", bytes: 100, fill: 1 });
    const empty = child("obey", dir);
    await empty.tell({ do: "count" });
    const standing = await opened(dir);
    assert.equal(arenasIn(dir).length, 3);
    for (const each of [keeper, empty]) {
      each.kill("SIGKILL");
      await each.end();
    }
    const [orphan, ...others] = await all((await placeAt(dir)).sweep());
    assert.deepEqual([orphan?.kind, others], ["remains", []]);
    assert.equal(arenasIn(dir).length, 2);
    (await standing.tensors.get(ref!)).done();
    await standing.close();
    assert.deepEqual(arenasIn(dir), [ref!.id.slice(0, 16)]);
  }));
