// What a node of a job asks of the file system that all nodes share, from its first process until it has joined with all
// its threads: from what it has unpacked on its own disk it is little, however many modules there are.
// minutes: 4
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { recordsOf } from "../cli/stage.ts";
import { shown } from "../command.ts";
import { assert, root, skip, test } from "../suite.ts";
import { atSite } from "./job.ts";
import { layout } from "../../stores/file/layout.ts";
import { until } from "./stage.ts";

/** A thousand nodes that start at once are so many times this for the servers of a shared file system. */
const operationsMax = 50;

/** Calls that name a file, and the reading of folders. What the kernel answers by itself is none. */
const calls = "%file,getdents64";
const own = /^(getcwd|execveat)$/;

function traced(): void {
  const { error, status, stderr } = spawnSync("strace", ["-f", "-o", "/dev/null", "true"], { encoding: "utf8" });
  if (error !== undefined) skip(`no strace on the PATH (Debian: apt-get install strace): ${error.message}`);
  if (status !== 0) skip(`strace may not follow processes here: ${stderr.trim().split("\n").at(-1)}`);
}

interface Asked {
  readonly at: number;
  readonly call: string;
  readonly path: string;
}

/** The calls of a trace, in their order, each with the full path that it names. */
function callsIn(text: string): Asked[] {
  return text.split("\n").flatMap((line) => {
    const [, at = "", call = "", rest = ""] = /^\d+ +(\d+\.\d+) (\w+)\((.*)$/.exec(line) ?? [];
    if (call === "" || own.test(call)) return [];
    const [, base = "", named] = /^(?:(?:AT_FDCWD|\d+)<([^>]*)>(?:, )?)?(?:"((?:[^"\\]|\\.)*)")?/.exec(rest) ?? [];
    // What is open already is asked by its number.
    if (named === "") return [];
    const path = named?.startsWith("/") === true ? named : join(base, named ?? "");
    return [{ at: Number(at) * 1_000, call, path }];
  });
}

/** Signs of life that follow the first one, so many as there is time for: what a node goes on to ask is no start. */
function isLater(all: readonly Asked[], store: string): (one: Asked) => boolean {
  const { stream, claim } = layout(store, "counted");
  const own = stream("lease/n2");
  const isIn = (folder: string) => ({ path }: Asked): boolean => `${path}/`.startsWith(`${folder}/`);
  // The first ends with a look whether the log is still its own.
  const end = all.findIndex((one) => isIn(own)(one) && one.path.endsWith("2.open"));
  const looked = [own, stream("lease/main"), claim("node/n2")].map(isIn);
  return (one) => all.indexOf(one) > end && looked.some((is) => is(one));
}

test(`a packed node starts with at most ${operationsMax} metadata operations on what all nodes share`, async () => {
  traced();
  const trace = `[ "$host" = p1 ] || set -- strace -f -qq -y -ttt -s 4096 -e trace=${calls} -o "$TRACE" "$@"`;
  await atSite(`TRACE=\${0%/bin/mpiexec}/trace\n${trace}`, async ({ send, work, path }) => {
    const waves = ["waves", "--sims", "4", "--grid", "16", "--step-seconds", "0", "--kernels", "3", "--seed", "5"];
    const { script, said } = await send("counted", ...waves, "--threads", "2");
    assert.match(said.stderr, /packed: each node unpacks \d+/);
    const worked = await work(script);
    assert.equal(worked.code, 0, shown(worked));
    const run = join(path, "runs/counted");
    const joined = recordsOf(run).find(({ type, node }) => type === "NodeJoined" && node === "n2");
    const joinedAt = Number(joined?.["at"]);
    const asked = callsIn(readFileSync(join(path, "trace"), "utf8")).filter(({ at }) => at <= joinedAt);
    const local = asked.filter((one) => one.path.includes("/shoal-pack-"));
    assert.ok(local.length > 100, `it was not traced: ${asked.length} calls`);
    // The runtime itself is the machine's, though tests may find it among the modules.
    const all = asked.filter(({ path: of }) =>
      of !== process.execPath && [root, path].some((folder) => `${of}/`.startsWith(`${folder}/`))
    );
    const later = isLater(all, join(run, "checkpoints"));
    const shared = all.filter((one) => !later(one));
    // No store was named: the one in which they meet is files too. Where it is servers, none of these are.
    const [ofStore, others] = [true, false].map((is) =>
      shared.filter(({ path: of }) => of.startsWith(`${run}/checkpoints`) === is)
    ) as [Asked[], Asked[]];
    console.log(
      `${others.length} metadata operations on what nodes share, ${ofStore.length} more for a store of files there, ` +
        `and ${local.length} on what was unpacked`,
    );
    assert.ok(shared.length <= operationsMax, shared.map(({ call, path }) => `${call} ${path}`).join("\n"));
    // The last of a node takes it away; under a scheduler's real mpiexec that one is waited for.
    const left = (): string[] => readdirSync("/tmp").filter((name) => name.startsWith("shoal-pack-counted-"));
    await until("what was unpacked is gone", () => left().length === 0, () => left().join("\n"));
  });
}, { timeoutMs: 480_000 });
