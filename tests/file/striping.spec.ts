// Striping through `lfs`: a stand-in on the PATH says how it was called.
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { openStore } from "../../stores/open.ts";
import type { Store } from "../../stores/store.ts";
import { openOptions } from "../stores/world.ts";
import { assert, test } from "../suite.ts";
import { inFolder, opened, real } from "./place.ts";

const wide = 300_000;

/** Works with an `lfs` that ends with this status, and answers the calls of it, the store's folder left out. */
async function calls(root: string, status: number, work: (folder: string) => Promise<void>): Promise<string[]> {
  const [tools, log] = [join(root, "tools"), join(root, "log")];
  mkdirSync(tools);
  const tool = join(tools, "lfs");
  const make = `for last; do :; done\n[ -e "$last" ] || : > "$last"`;
  writeFileSync(tool, `#!/bin/sh\necho "$@" >> '${log}'\n${status === 0 ? make : ""}\nexit ${status}\n`);
  chmodSync(tool, 0o755);
  const { PATH } = process.env;
  process.env["PATH"] = `${tools}:${PATH}`;
  try {
    await work(join(root, "store"));
  } finally {
    process.env["PATH"] = PATH;
  }
  if (!existsSync(log)) return [];
  return readFileSync(log, "utf8").trim().split("\n").map((line) => line.replace(/\/\S*\/(\w+)\/([^/]+)$/, "$1/$2"));
}

async function puts(store: Store): Promise<void> {
  for (const bytes of [10, wide - 1_000, wide, wide + 5]) {
    const data = new Uint8Array(bytes).fill(bytes % 251);
    const tensor = await store.tensors.get(await store.tensors.put({ data }));
    assert.deepEqual(tensor.data, data);
    tensor.done();
  }
  await store.close();
}

test("file store: with lfs its folder is set to one target, and each very large file to as many as were said", () =>
  inFolder(async (root) => {
    const told = await calls(root, 0, async (folder) => {
      await puts(await opened(folder, { stripe: 8, wideBytesMin: wide }));
    });
    const kinds = told.map((call) => call.replace(/[0-9a-f]{16}/g, "W"));
    assert.deepEqual(kinds, ["setstripe -c 1 W/temp", "setstripe -c 8 temp/W-f1", "setstripe -c 8 temp/W-f2"]);
  }));

test("file store: an lfs that refuses is asked once, and none that is not wanted; all goes on", () =>
  inFolder(async (root) => {
    const refusing = await calls(root, 1, async (folder) => {
      await puts(await opened(folder, { stripe: 8, wideBytesMin: wide }));
      await puts(await opened(folder, { wideBytesMin: wide }));
    });
    assert.equal(refusing.length, 1);
  }));

test("file store: without any lfs, stripe= is no reason to fail", () =>
  inFolder(async (root) => {
    const { PATH } = process.env;
    process.env["PATH"] = join(root, "none");
    try {
      await puts(await openStore(`file://${root}/store?stripe=-1`, openOptions(real)));
    } finally {
      process.env["PATH"] = PATH;
    }
  }));
