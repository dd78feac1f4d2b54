// minutes: 2
// `shoal run molecules` as users type it: the same answer on every store and number of threads and after kills, tables
// in the run directory, and clear words for bad input. And the campaigns of others that stand on the same ground.
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { random } from "../../runtime/mod.ts";
import { assert, long, seed, test } from "../suite.ts";
import { type Folder, inFolder, programPath } from "../cli/stage.ts";

const timeoutMs = 240_000;
const recorded = ["--simulator", "recorded", "--seed", "42", "--policy", "sequential", "--json", "--quiet"];

test("shoal run molecules finds the same on every store and number of threads, and uses the store", async () => {
  await inFolder(async ({ shoal, path }) => {
    mkdirSync(join(path, "store"));
    const answers = new Set<string>();
    const places = [["memory:", "0"], ["memory:", "3"], [`file://${join(path, "store")}`, "2"], [
      `shm:?dir=${join(path, "store")}`,
      "2",
    ]];
    for (const [store = "", threads = ""] of places) {
      const args = ["--store", store, "--store-threshold", "0", "--threads", threads, "--simulate-workers", "3"];
      const said = await shoal(
        "run",
        "molecules",
        ...recorded,
        ...args,
        "--initial",
        "16",
        "--batch",
        "16",
        "--max",
        "50",
      );
      assert.equal(said.code, 0, said.stderr);
      const { simulated, failed, iterations, bestSimulated, bestPredicted, meanRelativeError, topFraction, ...rest } =
        JSON.parse(said.stdout);
      assert.deepEqual([simulated, failed, iterations, rest.simulator], [50, 0, 3, "recorded"]);
      assert.ok(rest.store.putBytes > 0 && rest.store.getBytes > 0);
      answers.add(JSON.stringify([bestSimulated, bestPredicted, meanRelativeError, topFraction]));
    }
    assert.equal(answers.size, 1, [...answers].join("\n"));
  });
}, { timeoutMs });

test(
  "shoal run molecules simulates exactly 24 by default, says that energies are recorded, and leaves tables",
  async () => {
    await inFolder(async ({ shoal, path }) => {
      const said = await shoal("run", "molecules", "--simulator", "recorded", "--name", "first", "--json");
      assert.equal(said.code, 0, said.stderr);
      assert.match(said.stderr, /recorded/);
      assert.match(said.stderr, /best simulated \d+\.\d\d eV/);
      const { simulated, bestSimulated } = JSON.parse(said.stdout);
      assert.equal(simulated, 24);
      const table = (name: string): string[] => readFileSync(join(path, "runs/first", name), "utf8").trim().split("\n");
      assert.equal(table("training_data.csv").length, 1 + 24);
      assert.equal(table("best_molecules.csv")[1], `${bestSimulated.smiles},${bestSimulated.ieEv}`);
      assert.equal(table("simulate.jsonl").length, 24);
      for (const line of table("train.jsonl")) assert.equal(JSON.parse(line).task, "train");
      assert.ok(table("infer.jsonl").length >= 1);
      assert.equal(table("best.svg").filter((line) => line.startsWith("<circle")).length, 2 * 24);
    });
  },
  { timeoutMs },
);

/**
 * Stands in for both programs: a line in `starts` for each simulation that begins, and energies out of the name. While
 * there is a file `hold`, those wait that begin when there are as many lines as it says.
 */
function programs({ path, write }: Folder): { PATH: string; STARTS: string; HOLD: string } {
  const bin = join(path, "bin");
  mkdirSync(bin);
  write(
    "bin/obabel",
    `#!/bin/sh
smiles="\${1#-:}"
echo "$smiles" >> "$STARTS"
sleep 0.02
while [ -e "$HOLD" ] && [ "$(wc -l < "$STARTS")" -ge "$(cat "$HOLD")" ] 2> /dev/null; do sleep 0.02; done
case "$smiles" in *O*) : > start.xyz; exit 0 ;; esac
number=$(printf %s "$smiles" | cksum | cut -d' ' -f1)
printf '2\\n%s\\nC 0 0 0\\nC 0 0 %s\\n' "$smiles" "$((number % 9000 + 1000))" > start.xyz
`,
  );
  write(
    "bin/xtb",
    `#!/bin/sh
number=$(sed -n 4p "$1" | cut -d' ' -f4)
case "$*" in
  *--opt*) cp "$1" xtbopt.xyz; echo "  | TOTAL ENERGY    -10.0000 Eh  |" ;;
  *) echo "  | TOTAL ENERGY    -9.$number Eh  |" ;;
esac
`,
  );
  for (const name of ["obabel", "xtb"]) chmodSync(join(bin, name), 0o755);
  writeFileSync(join(path, "starts"), "");
  return { PATH: `${bin}:${process.env["PATH"] ?? ""}`, STARTS: join(path, "starts"), HOLD: join(path, "hold") };
}

