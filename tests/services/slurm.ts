// A real Slurm of the tests' own: a controller and some node daemons on this machine, on free ports, in a folder of its
// own, ended with the process that started it, whatever becomes of that. Whoever needs it says `// needs: slurm`.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { type SlurmPlaces, slurmPlaces } from "./packages.ts";
import type { Started } from "./redis.ts";
import { freePort } from "./server.ts";

export interface SlurmService {
  /** What its clients need in their environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly folder: string;
  readonly nodes: readonly string[];
  readonly places: SlurmPlaces;
}

/** How the test command tells specs where Slurm is. */
export const slurmVariable = "SHOAL_TEST_SLURM";

const nodeCount = 3;
const coresEach = 4;
const readyMsMax = 30_000;
const triesMax = 3;

/**
 * Runs the daemons, and ends all of it when its own input ends, which it does with whoever holds the other side, even
 * after a SIGKILL: jobs first, in order, then whatever knows this Slurm by its environment.
 */
const guard = `
trap "" INT TERM HUP
folder=$1; nodes=$2; stepd=$3
munged --foreground --force --socket="$folder/munge/sock" --key-file="$folder/munge/key" --pid-file="$folder/munge/pid" \\
  --log-file="$folder/log/munged.log" --seed-file="$folder/munge/seed" --num-threads=2 >/dev/null 2>&1 & all=$!
for turn in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do [ -S "$folder/munge/sock" ] && break; sleep 0.1; done
SLURM_CONF="$folder/slurm.conf" slurmctld -D -f "$folder/slurm.conf" >/dev/null 2>&1 & all="$all $!"
for node in $nodes; do
  mkdir -p "$folder/spool-$node"
  SLURM_CONF="$folder/slurm.conf" slurmd -D -N $node \${stepd:+-d "$stepd"} -f "$folder/slurm.conf" >/dev/null 2>&1 & all="$all $!"
done
read -r word
export SLURM_CONF="$folder/slurm.conf"
timeout 5 scancel --signal=KILL --full --state=RUNNING --user=$(id -un) >/dev/null 2>&1
unset SLURM_CONF
kill -9 $all 2>/dev/null
for turn in 1 2 3; do
  left=$(grep -lsz "^SLURM_CONF=$folder/slurm.conf" /proc/[0-9]*/environ | tr -dc '0-9\\n')
  [ -n "$left" ] || break
  kill -9 $left 2>/dev/null
  sleep 0.1
done
rm -rf "$folder"
`;

function configuration(
  folder: string,
  places: SlurmPlaces,
  ports: readonly number[],
  nodes: readonly string[],
): string {
  const name = hostname().split(".")[0]!;
  const [controller, ...others] = ports;
  const lines = [
    "ClusterName=tests",
    `SlurmctldHost=${name}(127.0.0.1)`,
    `SlurmctldPort=${controller}`,
    "CommunicationParameters=NoInAddrAny,NoCtldInAddrAny",
    "AuthType=auth/munge",
    `AuthInfo=socket=${folder}/munge/sock`,
    "CredType=cred/munge",
    `SlurmUser=${userInfo().username}`,
    `SlurmdUser=${userInfo().username}`,
    `StateSaveLocation=${folder}/state`,
    `SlurmdSpoolDir=${folder}/spool-%n`,
    `SlurmctldPidFile=${folder}/slurmctld.pid`,
    `SlurmdPidFile=${folder}/slurmd-%n.pid`,
    `SlurmctldLogFile=${folder}/log/slurmctld.log`,
    `SlurmdLogFile=${folder}/log/slurmd-%n.log`,
    "MailProg=/bin/true",
    "ProctrackType=proctrack/linuxproc",
    "TaskPlugin=task/none",
    "SwitchType=switch/none",
    "MpiDefault=none",
    "SelectType=select/cons_tres",
    "SelectTypeParameters=CR_Core",
    "SchedulerType=sched/backfill",
    "SchedulerParameters=sched_interval=1,sched_min_interval=0,bf_interval=1,batch_sched_delay=0",
    "JobAcctGatherType=jobacct_gather/none",
    "AccountingStorageType=accounting_storage/none",
    "ReturnToService=2",
    "SlurmdParameters=config_overrides",
    "UnkillableStepTimeout=30",
    "SlurmdTimeout=10",
    "KillWait=5",
    "MinJobAge=3600",
    "JobRequeue=1",
    ...(places.plugins === undefined ? [] : [`PluginDir=${places.plugins}`]),
    ...nodes.map((node, index) =>
      `NodeName=${node} NodeHostname=${name} NodeAddr=127.0.0.1 Port=${others[index]} CPUs=${coresEach} RealMemory=1000`
    ),
    "PartitionName=debug Nodes=ALL Default=YES MaxTime=60:00 DefaultTime=10:00 State=UP",
    `PartitionName=short Nodes=${nodes[0]} MaxTime=2:00 MaxNodes=1 State=UP`,
  ];
  return `${lines.join("\n")}\n`;
}

/** Starts one, and answers once all of its nodes are idle. */
export async function slurm(places: SlurmPlaces): Promise<SlurmService & { stop(): Promise<void> }> {
  for (let tries = 1;; tries++) {
    const started = await start(places);
    if ("service" in started) return started.service;
    if (tries === triesMax) throw new Error(`Cannot start Slurm: ${started.why}`);
  }
}

type Tried = { readonly service: SlurmService & { stop(): Promise<void> } } | { readonly why: string };

async function start(places: SlurmPlaces): Promise<Tried> {
  const folder = mkdtempSync(join(tmpdir(), "slurm-"));
  for (const name of ["munge", "log", "state"]) mkdirSync(join(folder, name), { mode: 0o755 });
  writeFileSync(join(folder, "munge/key"), randomBytes(128), { mode: 0o600 });
  const nodes = Array.from({ length: nodeCount }, (_, index) => `n${index + 1}`);
  const ports: number[] = [];
  while (ports.length <= nodeCount) {
    const port = await freePort();
    if (!ports.includes(port)) ports.push(port);
  }
  writeFileSync(join(folder, "slurm.conf"), configuration(folder, places, ports, nodes));
  const env = {
    PATH: `${places.path}:${process.env["PATH"] ?? ""}`,
    SLURM_CONF: join(folder, "slurm.conf"),
    ...(places.libraries === undefined ? {} : { LD_LIBRARY_PATH: places.libraries }),
  };
  const { SLURM_CONF, ...plain } = env;
  const child = spawn("sh", ["-c", guard, "sh", folder, nodes.join(" "), places.stepd ?? ""], {
    stdio: ["pipe", "ignore", "ignore"],
    env: { ...process.env, ...plain },
    detached: true,
  });
  child.unref();
  if ("unref" in child.stdin && typeof child.stdin.unref === "function") child.stdin.unref();
  const end = performance.now() + readyMsMax;
  let idle = "";
  while (performance.now() < end) {
    const asked = spawnSync("sinfo", ["-h", "-N", "-p", "debug", "-t", "idle", "-o", "%N"], {
      env: { ...process.env, ...env },
      encoding: "utf8",
      timeout: 5_000,
    });
    idle = asked.stdout ?? "";
    if (idle.trim().split("\n").length === nodeCount) {
      return { service: { env, folder, nodes, places, stop: () => stop(child) } };
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const said = readdirSync(join(folder, "log")).map((name) => `${name}: ${lastLine(join(folder, "log", name))}`);
  await stop(child);
  rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  return { why: `${SLURM_CONF}: idle ${JSON.stringify(idle)}; ${said.join("; ")}` };
}

const lastLine = (path: string): string => readFileSync(path, "utf8").trim().split("\n").at(-1) ?? "";

function stop(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.ref();
    child.once("exit", () => resolve());
    child.stdin?.destroy();
  });
}

/** Kills a node as a power cut does: its daemon, its steps, and every process that they started. */
export function killNode({ folder }: SlurmService, node: string): void {
  for (const name of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
    try {
      const variables = readFileSync(`/proc/${name}/environ`, "utf8").split("\0");
      const isRank = variables.includes(`SLURMD_NODENAME=${node}`) &&
        variables.includes(`SLURM_CONF=${folder}/slurm.conf`);
      if (isRank || opens(name, `${folder}/log/slurmd-${node}.log`)) process.kill(Number(name), "SIGKILL");
    } catch {
      // It has ended meanwhile, or is not ours.
    }
  }
}

/** Starts the daemon of a node again that was killed. It ends with the others, which know it by its environment. */
export function startNode({ folder, env, places }: SlurmService, node: string): void {
  const stepd = places.stepd === undefined ? [] : ["-d", places.stepd];
  spawnSync("slurmd", ["-N", node, ...stepd, "-f", `${folder}/slurm.conf`], { env: { ...process.env, ...env } });
}

function opens(pid: string, path: string): boolean {
  return readdirSync(`/proc/${pid}/fd`).some((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`) === path;
    } catch {
      return false;
    }
  });
}

/** Starts it for all specs. Where there is none to be had, what it says is the reason. */
export async function startSlurm(): Promise<Started> {
  const found = slurmPlaces();
  if ("reason" in found) return { text: JSON.stringify(found), stop: async () => {} };
  try {
    const { stop, ...service } = await slurm(found);
    return { text: JSON.stringify(service), stop };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { text: JSON.stringify({ reason }), stop: async () => {} };
  }
}

/** The Slurm of this run, or why there is none. */
export async function slurmService(): Promise<SlurmService | { readonly reason: string }> {
  const told = process.env[slurmVariable];
  const text = told === undefined || told === "" ? (await startSlurm()).text : told;
  return JSON.parse(text) as SlurmService | { readonly reason: string };
}
