// A stand-in for PBS where there is none: qsub, qstat, qdel, pbsdsh and mpiexec as OpenPBS was seen to behave: the
// environment and folder of a job, its node file, exit codes, and which signals come when. `standin NAME ARGS…`
import { type ChildProcess, spawn } from "node:child_process";
import {
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { homedir, userInfo } from "node:os";
import { join } from "node:path";

interface Job {
  readonly id: string;
  readonly name: string;
  readonly queue: string;
  readonly account?: string;
  readonly nodes: number;
  readonly perNode: number;
  readonly walltimeSeconds: number;
  readonly after?: string;
  readonly script: string;
  readonly output: string;
  readonly folder: string;
  state: "Q" | "R" | "F";
  hosts: string[];
  comment: string;
  startedAt?: number;
  code?: number;
  /** The process that is its mother superior. */
  mom?: number;
  isDeleted?: boolean;
}

/** Where its server keeps everything; the programs of one stand-in share it. */
const folder = process.env["STANDIN_PBS"] ?? "";
const hosts = ["p1", "p2"];
const coresEach = 4;
const queues: { readonly [name: string]: { readonly nodesMax: number; readonly seconds: number } } = {
  debug: { nodesMax: 2, seconds: 3_600 },
  short: { nodesMax: 1, seconds: 120 },
};
/** As seen on OpenPBS 23.06: so late comes TERM at a walltime's end, so long after it KILL; and so long after qdel's. */
const lateMs = 8_000;
const killMs = 9_500;
const deleteKillMs = 20_000;
const lookMs = 50;

const pathOf = (id: string): string => join(folder, `${id}.json`);
const read = (id: string): Job | undefined =>
  existsSync(pathOf(id)) ? JSON.parse(readFileSync(pathOf(id), "utf8")) as Job : undefined;
const all = (): Job[] =>
  readdirSync(folder).filter((name) => name.endsWith(".login.json")).map((name) => read(name.slice(0, -5))!);

function write(job: Job): void {
  writeFileSync(`${pathOf(job.id)}.${process.pid}`, JSON.stringify(job));
  renameSync(`${pathOf(job.id)}.${process.pid}`, pathOf(job.id));
}

function fail(code: number, text: string): never {
  process.stderr.write(`${text}\n`);
  process.exit(code);
}

const clock = (text: string): number => text.split(":").reduce((sum, part) => sum * 60 + Number(part), 0);
const twoDigits = (value: number): string => String(Math.floor(value)).padStart(2, "0");
const clockText = (seconds: number): string =>
  `${twoDigits(seconds / 3_600)}:${twoDigits(seconds / 60 % 60)}:${twoDigits(seconds % 60)}`;
/** As ctime writes it: without a zone. */
const ctime = (at: number): string => new Date(at).toString().replace(/^(\w+ \w+ \d+) (\d+) ([\d:]+) .*$/, "$1 $3 $2");

function qsub(args: readonly string[]): void {
  const script = args.at(-1) ?? fail(2, "qsub: script file is missing");
  const text = readFileSync(script, "utf8");
  const flags = new Map<string, string[]>();
  const take = (words: readonly string[]): void => {
    for (let i = 0; i + 1 < words.length; i += 2) flags.set(words[i]!, [...flags.get(words[i]!) ?? [], words[i + 1]!]);
  };
  for (const line of text.split("\n").slice(1)) {
    if (line.startsWith("#PBS ")) take(line.slice(5).trim().split(/\s+/));
    else if (line !== "" && !line.startsWith("#")) break;
  }
  take(args.slice(0, -1));
  const one = (flag: string): string | undefined => flags.get(flag)?.at(-1);
  const queue = one("-q") ?? "debug";
  const limits = Object.hasOwn(queues, queue) ? queues[queue]! : fail(170, "qsub: Unknown queue");
  const resources = Object.fromEntries((flags.get("-l") ?? []).map((each) => each.split(/=(.*)/s).slice(0, 2)));
  const select = String(resources["select"] ?? "1");
  const nodes = Number(select.split(":")[0]);
  const walltimeSeconds = clock(String(resources["walltime"] ?? "01:00:00"));
  if (!/^[\w+-][\S]{0,229}$/.test(one("-N") ?? "x")) fail(2, "qsub: illegal -N value");
  if (!(nodes > 0)) fail(188, "qsub: Illegal attribute or resource value Resource_List.select");
  if (walltimeSeconds > limits.seconds) fail(188, "qsub: Job violates queue and/or server resource limits");
  if (process.env["STANDIN_PBS_ACCOUNT"] === "1" && one("-A") === undefined) {
    fail(175, "qsub: No account specified: request rejected as filter could not be applied");
  }
  const id = nextId();
  const [, after] = /^depend=afterany:(\S+)$/.exec(one("-W") ?? "") ?? [];
  const perNode = Number(/:mpiprocs=(\d+)/.exec(select)?.[1] ?? 1);
  write({
    id,
    name: one("-N") ?? "STDIN",
    queue,
    nodes,
    perNode,
    walltimeSeconds,
    script: join(folder, `${id}.sh`),
    output: one("-o") ?? join(process.cwd(), `${one("-N")}.o${id.split(".")[0]}`),
    folder: process.cwd(),
    state: "Q",
    hosts: [],
    comment: "",
    ...(after === undefined ? {} : { after }),
    ...(one("-A") === undefined ? {} : { account: one("-A")! }),
  });
  writeFileSync(join(folder, `${id}.sh`), text);
  const [program = "", ...first] = JSON.parse(process.env["STANDIN_COMMAND"] ?? "[]") as string[];
  const mom = spawn(program, [...first, "mom", id], { stdio: "ignore", cwd: homedir(), detached: true });
  mom.unref();
  process.stdout.write(`${id}\n`);
  process.exit(0);
}

function nextId(): string {
  const taken = join(folder, `take.${process.pid}`);
  writeFileSync(taken, "");
  for (let number = 1;; number++) {
    try {
      linkSync(taken, join(folder, `${number}.taken`));
      unlinkSync(taken);
      return `${number}.login`;
    } catch {
      // Another one has it.
    }
  }
}

/** A server without the test that it stands in for has nothing more to do. */
async function pause(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, lookMs));
  if (!existsSync(`/proc/${process.env["STANDIN_TEST"]}`)) process.exit(1);
}

