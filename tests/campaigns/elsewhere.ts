// Molecules and waves on a store between machines, as a user types them: the same answers as in memory, after a kill too,
// with what was stored before it; and two runs at once on the same servers.
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Environment } from "../command.ts";
import { type Folder, inFolder, recordsOf } from "../cli/stage.ts";
import { assert, test } from "../suite.ts";

const timeoutMs = 240_000;
/** XXH64 of four waves on a grid of 64, computed by hand from the published algorithm. */
const wavesSum = "b3ebf9729e24dd9f";
const waves = ["run", "waves", "--sims", "4", "--grid", "64", "--transport", "store", "--epochs", "0"];
const molecules = ["run", "molecules", "--seed", "42", "--policy", "sequential", "--store-threshold", "0"];
const sizes = ["--initial", "4", "--batch", "4", "--max", "12"];
/** Few molecules, so that most of the time goes to the store and not to their fingerprints. */
const space = ["", "O", "N", "F", "C#N"].flatMap((end) =>
  Array.from({ length: 8 }, (_, length) => "C".repeat(length + 1) + end)
);

/** What a campaign found, without what differs from run to run. */
function answerOf(stdout: string): object {
  const { run: _, seconds: __, utilisation: ___, store: ____, resumed: _____, ...found } = JSON.parse(stdout);
  return found;
}

const linesOf = (path: string): string[] =>
  existsSync(path) ? readFileSync(path, "utf8").split("\n").filter((line) => line !== "") : [];

/** Stands in for both programs: energies out of the name, and from the `pass`th on they wait while a file is there. */
function programs({ path, write }: Folder, pass: number): Environment {
  const bin = join(path, "bin");
  mkdirSync(bin);
  const number = (of: string): string => `number=$(printf %s "${of}" | cksum | cut -d' ' -f1)`;
  const obabel = `smiles="\${1#-:}"
echo "$smiles" >> "$STARTS"
if [ "$(wc -l < "$STARTS")" -gt ${pass} ]; then while [ -e "$HOLD" ]; do sleep 0.05; done; fi
${number("$smiles")}
printf '2\\n%s\\nC 0 0 0\\nC 0 0 %s\\n' "$smiles" "$((number % 9000 + 1000))" > start.xyz`;
  const xtb = `number=$(sed -n 4p "$1" | cut -d' ' -f4)
case "$*" in
  *--opt*) cp "$1" xtbopt.xyz; echo "  | TOTAL ENERGY    -10.0000 Eh  |" ;;
  *) echo "  | TOTAL ENERGY    -9.$number Eh  |" ;;
esac`;
  for (const [name, text] of Object.entries({ obabel, xtb })) {
    chmodSync(write(`bin/${name}`, `#!/bin/sh\n${text}\n`), 0o755);
  }
  return { PATH: `${bin}:${process.env["PATH"] ?? ""}`, STARTS: join(path, "starts"), HOLD: join(path, "hold") };
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** `urlOf` answers a place on the servers that nobody else uses, each time another. */
export function campaignsOn(name: string, urlOf: () => string): void {
  test(`shoal run molecules on ${name}, killed and resumed, finds what it finds in memory`, async () => {
    await inFolder(async (folder) => {
      const pass = 6;
      const env = programs(folder, pass);
      const file = folder.write("space.tsv", `smiles\n${space.join("\n")}\n`);
      const args = [...molecules, ...sizes, "--space", file, "--simulator", "xtb", "--json"];
      const reference = await folder.start([...args, "--store", "memory:"], { env }).ended;
      assert.equal(reference.code, 0, reference.stderr);
      const all = linesOf(env["STARTS"]!);
      assert.ok(all.length >= 12);
      rmSync(env["STARTS"]!);
      writeFileSync(env["HOLD"]!, "");
      const run = folder.start([...args, "--store", urlOf(), "--name", "killed"], { env });
      const results = join(folder.path, "runs/killed/simulate.jsonl");
      // Those who wait are under way; what came before them is written down.
      await until(() => linesOf(env["STARTS"]!).length > pass && linesOf(results).length >= pass - 1);
      run.child.kill("SIGKILL");
      await run.ended;
      const kept = linesOf(results).length;
      rmSync(env["HOLD"]!);
      const resumed = await folder.start(["resume", "killed", "--json"], { env }).ended;
      assert.equal(resumed.code, 0, resumed.stderr);
      assert.deepEqual(answerOf(resumed.stdout), answerOf(reference.stdout));
      const { putBytes } = JSON.parse(resumed.stdout).store;
      assert.ok(putBytes > 0, "nothing went through the store");
      // Whatever was simulated once is not simulated again.
      const starts = linesOf(env["STARTS"]!);
      assert.deepEqual([...new Set(starts)].sort(), [...all].sort());
      assert.ok(starts.length <= all.length + 2, `${starts.length} starts of ${all.length}, ${kept} kept`);
    });
  }, { timeoutMs });

  test(`shoal run waves on ${name}, killed and resumed, goes on with the fields that lie there`, async () => {
    await inFolder(async (folder) => {
      const store = ["--store", urlOf(), "--simulate-workers", "2", "--step-seconds", "0.1"];
      const run = folder.start([...waves, ...store, "--name", "stopped"]);
      const finished = (): number =>
        existsSync(join(folder.path, "runs/stopped/records"))
          ? recordsOf(join(folder.path, "runs/stopped")).filter(({ type }) => type === "TaskFinished").length
          : 0;
      await until(() => finished() >= 2);
      run.child.kill("SIGKILL");
      await run.ended;
      const kept = finished();
      const resumed = await folder.shoal("resume", "stopped", "--json");
      assert.equal(resumed.code, 0, resumed.stderr);
      assert.match(resumed.stderr, new RegExp(`kept: ${kept} results of simulate`));
      assert.equal(JSON.parse(resumed.stdout).checksum, wavesSum);
    });
  }, { timeoutMs });

  test(`shoal run on ${name} twice at once, names almost alike: neither run sees the other`, async () => {
    await inFolder(async ({ shoal }) => {
      const url = urlOf();
      const store = ["--store", url, "--json", "--quiet"];
      const [recorded, calm, loud] = await Promise.all([
        shoal(...molecules, ...sizes, "--simulator", "recorded", ...store, "--name", "a.0"),
        shoal(...waves, "--step-seconds", "0", ...store, "--name", "a"),
        shoal(...waves, "--step-seconds", "0", ...store, "--name", "a.0.0"),
      ]);
      for (const { code, stderr } of [recorded, calm, loud]) assert.equal(code, 0, stderr);
      assert.equal(JSON.parse(recorded.stdout).simulated, 12);
      assert.equal(JSON.parse(calm.stdout).checksum, wavesSum);
      assert.equal(JSON.parse(loud.stdout).checksum, wavesSum);
    });
  }, { timeoutMs });
}
