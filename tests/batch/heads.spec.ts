// A head that is killed and started again, over and over, at any moment of its life: no process of its run is left, no
// segment of shared memory, and no lock that keeps the next one out. A thousand times where long runs are asked for.
// minutes: 4
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { entry, inFolder } from "../cli/stage.ts";
import { shown } from "../command.ts";
import { assert, long, runtime, seed, test } from "../suite.ts";
import { until } from "./stage.ts";
import { viewRun } from "../../runtime/run/catalogue.ts";

const kills = Number(process.env["SHOAL_TEST_KILLS"] ?? (long ? (runtime === "node" ? 1_000 : 200) : 2));
const tasks = 16;
/** How many of all lives nobody ends. */
const letGo = 1 / 12;

const program = `
import { Actor } from ${JSON.stringify(entry)};

export class Counts extends Actor {
  static module = import.meta.url;
  static durable = true;
  total = 0;
  add(number) { return this.total += number; }
}

export class Makes extends Actor {
  static module = import.meta.url;
  async run(number) {
    return await this.store.put({ data: new Float64Array(4096).fill(number) });
  }
}

export default async function (system) {
  const counts = await system.spawn(Counts, undefined, { name: "counts" });
  const pool = await system.pool(Makes, { size: 2 });
  const refs = await pool.map("run", Array.from({ length: ${tasks} }, (_, number) => number));
  let sum = 0;
  for (const ref of refs) {
    const tensor = await system.store.get(ref);
    sum += tensor.data[0];
    tensor.done();
  }
  await counts.ask("add", 1);
  return { sum };
}
`;

/** Processes that know this folder, by their command line or their environment. */
function left(folder: string): string[] {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid).flatMap((pid) => {
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ");
      if (line.includes(folder) || readFileSync(`/proc/${pid}/environ`, "latin1").includes(folder)) {
        return [`${pid} ${line}`];
      }
    } catch {
      // It has ended meanwhile.
    }
    return [];
  });
}

const filesBelow = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));

/** Numbers from 0 to 1 that a seed repeats. */
function chances(from: number): () => number {
  let state = from >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

test(`a head that is killed ${kills} times leaves no process, no segment, and no lock`, async () => {
  await inFolder(async ({ path, write, start }) => {
    write("makes.mjs", program);
    const memory = join(path, "memory");
    mkdirSync(memory);
    const chance = chances(seed);
    const flags = ["--nodes", "2", "--store", `shm:?dir=${memory}`, "--json", "--quiet"];
    const env = { TMPDIR: path };
    let runs = 0;
    // Its processes have a thread beside their main one, or none.
    const begin = (): string[] => [
      "run",
      "./makes.mjs",
      "--name",
      `run-${runs++}`,
      "--threads",
      chance() < 0.5 ? "0" : "1",
      ...flags,
    ];
    const startedAt = performance.now();
    const whole = await start(begin(), { env }).ended;
    assert.equal(whole.code, 0, shown(whole));
    const wholeMs = performance.now() - startedAt;
    // What a run holds is there until it has ended: then no file of it is, but for what a kill left half removed.
    const held = (): string[] =>
      filesBelow(memory).filter((path) => !/\/\.going-/.test(path)).map((path) => relative(memory, path));
    let args = begin();
    let ended = 0;
    for (let kill = 0; kill < kills;) {
      const head = start(args, { env });
      // Some are let go to their end, which is seen to leave nothing.
      const delayMs = chance() < letGo ? Infinity : chance() * wholeMs;
      const timer = delayMs === Infinity ? undefined : setTimeout(() => head.child.kill("SIGKILL"), delayMs);
      const said = await head.ended;
      clearTimeout(timer);
      await until("nothing of it runs", () => left(path).length === 0, () => left(path).join("\n"));
      if (said.signal !== "SIGKILL") {
        assert.equal(said.code, 0, `after ${kill} kills: ${shown(said)}`);
        ended += 1;
        assert.deepEqual(held(), [], `after ${kill} kills`);
        args = begin();
      } else {
        kill += 1;
        const directory = join(path, "runs", `run-${runs - 1}`);
        // Killed before its directory was whole, it has never begun; killed in its last moment, it is done.
        const goesOn = existsSync(join(directory, "run.json")) && viewRun(directory).state !== "done";
        args = goesOn ? ["resume", `run-${runs - 1}`, "--json", "--quiet"] : begin();
      }
    }
    const last = await start(args, { env }).ended;
    assert.equal(last.code, 0, shown(last));
    console.log(`${kills} kills, ${runs} runs, ${ended} came to their end between them`);
    const sweep = await start(["store", "ls", `shm:?dir=${memory}`, "--json"], { env }).ended;
    assert.deepEqual(JSON.parse(sweep.stdout), [], shown(sweep));
    // One that was killed while it took its run away has left empty files, which are a sweep's.
    const cleared = await start(["store", "sweep", `shm:?dir=${memory}`], { env }).ended;
    assert.equal(cleared.code, 0, shown(cleared));
    assert.deepEqual(filesBelow(memory), []);
    // The last run has taken away what those before it left; one that was killed before it could say whose is empty.
    const nests = readdirSync(path).filter((name) => name.startsWith("shoal-")).map((name) =>
      readdirSync(join(path, name))
    );
    assert.deepEqual(nests.flat(), []);
    console.log(`${nests.length} empty folders of sockets left`);
  });
}, { timeoutMs: long ? 4 * 3_600_000 : 300_000 });
