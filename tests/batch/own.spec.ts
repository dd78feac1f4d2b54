// Servers that a run starts for itself: there before its store is opened, with users of their own, gone with the head
// even where that is killed, and with what they kept where the run is resumed.
// needs: redis
// minutes: 4
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync } from "node:fs";
import { connect } from "node:net";
import { delimiter, dirname, join } from "node:path";
import { entry, inFolder } from "../cli/stage.ts";
import { run, shown } from "../command.ts";
import { redisBinary } from "../services/binary.ts";
import { kafkaJars } from "../services/jars.ts";
import { assert, long, root, skip, test } from "../suite.ts";
import { until } from "./stage.ts";
import { viewRun } from "../../runtime/run/catalogue.ts";

const timeoutMs = 300_000;

/** Tensors by tasks that wait where a file `hold` says from which on; their sum is read from the store at the end. */
const program = `
import { readFileSync } from "node:fs";
import { Actor } from ${JSON.stringify(entry)};

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
function held() {
  try {
    return Number(readFileSync("hold", "utf8"));
  } catch {
    return Infinity;
  }
}

export class Makes extends Actor {
  static module = import.meta.url;
  async run(number) {
    while (number >= held()) await pause(20);
    return await this.store.put({ data: new Float64Array(4096).fill(number) });
  }
}

export default async function (system) {
  const pool = await system.pool(Makes, { size: 2 });
  const refs = await pool.map("run", Array.from({ length: 12 }, (_, number) => number), { name: "make" });
  let sum = 0;
  for (const ref of refs) {
    const tensor = await system.store.get(ref);
    for (const value of tensor.data) sum += value;
    tensor.done();
  }
  return { sum };
}
`;

const sum = 4096 * (11 * 12) / 2;

/** Processes with this in their command line. */
function processes(text: string): string[] {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).flatMap((pid) => {
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
      return line.includes(text) ? [`${pid} ${line}`] : [];
    } catch {
      // It has ended meanwhile.
      return [];
    }
  });
}

/** How many tasks are done. */
function made(path: string): number {
  const directory = join(path, "runs/own");
  if (!existsSync(join(directory, "run.json"))) return 0;
  return viewRun(directory).summary.tasks.get("make")?.done ?? 0;
}

/** What a server says to somebody who does not know the password. */
function stranger(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port }, () => socket.write(text));
    socket.setEncoding("utf8").once("data", (said: string) => {
      socket.destroy();
      resolve(said);
    });
    socket.once("error", reject);
  });
}

function withRedis(): { PATH: string } {
  const found = redisBinary();
  if ("reason" in found) skip(found.reason);
  if (found.path === "redis-server") return { PATH: process.env["PATH"]! };
  return { PATH: `${dirname(found.path)}${delimiter}${process.env["PATH"]}` };
}

test("redis:auto ends with a head that is killed, and a resumed run finds in it what it kept", async () => {
  const env = withRedis();
  await inFolder(async ({ path, write, start }) => {
    write("makes.mjs", program);
    write("hold", "8");
    const flags = ["--store", "redis:auto", "--train-store", "redis:auto?keep=off&capacity=1GB"];
    const head = start(["run", "./makes.mjs", "--name", "own", "--nodes", "2", ...flags], { env });
    const services = join(path, "runs/own/services");
    await until("tasks are done", () => made(path) >= 8, () => String(made(path)));
    const { port } = JSON.parse(readFileSync(join(services, "redis-1.json"), "utf8")) as { port: number };
    assert.match(await stranger(port, "PING\r\n"), /^-NOAUTH/);
    assert.match(await stranger(port, "AUTH default x\r\n"), /^-WRONGPASS/);
    for (const name of ["redis-1.json", "redis.password", "redis-1/redis.conf"]) {
      assert.equal(statSync(join(services, name)).mode & 0o777, 0o600, name);
    }
    const password = readFileSync(join(services, "redis.password"), "utf8");
    assert.deepEqual(processes(password), []);
    assert.equal(processes(join(services, "redis-1")).length > 0, true);

    head.child.kill("SIGKILL");
    await head.ended;
    await until("its server has ended", () => processes(services).length === 0, () => processes(services).join("\n"));
    write("hold", "1000");
    const resumed = await start(["resume", "own", "--json"], { env }).ended;
    assert.equal(resumed.code, 0, shown(resumed));
    assert.match(resumed.stderr, /kept: 8 results of make/);
    assert.equal((JSON.parse(resumed.stdout) as { sum: number }).sum, sum);
    assert.equal(existsSync(services), false);
    // Who removes the folder ends after it.
    await until("no process is left", () => processes(services).length === 0, () => processes(services).join("\n"));
  });
}, { timeoutMs });

