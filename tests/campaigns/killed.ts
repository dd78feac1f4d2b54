// Molecules under kills, as a user types them: whatever is killed and when, exact counts, the answer of the undisturbed
// run, and no simulation again but those that were under way. Simulations count themselves, outside the run directory.
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { random } from "../../runtime/mod.ts";
import { type Folder, inFolder, type Started } from "../cli/stage.ts";
import type { Environment } from "../command.ts";
import { assert, seed, test } from "../suite.ts";

/** Few molecules, so that fingerprints take no time; those with oxygen fail. */
const space = ["", "O", "N", "F", "C#N", "C=C"].flatMap((end) =>
  Array.from({ length: 8 }, (_, length) => "C".repeat(length + 1) + end)
);
const slots = 2;
const looksMax = 12;

export interface Kills {
  readonly title: string;
  readonly kills: number;
  /** What the run is typed with, beside what all are. */
  args(): readonly string[];
  /** Kills something of the run of this name. */
  kill(run: Started, folder: Folder, name: string): Promise<void>;
}

/**
 * Stands in for both programs: a line in `starts` for each simulation that begins, and energies out of the name. While
 * there is a file `hold`, those wait that begin when there are as many lines as it says.
 */
function programs({ path, write }: Folder): Environment & { STARTS: string; HOLD: string } {
  const bin = join(path, "bin");
  mkdirSync(bin);
  const obabel = `smiles="\${1#-:}"
echo "$smiles" >> "$STARTS"
while [ -e "$HOLD" ] && [ "$(wc -l < "$STARTS")" -ge "$(cat "$HOLD")" ] 2> /dev/null; do sleep 0.02; done
case "$smiles" in *O*) : > start.xyz; exit 0 ;; esac
number=$(printf %s "$smiles" | cksum | cut -d' ' -f1)
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

/** What was found, without what differs from life to life. */
function answerOf(stdout: string): object {
  const { seconds: _, utilisation: __, resumed: ___, store: ____, run: _____, ...found } = JSON.parse(stdout);
  return found;
}

const look = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

export function standsKills({ title, kills, args: own, kill }: Kills): void {
  test(
    `shoal run molecules stands ${kills} kills of ${title}: the same answer, and only what was under way again`,
    () =>
      inFolder(async (folder) => {
        const env = programs(folder);
        const dice = random(seed);
        const file = folder.write("space.tsv", `smiles\n${space.join("\n")}\n`);
        const usual = ["run", "molecules", "--simulator", "xtb", "--space", file, "--seed", `${seed}`, "--json"];
        const starts = (): string[] =>
          existsSync(env.STARTS) ? readFileSync(env.STARTS, "utf8").split("\n").filter((line) => line !== "") : [];
        const reference = await folder.start([...usual, "--store", "memory:", "--name", "whole"], { env }).ended;
        assert.equal(reference.code, 0, reference.stderr);
        const whole = answerOf(reference.stdout) as { simulated: number; failed: number };
        const all = starts().sort();
        assert.deepEqual([whole.simulated, all.length], [24, 24 + whole.failed]);
        for (let count = 1; count <= kills; count++) {
          rmSync(env.STARTS, { force: true });
          const [name, at] = [`kill-${count}`, 1 + dice.below(all.length - 2)];
          // It does not come to its end before something of it is killed, however late that is.
          writeFileSync(env.HOLD, `${at}`);
          const run = folder.start([...usual, ...own(), "--name", name], { env });
          let isOver = false;
          void run.ended.then(() => isOver = true);
          while (starts().length < at && !isOver) await look();
          assert.ok(!isOver, "it ended before it was killed");
          for (let looks = dice.below(looksMax); looks > 0; looks--) await look();
          await kill(run, folder, name);
          rmSync(env.HOLD);
          let said = await run.ended;
          // Some of it may be killed, and the rest goes on to the end; or to one that says how to go on.
          if (said.code !== 0) {
            const { stderr } = said;
            said = await folder.start(["resume", name, "--json"], { env }).ended;
            assert.equal(said.code, 0, `${stderr}\n${said.stderr}`);
            if (at > slots) assert.match(said.stderr, /kept: \d+ simulations/);
          }
          assert.deepEqual(answerOf(said.stdout), whole, `kill ${count}, at ${at}: ${said.stderr}`);
          const lines = readFileSync(join(folder.path, "runs", name, "simulate.jsonl"), "utf8").trim().split("\n");
          assert.equal(lines.length, all.length);
          const again = starts();
          assert.ok(again.length <= all.length + slots, `${again.length} starts of ${all.length}`);
          assert.deepEqual([...new Set(again)].sort(), all);
        }
      }),
    { timeoutMs: 60_000 * (kills + 1) },
  );
}

/** The processes of a run beside its head, as it says itself. */
export async function workersOf(folder: Folder, name: string): Promise<readonly number[]> {
  const { code, stdout, stderr } = await folder.shoal("status", name, "--json");
  assert.equal(code, 0, stderr);
  const { nodes } = JSON.parse(stdout) as { readonly nodes: { readonly [node: string]: { readonly pid: number } } };
  return Object.values(nodes).map(({ pid }) => pid);
}