/** Runs one job, from its place in the queue to its end. */
async function mom(id: string): Promise<void> {
  const job = read(id)!;
  job.mom = process.pid;
  for (;; await pause()) {
    if (read(id)!.isDeleted === true) return end(job, 271);
    if (job.nodes > hosts.length || job.nodes > queues[job.queue]!.nodesMax) {
      job.comment = `Can Never Run: Insufficient amount of resource: nodect (R: ${job.nodes} A: 2 T: 2)`;
    } else if (job.after !== undefined && read(job.after)?.state !== "F") job.comment = "Job held, due to dependency";
    else {
      const busy = new Set(all().filter(({ state }) => state === "R").flatMap((other) => other.hosts));
      const free = hosts.filter((host) => !busy.has(host));
      if (free.length >= job.nodes && takeNodes(free.slice(0, job.nodes), id)) {
        job.hosts = free.slice(0, job.nodes);
        break;
      }
      job.comment = "Not Running: Insufficient amount of resource: ncpus";
    }
    write({ ...job, isDeleted: read(id)!.isDeleted ?? false });
  }
  await lead(job);
}

/** Two who look at once do not get the same nodes. */
function takeNodes(wanted: readonly string[], id: string): boolean {
  const made: string[] = [];
  for (const host of wanted) {
    try {
      writeFileSync(join(folder, `${host}.busy`), id, { flag: "wx" });
      made.push(host);
    } catch {
      for (const own of made) unlinkSync(join(folder, `${own}.busy`));
      return false;
    }
  }
  return true;
}

/** What a job finds: its login environment, and none of the submitter's. */
function environmentOf(job: Job): Record<string, string> {
  const nodes = join(folder, `${job.id}.nodes`);
  writeFileSync(nodes, job.hosts.flatMap((host) => Array.from({ length: job.perNode }, () => `${host}\n`)).join(""));
  return {
    HOME: homedir(),
    USER: userInfo().username,
    SHELL: "/bin/bash",
    PATH: "/bin:/usr/bin",
    PBS_ENVIRONMENT: "PBS_BATCH",
    PBS_JOBID: job.id,
    PBS_JOBNAME: job.name,
    PBS_JOBCOOKIE: "00000000SECRET0000",
    PBS_NODEFILE: nodes,
    PBS_O_WORKDIR: job.folder,
    PBS_O_HOST: "login",
    PBS_QUEUE: job.queue,
    ...(job.account === undefined ? {} : { PBS_ACCOUNT: job.account }),
    NCPUS: "1",
    OMP_NUM_THREADS: "1",
    TMPDIR: process.env["TMPDIR"] ?? "/tmp",
    STANDIN_PBS: folder,
    STANDIN_COMMAND: process.env["STANDIN_COMMAND"] ?? "",
    STANDIN_TEST: process.env["STANDIN_TEST"] ?? "",
    PALS_HOST: job.hosts[0]!,
    ...Object.fromEntries(
      (process.env["STANDIN_PASS"] ?? "").split(",").filter((name) => name !== "")
        .map((name) => [name, process.env[name] ?? ""]),
    ),
  };
}