test("what redis:auto and kafka:auto need and do not find is named, and no run is left behind", async () => {
  await inFolder(async ({ path, write, start }) => {
    write("makes.mjs", program);
    const bare = { KAFKA_HOME: undefined, JAVA_HOME: undefined };
    const only = (name: string): { PATH: string } => {
      const folder = join(path, name);
      mkdirSync(folder, { recursive: true });
      return { PATH: folder };
    };
    const none = await start(["run", "./makes.mjs", "--store", "redis:auto"], { env: { ...bare, ...only("none") } })
      .ended;
    assert.equal(none.code, 1, shown(none));
    assert.match(none.stderr, /there is no redis-server on the PATH; install Redis, load its module .* --store redis:/);
    const noJava = await start(["run", "./makes.mjs", "--store", "kafka:auto"], { env: { ...bare, ...only("none") } })
      .ended;
    assert.match(noJava.stderr, /there is no java on the PATH, nor in JAVA_HOME; install Java 17/);
    const java = only("java");
    write("java/java", "#!/bin/sh\nexit 0\n");
    chmodSync(join(path, "java/java"), 0o755);
    const noKafka = await start(["run", "./makes.mjs", "--store", "kafka:auto"], { env: { ...bare, ...java } }).ended;
    assert.match(noKafka.stderr, /there is no Kafka in KAFKA_HOME, nor on the PATH; unpack Apache Kafka/);
    const broken = only("broken");
    write(
      "broken/redis-server",
      '#!/bin/sh\n[ "$1" = --version ] && echo v=7.0.0 && exit\necho it is broken\nexit 3\n',
    );
    chmodSync(join(path, "broken/redis-server"), 0o755);
    const ended = await start(["run", "./makes.mjs", "--store", "redis:auto"], { env: { ...bare, ...broken } }).ended;
    assert.match(ended.stderr, /redis-server 7\.0\.0 .* did not come up in .*; its last lines:\s+it is broken/);
    assert.deepEqual(existsSync(join(path, "runs")) ? readdirSync(join(path, "runs")) : [], []);
    const listed = await start(["store", "ls", "redis:auto"], { env: bare }).ended;
    assert.match(listed.stderr, /redis:auto is a server that a run starts and ends/);
  });
}, { timeoutMs });

test("a system of a program of one's own has a server while it runs, and nothing of it stays", async () => {
  const env = withRedis();
  await inFolder(async ({ path, write }) => {
    const text = `
import { launch } from ${JSON.stringify(entry)};
const system = await launch({ store: "redis:auto", threads: 0 });
const ref = await system.store.put({ data: new Float64Array(10_000).fill(2) });
const tensor = await system.store.get(ref);
console.log("found", tensor.data[9_999]);
tensor.done();
if (process.argv[2] === "killed") process.kill(process.pid, "SIGKILL");
await system.close();
`;
    const file = write("own.mjs", text);
    const { commandFor } = await import("../runner.ts");
    const { runtime } = await import("../suite.ts");
    const [command, ...first]: [string, ...string[]] = commandFor(runtime, file);
    for (const how of ["closed", "killed"]) {
      const said = await run(command, [...first, how], { cwd: path, env: { ...env, TMPDIR: path } });
      assert.match(said.stdout, /found 2/, shown(said));
      await until(
        "nothing is left",
        () => !readdirSync(path).some((name) => name.startsWith("shoal-services-")),
        () => readdirSync(path).join(),
      );
      // Who removes the folder ends after it.
      await until("no process is left", () => processes(path).length === 0, () => processes(path).join());
    }
  });
}, { timeoutMs });

test("rights that a server of a run's own gives are those that others are to give", async () => {
  const { rights } = await import("../../stores/redis/own.ts");
  const acl = readFileSync(join(root, "stores/redis/shoal.acl"), "utf8").trim();
  assert.equal(acl, `user shoal on ${rights}`);
});

if (long) {
  test("kafka:auto ends with a head that is killed, and a resumed run finds in it what it kept", async () => {
    const jars = kafkaJars();
    if ("reason" in jars) skip(jars.reason);
    await inFolder(async ({ path, write, start }) => {
      mkdirSync(join(path, "kafka"));
      symlinkSync(dirname(jars.classPath), join(path, "kafka/libs"));
      const env = { KAFKA_HOME: join(path, "kafka") };
      write("makes.mjs", program);
      write("hold", "8");
      const head = start(["run", "./makes.mjs", "--name", "own", "--nodes", "2", "--store", "kafka:auto"], { env });
      await head.says("run own in");
      const services = join(path, "runs/own/services");
      assert.equal(processes(readFileSync(join(services, "kafka.password"), "utf8")).length, 0);
      await until("tasks are done", () => made(path) >= 8, () => String(made(path)));
      head.child.kill("SIGKILL");
      await head.ended;
      await until("its broker has ended", () => processes(services).length === 0, () => processes(services).join("\n"));
      write("hold", "1000");
      const resumed = await start(["resume", "own", "--json"], { env }).ended;
      assert.equal(resumed.code, 0, shown(resumed));
      assert.equal((JSON.parse(resumed.stdout) as { sum: number }).sum, sum);
      assert.equal(existsSync(services), false);
    });
  }, { timeoutMs });
}