test(
  "shoal run molecules that was killed goes on to the same answer, and repeats only what was under way",
  async () => {
    await inFolder(async (folder) => {
      const env = programs(folder);
      const dice = random(seed);
      const args = ["run", "molecules", "--simulator", "xtb", "--seed", "42", "--policy", "sequential", "--json"];
      const starts = (): string[] => readFileSync(env.STARTS, "utf8").trim().split("\n").filter((line) => line !== "");
      const reference = await folder.start([...args, "--name", "whole"], { env }).ended;
      assert.equal(reference.code, 0, reference.stderr);
      const { seconds: _, utilisation: __, resumed: ___, store: ____, run: _____, ...whole } = JSON.parse(
        reference.stdout,
      );
      assert.equal(whole.simulated, 24);
      assert.ok(whole.failed > 0, "none failed");
      const all = starts().sort();
      assert.equal(all.length, 24 + whole.failed);
      for (let kill = 1; kill <= (long ? 20 : 2); kill++) {
        writeFileSync(env.STARTS, "");
        const name = `kill-${kill}`;
        const at = 1 + dice.below(all.length - 2);
        // It does not come to its end before it is killed, however late that is.
        folder.write("hold", `${at}`);
        const run = folder.start([...args, "--name", name], { env });
        while (starts().length < at) await new Promise((resolve) => setTimeout(resolve, 2));
        run.child.kill("SIGKILL");
        await run.ended;
        rmSync(env.HOLD);
        const resumed = await folder.start(["resume", name, "--json"], { env }).ended;
        assert.equal(resumed.code, 0, resumed.stderr);
        const { seconds: _, utilisation: __, resumed: ___, store: ____, run: _____, ...found } = JSON.parse(
          resumed.stdout,
        );
        assert.deepEqual(found, whole);
        const lines = readFileSync(join(folder.path, "runs", name, "simulate.jsonl"), "utf8").trim().split("\n");
        assert.equal(lines.length, all.length);
        // Two slots: what was under way when it was killed began a second time.
        assert.ok(starts().length <= all.length + 2, `${starts().length} starts of ${all.length}`);
        assert.deepEqual([...new Set(starts())].sort(), all);
      }
    });
  },
  { timeoutMs },
);

test("shoal run molecules says what is wrong with a space, and counts what is no molecule", async () => {
  await inFolder(async ({ shoal, write }) => {
    const run = (...args: string[]) => shoal("run", "molecules", ...recorded, ...args);
    write("empty.tsv", "");
    write("nothing.tsv", "smiles\tie\nC(((\t1\n");
    write("mine.csv", "smiles,mine\r\nCCO,14.8\r\nOCC,1\r\nC(((,3\r\nCC,15.2\r\nCN,14.4\r\nCF,much\r\n");
    for (
      const [args, why] of [
        [["--space", "empty.tsv"], /empty/],
        [["--space", "nowhere.tsv"], /nowhere\.tsv/],
        [["--space", "nothing.tsv"], /no line of it is a molecule/],
        [["--space", "mine.csv"], /no column ie/],
        [["--space", "mine.csv", "--column", "mine"], /line 7: mine is "much"/],
        [["--initial", "24"], /--initial 24/],
        [["--batch", "0"], /batch/],
        [["--max", "100000"], /100000/],
        [["--policy", "sequental"], /sequential/],
      ] as const
    ) {
      const said = await run(...args);
      assert.notEqual(said.code, 0, args.join(" "));
      assert.match(said.stderr, why);
    }
    write("good.csv", "smiles,mine\r\nCCO,14.8\r\nOCC,1\r\nC(((,3\r\nCC,15.2\r\nCN,14.4\r\nCF,\r\n");
    const args = recorded.filter((arg) => arg !== "--quiet");
    const said = await shoal(
      "run",
      "molecules",
      ...args,
      "--space",
      "good.csv",
      "--column",
      "mine",
      "--initial",
      "2",
      "--max",
      "3",
    );
    assert.equal(said.code, 0, said.stderr);
    assert.match(said.stderr, /1 of 6 are no molecules.*line 4: C\(\(\(/);
    assert.match(said.stderr, /1 of 6 stand in the space more than once.*line 3: OCC/);
    const { simulated, failed, bestSimulated } = JSON.parse(said.stdout);
    assert.deepEqual([simulated, bestSimulated.smiles], [3, "CC"]);
    assert.ok(failed <= 1);
  });
}, { timeoutMs });

test("shoal run molecules without xtb and without recorded energies says what to install", async () => {
  await inFolder(async ({ start, write }) => {
    write("bare.tsv", "smiles\nC\nCC\nCCC\n");
    const said = await start(["run", "molecules", "--space", "bare.tsv"], { env: { PATH: "/nowhere" } }).ended;
    assert.notEqual(said.code, 0);
    assert.match(said.stderr, /apt-get install xtb openbabel/);
  });
}, { timeoutMs });

test("campaigns in other fields stand on the same ground", async () => {
  await inFolder(async ({ shoal, path }) => {
    const explored = await shoal(
      "run",
      "explore",
      "--policy",
      "sequential",
      "--initial",
      "4",
      "--batch",
      "6",
      "--max",
      "40",
      "--seed",
      "1",
      "--json",
      "--quiet",
    );
    assert.equal(explored.code, 0, explored.stderr);
    const { simulated, meanRelativeError } = JSON.parse(explored.stdout);
    assert.equal(simulated, 40);
    assert.ok(meanRelativeError.at(-1) < Math.max(...meanRelativeError), String(meanRelativeError));
    const settled = await shoal(
      "run",
      programPath("settling"),
      "--policy",
      "sequential",
      "--seed",
      "1",
      "--json",
      "--quiet",
    );
    assert.equal(settled.code, 0, settled.stderr);
    const { damping } = JSON.parse(settled.stdout);
    // Of such motions the one with a damping of 1 moves least.
    assert.ok(Math.abs(damping - 1) < 0.1, `damping ${damping}`);
    assert.ok(existsSync(join(path, "runs")));
  });
}, { timeoutMs });
