// The limits of `molecules`: programs started by hand with nothing around them, and xtb in a loop of the shell.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { type Command, numberOf } from "../protocol.ts";
import { type Measured, runtimeVersion, secondsSince, serve } from "../serve.ts";
import { childrenSeconds, moleculesOf } from "./machine.ts";

const [table = ""] = process.argv.slice(2);

async function programs(command: Command): Promise<Measured> {
  const [count, slots] = [numberOf(command, "count"), numberOf(command, "slots")];
  let [next, done] = [0, 0];
  const slot = async (): Promise<void> => {
    while (next < count) {
      next++;
      const [code] = await once(spawn("/bin/true", { stdio: ["ignore", "pipe", "pipe"] }), "close") as [number];
      if (code === 0) done++;
    }
  };
  const [start, before] = [performance.now(), process.cpuUsage()];
  await Promise.all(Array.from({ length: slots }, slot));
  const seconds = secondsSince(start);
  const { user, system } = process.cpuUsage(before);
  return { seconds, cpuSeconds: (user + system) / 1e6, count: done };
}

/** The recipe of `shoal run molecules`, as one would type it; a line for each energy. */
const script = `cd "$(mktemp -d -p "$1")" || exit 1
obabel "-:$2" --gen3d -oxyz -O start.xyz > /dev/null 2>&1
xtb start.xyz --gfn 2 --opt extreme > relaxed.out 2>&1
xtb xtbopt.xyz --gfn 2 --chrg 1 --uhf 1 --norestart > cation.out 2>&1
grep -q 'TOTAL ENERGY' cation.out && echo "$2" >> "$1/done"
rm -r "$PWD"
`;

async function xtb(command: Command): Promise<Measured> {
  const folder = mkdtempSync(join(tmpdir(), "shoal-bench-"));
  try {
    writeFileSync(join(folder, "one.sh"), script);
    writeFileSync(join(folder, "done"), "");
    const env = { ...process.env, OMP_NUM_THREADS: "1", MKL_NUM_THREADS: "1" };
    const args = [
      "-P",
      String(numberOf(command, "slots")),
      "-d",
      "\n",
      "-n",
      "1",
      "sh",
      join(folder, "one.sh"),
      folder,
    ];
    const [start, before] = [performance.now(), childrenSeconds()];
    const loop = spawn("xargs", args, { env, stdio: ["pipe", "ignore", "ignore"] });
    loop.stdin.end(moleculesOf(table, numberOf(command, "count")).join("\n"));
    await once(loop, "close");
    const seconds = secondsSince(start);
    const count = readFileSync(join(folder, "done"), "utf8").split("\n").length - 1;
    return { seconds, programSeconds: childrenSeconds() - before, count };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

await serve({
  hello: () => ({ version: runtimeVersion(), settings: "spawn and nothing else; sh, xargs -P" }),
  programs,
  xtb,
});
