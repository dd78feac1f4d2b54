// Files of others as tensors: what may be adopted, that nothing is copied or removed, and that a change shows.
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { openStore } from "../../stores/open.ts";
import type { Store, TensorRef } from "../../stores/store.ts";
import { errorOf, openOptions } from "../stores/world.ts";
import { assert, test } from "../suite.ts";
import { filesBelow, inFolder, opened, real } from "./place.ts";

const values = Float64Array.from({ length: 200_000 }, (_, index) => index * 0.5);
const bytes = (array: Float64Array): Uint8Array => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

interface Scene {
  readonly root: string;
  readonly data: string;
  readonly path: string;
  readonly store: Store;
  readonly adopt: NonNullable<Store["tensors"]["adopt"]>;
}

/** A folder with a file of 16 bytes and the values, and a store that may adopt from it. */
const scene = (call: (scene: Scene) => Promise<void>): Promise<void> =>
  inFolder(async (folder) => {
    const [root, data] = [join(folder, "store"), join(folder, "data")];
    mkdirSync(data);
    const path = join(data, "field.bin");
    writeFileSync(path, Buffer.concat([Buffer.alloc(16), bytes(values)]));
    const store = await opened(root, { adopt: data, capacityBytes: 1_000, full: "reject" });
    await call({ root, data, path, store, adopt: store.tensors.adopt!.bind(store.tensors) });
    await store.close();
  });

async function standsIn(store: Store, ref: TensorRef): Promise<void> {
  const tensor = await store.tensors.get(ref);
  assert.deepEqual(tensor.data, values);
  tensor.done();
}

test("file store: an adopted file is a tensor for every process, is not copied, and outlives its release", () =>
  scene(async ({ root, path, store, adopt }) => {
    const ref = await adopt(path, "float64", [400, 500], { offset: 16 });
    assert.deepEqual([ref.shape, ref.bytes], [[400, 500], values.byteLength]);
    assert.ok(JSON.stringify(ref).length < 300 + root.length);
    const other = await opened(root);
    for (const each of [store, other]) await standsIn(each, JSON.parse(JSON.stringify(ref)) as TensorRef);
    const sizes = filesBelow(root).map((file) => statSync(file).size);
    assert.ok(sizes.reduce((sum, size) => sum + size, 0) < 10_000, "nothing was copied");
    const listed: string[] = [];
    for await (const { id } of other.tensors.list()) listed.push(id);
    assert.deepEqual(listed, [ref.id]);
    const again = await adopt("field.bin", "float64", [100], { offset: 16, lifetime: { until: "release" } });
    assert.notEqual(again.id, ref.id);
    await other.tensors.release(ref);
    await other.tensors.release(ref);
    for (const each of [store, other]) await errorOf("Missing", () => each.tensors.get(ref));
    (await other.tensors.get(again)).done();
    await store.tensors.release(again);
    await errorOf("Missing", () => other.tensors.get(again));
    assert.equal(readFileSync(path).length, values.byteLength + 16);
    await other.close();
  }));

test("file store: an adopted file that is changed, replaced or gone is an error and never other bytes", () =>
  scene(async ({ data, path, store, adopt }) => {
    const good = readFileSync(path);
    const { mtime, atime } = statSync(path);
    const changes: readonly [string, "Corrupt" | "Missing" | "Unavailable", () => void][] = [
      ["longer", "Corrupt", () => writeFileSync(path, Buffer.concat([good, good]))],
      ["shorter", "Corrupt", () => writeFileSync(path, good.subarray(0, 100))],
      ["touched", "Corrupt", () => utimesSync(path, atime, new Date(mtime.getTime() + 5_000))],
      ["a link to the same", "Corrupt", () => (renameSync(path, `${path}.moved`), symlinkSync(`${path}.moved`, path))],
      ["gone", "Missing", () => rmSync(path)],
      ["not mounted", "Unavailable", () => renameSync(data, `${data}.moved`)],
    ];
    for (const [what, code, change] of changes) {
      writeFileSync(path, good);
      const ref = await adopt(path, "float64", [values.length], { offset: 16 });
      await standsIn(store, ref);
      change();
      const error = await errorOf(code, () => store.tensors.get(ref));
      assert.ok(error.message.includes("adopted from"), `${what}: ${error.message}`);
      if (existsSync(data)) {
        rmSync(path, { force: true });
        rmSync(`${path}.moved`, { force: true });
      }
    }
    renameSync(`${data}.moved`, data);
    // The same size and the same time: the sum knows.
    writeFileSync(path, good);
    utimesSync(path, atime, mtime);
    const ref = await adopt(path, "float64", [values.length], { offset: 16 });
    const file = openSync(path, "r+");
    writeSync(file, Uint8Array.of(99), 0, 1, 1_000_000);
    closeSync(file);
    utimesSync(path, atime, mtime);
    await errorOf("Corrupt", () => store.tensors.get(ref));
  }));

test("file store: only what lies in the folder that was named is adopted, whatever the path says", () =>
  scene(async ({ root, data, path, store, adopt }) => {
    const outside = join(data, "..", "secret");
    writeFileSync(outside, bytes(values));
    symlinkSync(outside, join(data, "link"));
    symlinkSync(join(data, ".."), join(data, "up"));
    mkdirSync(join(data, "folder"));
    const before = filesBelow(root).length;
    const refused = async (from: string, offset = 0, count = 1): Promise<string> =>
      (await errorOf("BadInput", () => adopt(from, "float64", [count], { offset }))).message;
    for (
      const from of [
        outside,
        "../secret",
        "link",
        "up/secret",
        join(data, "link"),
        "/etc/passwd",
        "folder/../../secret",
      ]
    ) {
      assert.ok((await refused(from)).includes("outside"), from);
    }
    assert.ok((await refused("none")).includes("no such file"));
    assert.ok((await refused("folder")).includes("not a file"));
    assert.ok((await refused("field.bin", 16, values.length + 1)).includes("are wanted"));
    for (const offset of [-8, 0.5, 2 ** 53]) await refused("field.bin", offset);
    await refused("a\0b");
    symlinkSync(path, join(data, "inside"));
    await store.tensors.release(await adopt("inside", "float64", [values.length], { offset: 16 }));
    assert.equal(filesBelow(root).length, before, "nothing was written for what was refused");
    const plain = await opened(root);
    const error = await errorOf("BadInput", () => plain.tensors.adopt!(path, "float64", [1]));
    assert.ok(error.message.includes("?adopt="));
    await plain.close();
    const byUrl = await openStore(`file://${root}/two?adopt=${encodeURIComponent(data)}`, openOptions(real));
    await standsIn(byUrl, await byUrl.tensors.adopt!("field.bin", "float64", [values.length], { offset: 16 }));
    await byUrl.close();
    for (const query of ["adopt=data", "adopt=", "stripe=0", "stripe=x"]) {
      await errorOf("BadInput", () => openStore(`file://${root}/two?${query}`, openOptions(real)));
    }
  }));
