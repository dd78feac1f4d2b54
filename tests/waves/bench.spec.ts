// `shoal bench producer-consumer` and the patterns that it runs: in turns, each figure what it must be, and what cannot be
// measured said.
import bench, { type BenchParts, type BenchValues, settings } from "../../actors/waves/bench.ts";
import { errorOf } from "../stores/world.ts";
import { inFolder } from "../cli/stage.ts";
import { assert, test } from "../suite.ts";

const timeoutMs = 240_000;

test(
  "shoal run patterns verifies what is read, by one of many and by many of one",
  () =>
    inFolder(async ({ shoal }) => {
      for (const [pattern, writers, readers] of [["1:many", 1, 3], ["many:1", 3, 1]] as const) {
        const args = [
          "--pattern",
          pattern,
          "--many",
          "3",
          "--bytes",
          "100000",
          "--transfers",
          "4",
          "--json",
          "--quiet",
        ];
        const said = await shoal("run", "patterns", ...args, "--threads", pattern === "1:many" ? "1" : "0");
        assert.equal(said.code, 0, said.stderr);
        const result = JSON.parse(said.stdout);
        assert.deepEqual([result.writers, result.readers, result.transferBytes], [writers, readers, 100_000]);
        assert.deepEqual([result.write.transfers, result.read.transfers], [4 * writers, 4 * readers]);
        for (const { bytesOverSeconds, meanOfRates } of [result.write, result.get, result.read]) {
          assert.ok(bytesOverSeconds > 0 && meanOfRates >= bytesOverSeconds * 0.999, said.stdout);
        }
      }
    }),
  { timeoutMs },
);

test(
  "shoal bench producer-consumer measures what can be had, names what cannot, and then ends with 1",
  () =>
    inFolder(async ({ shoal }) => {
      const args = ["--store", "memory:", "--store", "nonsense:", "--sims", "2", "--grid", "16", "--rounds", "1"];
      const said = await shoal("bench", "producer-consumer", ...args, "--epochs", "0", "--transfer", "none", "--json");
      assert.equal(said.code, 1, said.stderr);
      const { rows, missed, published, observations, machine, settings } = JSON.parse(said.stdout);
      assert.deepEqual(
        rows.map((
          { way, sims, grid, samples, rounds }: { [name: string]: unknown },
        ) => [way, sims, grid, samples, rounds]),
        [["memory:", 2, 16, 20, 1]],
      );
      assert.equal(missed.length, 1);
      assert.match(missed[0], /^nonsense:, a grid of 16: Cannot measure waves: .*nonsense/);
      assert.equal(published.length, 12);
      assert.ok(observations.length >= 2 && machine.cores > 0);
      assert.equal(settings.sims, 2);
      // None of its runs stands among the user's.
      assert.equal((await shoal("list", "--json")).stdout.trim(), "[]");
    }),
  { timeoutMs },
);

const usual = Object.fromEntries(
  Object.entries(settings).map(([name, flag]) => [name, flag.default]),
) as unknown as BenchValues;

/** Runs that take no time, told in their order; those of one store fail in a round. */
function fakes(fails: (flags: { readonly [flag: string]: string | number }, count: number) => boolean) {
  const asked: string[] = [];
  const parts: BenchParts = {
    say() {},
    async run(program, flags) {
      const what = `${program} ${flags["pattern"] ?? flags["grid"]} ${flags["transport"] ?? ""} ${flags["store"]}`;
      asked.push(what);
      await Promise.resolve();
      const count = asked.filter((each) => each === what).length;
      if (fails(flags, count)) throw new Error("the server is gone");
      // The first round, which is thrown away, is unlike the others.
      const seconds = count === 1 ? 1_000 : count;
      const times = { count: 1, mean: 1, sum: seconds, max: 1 };
      const rate = { bytesOverSeconds: 1e9 * seconds, meanOfRates: 1e9 };
      if (program === "patterns") return { transferBytes: flags["bytes"], write: rate, read: rate };
      return {
        sims: flags["sims"],
        grid: flags["grid"],
        samples: 1,
        bytes: 1,
        label: 1,
        launchSeconds: 1,
        totalSeconds: 2 * seconds,
        simulate: { seconds, put: times },
        train: { seconds, get: times, backend: "wasm", models: [{}, {}] },
        checksum: "same",
      };
    },
  };
  return { parts, asked };
}

test("bench: ways take turns, the first round does not count, and one that fails is out and named", async () => {
  const values = { ...usual, store: ["memory:", "redis://u:secret@n1?x=1"], grid: "64", transfer: "1", rounds: 3 };
  const { parts, asked } = fakes((flags, count) => String(flags["store"]).startsWith("redis:") && count === 3);
  const { values: found, missed, lines } = await bench(parts, values);
  const turns = asked.filter((each) => each.startsWith("waves")).map((each) => each.split(" ").at(-1)!.slice(0, 5));
  assert.deepEqual(turns, ["memor", "redis", "memor", "redis", "memor", "redis", "memor"]);
  const { rows, patterns } = found as { rows: { way: string; total: object; rounds: number }[]; patterns: object[] };
  assert.deepEqual(rows.map(({ way, total, rounds }) => [way, total, rounds]), [
    ["memory:", { median: 6, least: 4, most: 8 }, 3],
  ]);
  // It is out in the patterns as well, each of which tries it anew.
  assert.equal(patterns.length, 3);
  assert.equal(missed.length, 4);
  assert.equal(missed[0], "redis://n1, a grid of 64: the server is gone");
  assert.ok(lines.every((line) => !line.includes("secret")), lines.join("\n"));
});

test("bench: sizes that are none, and ways whose samples differ, are errors", async () => {
  const { parts } = fakes(() => false);
  for (const change of [{ grid: "64,x" }, { transfer: "-1" }, { nodes: "" }]) {
    const error = await errorOf("BadInput", () => bench(parts, { ...usual, ...change }));
    assert.match(error.message, /expected numbers above 0/);
  }
  let count = 0;
  const differing: BenchParts = {
    ...parts,
    run: async (program, flags) => ({ ...Object(await parts.run(program, flags)), checksum: String(count++) }),
  };
  const values = { ...usual, grid: "64", transfer: "none" };
  assert.match((await errorOf("Corrupt", () => bench(differing, values))).message, /different checksums/);
});

test("shoal bench: a name that is not there is refused with 2", () =>
  inFolder(async ({ shoal }) => {
    const unknown = await shoal("bench", "producer-consumers");
    assert.equal(unknown.code, 2);
    assert.match(unknown.stderr, /did you mean producer-consumer\?/);
  }), { timeoutMs });
