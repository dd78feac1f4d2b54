// Five gigabytes of samples in files, written and read by processes that may use one gigabyte of memory.
// only: node, what a control group bounds is the same on both runtimes
// minutes: 10
import { existsSync, mkdirSync, readFileSync, rmdirSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { checksum } from "../../actors/waves/checksum.ts";
import { propagate } from "../../actors/waves/wave.ts";
import { run } from "../command.ts";
import { inFolder } from "../cli/stage.ts";
import { assert, long, root, skip, test } from "../suite.ts";

const what = "waves: 5 GB of samples in files are simulated and read in 1 GB of memory";
const limitBytes = 10 ** 9;
const [sims, grid, steps] = [120, 512, 10];
const bytes = sims * steps * 2 * grid * grid * Float64Array.BYTES_PER_ELEMENT;
const timeoutMs = 1_200_000;

interface Group {
  readonly processes: string;
  /** How often it had to give memory back, or not at all to grow. */
  pressed(): number;
  remove(): void;
}

/** A control group of its own that may use so much; or why there is none. */
function group(limit: number): Group | string {
  const older = "/sys/fs/cgroup/memory";
  const isOlder = existsSync(join(older, "memory.limit_in_bytes"));
  const folder = join(isOlder ? older : "/sys/fs/cgroup", `shoal-${process.pid}`);
  try {
    if (!isOlder) writeFileSync("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
    mkdirSync(folder);
  } catch (error) {
    return `no control group can be made here: ${error instanceof Error ? error.message : String(error)}`;
  }
  const remove = (): void => rmdirSync(folder);
  try {
    writeFileSync(join(folder, isOlder ? "memory.limit_in_bytes" : "memory.max"), String(limit));
  } catch (error) {
    remove();
    return `memory is not bounded here: ${error instanceof Error ? error.message : String(error)}`;
  }
  return {
    processes: join(folder, "cgroup.procs"),
    pressed() {
      if (isOlder) return Number(readFileSync(join(folder, "memory.failcnt"), "utf8"));
      return Number(/^max (\d+)$/m.exec(readFileSync(join(folder, "memory.events"), "utf8"))?.[1]);
    },
    remove,
  };
}

/** The same samples, one simulation after the other, without a store. */
async function expected(): Promise<string> {
  const sum = await checksum();
  const field = new Float64Array(steps * 2 * grid * grid);
  for (let index = 0; index < sims; index++) {
    propagate({ period: 40 + 40 * index / (sims - 1), grid, steps }, field);
    sum.update(new Uint8Array(field.buffer));
  }
  return sum.digest();
}

if (!long) test.skip(what, "takes minutes; --long runs it");
else if (process.platform !== "linux") test.skip(what, "control groups are Linux's");
else {
  test(what, () =>
    inFolder(async ({ path, env }) => {
      const free = statfsSync(path);
      assert.ok(free.bavail * free.bsize > 1.2 * bytes, `${path} has no room for ${bytes} bytes`);
      const bounded = group(limitBytes);
      if (typeof bounded === "string") skip(bounded);
      try {
        const store = `file://${join(path, "store")}`;
        const size = ["--sims", String(sims), "--grid", String(grid), "--steps", String(steps), "--step-seconds", "0"];
        const flags = [...size, "--kernels", "3,3", "--epochs", "0", "--store", store, "--json", "--quiet"];
        const main = join(root, "dist/runtime/cli/main.js");
        // The shell enters the group, and what it becomes stays in it.
        const script = `echo $$ > ${bounded.processes} && exec "$0" "$@"`;
        const said = await run("sh", ["-c", script, process.execPath, main, "run", "waves", ...flags], {
          cwd: path,
          env,
        });
        assert.equal(said.code, 0, `${said.signal} ${said.stderr}`);
        const result = JSON.parse(said.stdout);
        assert.equal(result.bytes, bytes);
        assert.deepEqual(result.train.models.map(({ samples }: { samples: number }) => samples), [1_200, 1_200]);
        assert.ok(bounded.pressed() > 0, "the bound was never met");
        assert.equal(result.checksum, await expected());
      } finally {
        bounded.remove();
      }
    }), { timeoutMs });
}