async function lead(job: Job): Promise<void> {
  job.state = "R";
  job.comment = "Job run";
  job.startedAt = Date.now();
  write(job);
  const output = openSync(job.output, "a");
  const child = spawn("/bin/bash", [job.script], {
    cwd: homedir(),
    env: environmentOf(job),
    stdio: ["ignore", output, output],
    detached: true,
  });
  let why: number | undefined;
  let termedAt: number | undefined;
  const ending = new Promise<number>((resolve) =>
    child.once("exit", (code, signal) => resolve(code ?? 256 + (signal === "SIGKILL" ? 9 : 15)))
  );
  let isOver = false;
  void ending.then(() => isOver = true);
  while (!isOver) {
    const isLate = Date.now() - job.startedAt > job.walltimeSeconds * 1_000 + lateMs;
    if (termedAt === undefined && (isLate || read(job.id)!.isDeleted === true)) {
      why = isLate ? -29 : 271;
      termedAt = Date.now();
      // All of the first node's processes hear it, and nobody elsewhere.
      signalGroup(child, "SIGTERM");
    } else if (termedAt !== undefined && Date.now() - termedAt > (why === -29 ? killMs : deleteKillMs)) {
      signalGroup(child, "SIGKILL");
    }
    await pause();
  }
  const code = await ending;
  signalGroup(child, "SIGKILL");
  end(job, why ?? code);
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    process.kill(-child.pid!, signal);
  } catch {
    // All of it has ended.
  }
}

function end(job: Job, code: number): void {
  for (const host of job.hosts) unlinkSync(join(folder, `${host}.busy`));
  write({ ...job, state: "F", code, comment: `${job.comment} and finished` });
}

function qstat(args: readonly string[]): void {
  if (args.includes("--version")) return void process.stdout.write("pbs_version = 23.06.06\n");
  if (args.includes("-Q")) {
    const found = Object.entries(queues).map(([name, { nodesMax, seconds }]) => [name, {
      queue_type: "Execution",
      enabled: "True",
      started: "True",
      resources_max: { nodect: nodesMax, walltime: clockText(seconds) },
    }]);
    return void process.stdout.write(JSON.stringify({ Queue: Object.fromEntries(found) }));
  }
  const id = args.at(-1)!;
  const job = read(id);
  if (job === undefined) fail(153, `qstat: Unknown Job Id ${id}`);
  if (job.state === "F" && !args.includes("-x")) {
    fail(35, `qstat: ${id} Job has finished, use -x or -H to obtain historical job information`);
  }
  const exec = job.hosts.map((host) => `${host}/0*${coresEach}`).join("+");
  const shown = {
    Job_Name: job.name,
    job_state: job.state,
    queue: job.queue,
    ...(exec === "" ? {} : { exec_host: exec }),
    Resource_List: { nodect: job.nodes, walltime: clockText(job.walltimeSeconds) },
    ...(job.startedAt === undefined ? {} : { stime: ctime(job.startedAt) }),
    ...(job.comment === "" ? {} : { comment: job.comment }),
    ...(job.code === undefined ? {} : { Exit_status: job.code }),
  };
  process.stdout.write(JSON.stringify({ pbs_version: "23.06.06", pbs_server: "login", Jobs: { [id]: shown } }));
}

function qdel(args: readonly string[]): void {
  const id = args.at(-1)!;
  const job = read(id);
  if (job === undefined) fail(153, `qdel: Unknown Job Id ${id}`);
  if (job.state === "F") fail(35, `qdel: Job has finished ${id}`);
  write({ ...job, isDeleted: true });
}

/** One task on one line of the node file: in the home folder, with hardly any environment, and without the node file. */
function pbsdsh(args: readonly string[]): void {
  const slot = Number(args[args.indexOf("-n") + 1]);
  const command = args.slice(args.indexOf("--") + 1);
  const id = process.env["PBS_JOBID"] ?? fail(1, "pbsdsh: tm_init failed, PBS_JOBID not set");
  const lines = readFileSync(join(folder, `${id}.nodes`), "utf8").trim().split("\n");
  const host = lines[slot] ?? fail(1, `pbsdsh: only ${lines.length} nodes available`);
  const { HOME, USER } = process.env;
  const env = { HOME, USER, PATH: "/bin:/usr/bin", PBS_JOBID: id, PBS_NODENUM: String(slot), PALS_HOST: host };
  follow(spawn(command[0]!, command.slice(1), { cwd: homedir(), env, stdio: "ignore" }));
}

/** As PALS: the environment goes along, and ranks learn their number. */
function mpiexec(args: readonly string[]): void {
  const host = readFileSync(args[args.indexOf("--hostfile") + 1]!, "utf8").trim().split("\n")[0]!;
  const first = args.findIndex((word) => word.startsWith("/"));
  const at = args.findIndex((word, index) => index > args.indexOf("--hostfile") + 1 && word.startsWith("/"));
  const command = args.slice(at < 0 ? first : at);
  const env = { ...process.env, PMI_RANK: "0", PMI_LOCAL_RANK: "0", PALS_LOCAL_RANKID: "0", PALS_HOST: host };
  follow(spawn(command[0]!, command.slice(1), { env, stdio: "inherit" }));
}

function follow(child: ChildProcess): void {
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => child.kill(signal));
  child.once("error", (error) => fail(1, String(error)));
  child.once("exit", (code, signal) => process.exit(code ?? (signal === "SIGKILL" ? 137 : 143)));
}

const [name = "", ...args] = process.argv.slice(2);
if (folder !== "") {
  mkdirSync(folder, { recursive: true });
  if (name === "mom") await mom(args[0]!);
  else ({ qsub, qstat, qdel, pbsdsh, mpiexec } as Record<string, (args: readonly string[]) => void>)[name]!(args);
}
