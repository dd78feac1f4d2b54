// Lists of nodes: those of Slurm as scontrol expands them, the node file of PBS with its repeats and blank lines.
// needs: slurm
import { run } from "../command.ts";
import { slurmService } from "../services/slurm.ts";
import { assert, fc, property, skip, test } from "../suite.ts";
import { allocationIn } from "../../runtime/launch/batch/allocation.ts";
import { expandNodelist, readNodeFile } from "../../runtime/launch/batch/nodelist.ts";

const listsCount = 500;

/** `7`, `01-12`, `098-101`: as wide as it begins. */
const range = fc.tuple(fc.nat(120), fc.nat(5), fc.nat(4), fc.boolean()).map(([from, more, width, isAlone]) => {
  const text = (value: number): string => String(value).padStart(width, "0");
  return isAlone ? text(from) : `${text(from)}-${text(from + more)}`;
});
const bracket = fc.array(range, { minLength: 1, maxLength: 3, size: "max" }).map((ranges) => `[${ranges.join(",")}]`);
const stem = fc.constantFrom("n", "node-", "x1000c0s", "gpu0", "r2i3n", "a-b");
/** What stands behind the last bracket is no list to Slurm 22.05: that is tested apart. */
const pattern = fc.oneof(
  fc.tuple(stem, fc.nat(99)).map(([name, number]) => `${name}${number}`),
  fc.tuple(stem, bracket).map((parts) => parts.join("")),
  fc.tuple(stem, bracket, fc.constantFrom("n", "-c", "s0b"), bracket).map((parts) => parts.join("")),
);
const list = fc.array(pattern, { minLength: 1, maxLength: 3, size: "max" }).map((patterns) => patterns.join(","));

test(`expandNodelist agrees with scontrol show hostnames on ${listsCount} lists`, async () => {
  const slurm = await slurmService();
  if ("reason" in slurm) skip(slurm.reason);
  const lists = fc.sample(list, { numRuns: listsCount, seed: 11 });
  // One shell asks for all of them: a process each from here would take minutes.
  const script = 'for one in "$@"; do scontrol show hostnames "$one" || echo failed; echo .; done';
  const { stdout } = await run("sh", ["-c", script, "sh", ...lists], { env: slurm.env });
  const theirs = stdout.split("\n.\n").slice(0, listsCount).map((text) => text.split("\n"));
  assert.equal(theirs.length, listsCount);
  lists.forEach((one, index) => assert.deepEqual(expandNodelist(one), theirs[index], one));
}, { timeoutMs: 120_000 });

test("expandNodelist keeps padding, what stands behind brackets, and the order of nested ranges", () => {
  assert.deepEqual(expandNodelist("n[08-10,3]-ib"), ["n08-ib", "n09-ib", "n10-ib", "n3-ib"]);
  assert.deepEqual(expandNodelist("a[1-2]b[1-2]"), ["a1b1", "a1b2", "a2b1", "a2b2"]);
  assert.deepEqual(expandNodelist(" login , n1,\n"), ["login", "n1"]);
  assert.deepEqual(expandNodelist(""), []);
  assert.equal(expandNodelist("n[0001-9999]").length, 9_999);
});

test("expandNodelist refuses what is no list, and lists without end", () => {
  const wrong = ["n[1", "n1]", "n[[1]]", "n[a]", "n[]", "n[3-1]", "n[1-]", "n[1-99999999]", "n[1-999][1-999]"];
  for (const one of wrong) {
    assert.throws(() => expandNodelist(one), { code: "BadInput" }, one);
  }
});

test("readNodeFile takes each host once, whatever repeats and blank lines there are", async () => {
  const host = fc.constantFrom("n1", "n2", "x3000c0s1b0n0", "n10.cluster");
  await property(
    [
      fc.array(fc.oneof(host, fc.constantFrom("", "  ", "\t")), { size: "max", maxLength: 40 }),
      fc.constantFrom("\n", "\r\n"),
    ],
    (lines, end) => {
      const slots = readNodeFile(lines.join(end) + end);
      const named = lines.map((line) => line.trim()).filter((line) => line !== "");
      assert.deepEqual([...slots.keys()], [...new Set(named)]);
      for (const [name, own] of slots) assert.deepEqual(own.map((slot) => named[slot]), own.map(() => name));
      assert.equal([...slots.values()].flat().length, named.length);
    },
  );
});

test("allocationIn reads a job of Slurm from its environment, this node first", () => {
  const found = allocationIn({
    SLURM_JOB_ID: "12",
    SLURM_JOB_NODELIST: "n[1-3]",
    SLURMD_NODENAME: "n2",
    SLURM_RESTART_COUNT: "1",
    SLURM_CPUS_ON_NODE: "4",
    SHOAL_JOB_ENDS: "1000",
  });
  const hosts = ["n2", "n1", "n3"];
  assert.deepEqual(found, { scheduler: "slurm", job: "12", hosts, restarts: 1, endsAt: 1_000_000, cores: 4 });
  assert.equal(allocationIn({ PATH: "/bin" }), undefined);
  assert.throws(
    () => allocationIn({ PBS_JOBID: "1.login", PBS_NODEFILE: "/nowhere/nodes" }),
    /on the job's first node only/,
  );
});
