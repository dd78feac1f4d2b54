// minutes: 2
// `shoal run molecules` as users type it: the same answer on every store and number of threads, tables
// in the run directory, and clear words for bad input. And the campaigns of others that stand on the same ground.
import { chmodSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { assert, test } from "../suite.ts";
import { inFolder, programPath } from "../cli/stage.ts";

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
    assert.match(said.stderr, /left out 1 of 6, no molecules that RDKit knows; the first on line 4: C\(\(\(/);
    assert.match(said.stderr, /left out 1 of 6, in the space more than once; the first on line 3: OCC/);
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

test("shoal run molecules with an xtb that prints garbage says so at once, and fails", async () => {
  await inFolder(async ({ start, write, path }) => {
    write("bare.tsv", "smiles\nC\nCC\nCCC\n");
    mkdirSync(join(path, "bin"));
    const shape = "printf '1\\n\\nC 0 0 0\\n' > start.xyz";
    chmodSync(write("bin/obabel", `#!/bin/sh\n${shape}\n`), 0o755);
    chmodSync(write("bin/xtb", "#!/bin/sh\necho '~%^ garbage'; echo oops > xtbopt.xyz\n"), 0o755);
    const env = { PATH: `${join(path, "bin")}:${process.env["PATH"] ?? ""}` };
    const args = ["run", "molecules", "--space", "bare.tsv", "--initial", "1", "--max", "2", "--simulator", "xtb"];
    const said = await start(args, { env }).ended;
    assert.equal(said.code, 1, said.stderr);
    assert.match(
      said.stderr,
      /a simulation failed, and another takes its place: {"smiles":"C+"}: .*xtbopt\.xyz.*garbage/,
    );
    assert.match(said.stderr, /Cannot find anything: each of 3 simulations failed/);
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
