// URLs of stores: what is read, what is refused and with which hint, and that no secret is ever shown.
import { openStore } from "../../stores/open.ts";
import { parseStoreUrl, redactUrl, sizeOption } from "../../stores/url.ts";
import { assert, test } from "../suite.ts";
import { errorOf, openOptions, world } from "./world.ts";

test("openStore: opens memory: with its options, and shows its URL", async () => {
  const store = await openStore("memory:?capacity=4GB&full=reject&waitMs=10&graceMs=5&logs=1MiB", openOptions(world()));
  assert.equal(store.url, "memory:?capacity=4GB&full=reject&waitMs=10&graceMs=5&logs=1MiB");
  assert.equal(store.run, "run-1");
  assert.deepEqual([store.abilities.survives, store.abilities.shared, store.abilities.zeroCopy], [
    "nothing",
    "threads",
    true,
  ]);
  assert.ok(store.abilities.tensorBytesMax <= 4e9);
  await store.close();
  assert.equal(await store.ended, undefined);
});

test("openStore: refuses what it does not know, and names what was meant", async () => {
  const refused = async (url: string, message: RegExp): Promise<void> => {
    const error = await errorOf("BadInput", () => openStore(url, openOptions(world())));
    assert.match(error.message, message);
    assert.equal(error.outcome, "failed");
  };
  await refused("memroy:", /unknown scheme "memroy:"; did you mean memory:\?/);
  await refused("gopher://x", /unknown scheme "gopher:"; known: memory:/);
  await refused("memory:?capasity=4GB", /unknown option of memory: "capasity"; did you mean capacity\?/);
  await refused("memory:?zzz=1", /known: capacity, full, waitMs/);
  await refused("memory:?capacity=4Gb", /unknown unit of capacity "Gb"; did you mean/);
  await refused("memory:?capacity=-1", /a size such as 64MB/);
  await refused("memory:?capacity=0", /a size such as 64MB/);
  await refused("memory:?capacity=", /a size such as 64MB/);
  await refused("memory:?capacity=9999999999TB", /a size such as 64MB/);
  await refused("memory:?full=waite", /unknown value of full "waite"; did you mean wait\?/);
  await refused("memory:?waitMs=1.5", /a whole number of milliseconds/);
  await refused("memory:?full=wait&full=reject", /option full is given twice/);
  await refused("memory:?full", /name=value/);
  await refused("memory:?=1", /name=value/);
  await refused("memory:?full=%zz", /not percent-encoded/);
  await refused("memory:?constructor=1", /unknown option/);
  await refused("memory://host", /unknown address of memory:/);
  await refused("memory", /not a URL such as memory:/);
  await refused("", /not a URL/);
  await refused("memory:#x", /not a URL/);
  await refused(`memory:?${"x".repeat(5_000)}`, /characters/);
});

test("openStore: refuses options that cannot be", async () => {
  for (const run of ["", "../x", "a/b", ".x", "x".repeat(65), "a b"]) {
    await errorOf("BadInput", () => openStore("memory:", openOptions(world(), { run })));
  }
  for (const thresholdBytes of [-1, 1.5, NaN, 2 ** 30]) {
    await errorOf("BadInput", () => openStore("memory:", openOptions(world(), { thresholdBytes })));
  }
});

test("openStore: says what is wrong with a place, in words", async () => {
  const { message } = await errorOf("Unavailable", () => openStore("file:///dev/null/x", openOptions(world())));
  assert.equal(message, "Cannot open store file:///dev/null/x: a part of its path is a file, not a folder (ENOTDIR)");
});

test("redactUrl: no secret is left, encoded or not", () => {
  const secrets: [string, string][] = [
    ["redis://user:hunter2@n1:6379", "redis://***@n1:6379"],
    ["redis://:hunter2@n1:6379,n2:6379/0?x=1", "redis://***@n1:6379,n2:6379/0?x=1"],
    ["redis://u:hunter2@n1,u:hunter2@n2", "redis://***@n2"],
    ["redis://u:hun/ter2?@hunter2@n1", "redis://***@n1"],
    ["kafka://b1/run?password=hunter2&x=1", "kafka://b1/run?password=***&x=1"],
    ["kafka://b1/run?saslPassword=hunter2", "kafka://b1/run?saslPassword=***"],
    ["file:///lustre/a@b", "file:///lustre/a@b"],
  ];
  for (const [url, shown] of secrets) assert.equal(redactUrl(url), shown);
});

test("parseStoreUrl: never repeats a secret in an error", async () => {
  for (const query of ["x", "x=1&x=2", "x=%zz"]) {
    const error = await errorOf("BadInput", () => parseStoreUrl(`redis://u:hunter2@n1?${query}&password=hunter2`));
    assert.doesNotMatch(error.message, /hunter2/);
  }
});

test("sizeOption: decimal and binary units, and fractions of them", () => {
  const sizes: [string, number][] = [["64MB", 64e6], ["4GiB", 4 * 2 ** 30], ["1.5kB", 1_500], ["10", 10], [
    "1 KiB",
    1_024,
  ]];
  for (const [text, bytes] of sizes) assert.equal(sizeOption(text, "capacity"), bytes);
});
