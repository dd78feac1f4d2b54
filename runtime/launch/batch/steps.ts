// Starts workers on the nodes of a job, one launch each: by srun, by mpiexec or pbsdsh, or by ssh. Each stands for its
// worker as a process of this machine; what it leads to finds its environment in a private file, never on a command line.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { lastLines } from "../../run/jobs.ts";
import { fileMode, folderMode } from "../../run/layout.ts";
import { type Launcher, outputLinesKept, type WorkerCommand, type WorkerProcess } from "../launcher.ts";
import { localLauncher, type LocalLauncherOptions } from "../local.ts";
import { holdLines, type Pack, unpackFailure, unpackLines } from "./pack.ts";
import { word, words } from "./quoting.ts";
import { beside } from "./script.ts";

/** By which program a worker is led to its host. */
export type Leader = "srun" | "mpiexec" | "pbsdsh" | "ssh";

export interface StepsOptions extends LocalLauncherOptions {
  readonly by: Leader;
  /** Where that program is. */
  readonly program: string;
  /** The job's hosts, this one first. */
  readonly hosts: readonly string[];
  /** The lines of PBS's node file that name each host. */
  readonly slots?: ReadonlyMap<string, readonly number[]> | undefined;
  readonly job?: string | undefined;
  /** Flags of the site's own. */
  readonly flags: readonly string[];
  /** Shell lines before each launch. */
  readonly setup: readonly string[];
  /** What workers run from, and find unpacked on their host. */
  readonly pack?: Pack | undefined;
  /** A private folder that all hosts see. */
  readonly folder: string;
}

const names = { srun: "slurm", mpiexec: "pbs", pbsdsh: "pbs", ssh: "ssh" } as const;

/** What of this process's environment means this very process, or is a secret of the scheduler's. */
const own =
  /^(PBS_JOBCOOKIE|PBS_(NODENUM|TASKNUM|VNODENUM)|SLURM_.*|SLURMD_.*|PMI_.*|PALS_.*|PWD|OLDPWD|SHLVL|_|HOSTNAME|TMPDIR)$/;

export function stepsLauncher(options: StepsOptions): Launcher {
  const { by, hosts, job, flags, folder } = options;
  const local = localLauncher(options);
  /** Hosts on which a worker fell silent, or none can be started. */
  const lost = new Set<string>();
  /** Of pbsdsh nothing comes back: what its tasks write, they write into files. */
  const isSilent = by === "pbsdsh";
  let script: string | undefined;

  function outputOf(worker: number): string {
    return join(folder, `worker-${worker}.out`);
  }

  /** Written once, when the first worker is wanted. */
  function starter({ env, folder: where }: WorkerCommand): string {
    if (script !== undefined) return script;
    mkdirSync(folder, { recursive: true, mode: folderMode });
    script = join(folder, "worker.sh");
    // Slurm hands the environment on, and adds to it what differs from node to node.
    const handed = by === "srun" ? {} : process.env;
    writeFileSync(script, starterText({ ...handed, ...env }, where, options), { mode: fileMode });
    return script;
  }

  function leading(worker: number, host: string, path: string): string[] {
    switch (by) {
      case "srun":
        return [
          "--nodes=1",
          "--ntasks=1",
          `--nodelist=${host}`,
          // All that the job has of that node, beside what else of it runs there.
          "--overlap",
          "--cpu-bind=none",
          "--mpi=none",
          "--kill-on-bad-exit=0",
          "--no-kill",
          "--input=none",
          `--job-name=worker-${worker}`,
          ...flags,
          "/bin/bash",
          path,
          "-",
        ];
      case "mpiexec": {
        const file = join(folder, `host-${worker}`);
        writeFileSync(file, `${host}\n`, { mode: fileMode });
        return ["-n", "1", "--ppn", "1", "--hostfile", file, ...flags, "/bin/bash", path, "-"];
      }
      case "pbsdsh": {
        const slot = options.slots?.get(host)?.[0] ?? hosts.indexOf(host);
        return ["-n", String(slot), "--", "/bin/bash", path, outputOf(worker)];
      }
      case "ssh":
        return ["-o", "BatchMode=yes", "-o", "ConnectTimeout=15", ...flags, "--", host];
    }
  }

  function start(worker: number, host: string, command: WorkerCommand): WorkerProcess {
    const ran = [command.program, ...command.args];
    let made: WorkerProcess;
    try {
      const path = starter(command);
      const led = leading(worker, host, path);
      // What ssh is given, a shell reads over there.
      const args = by === "ssh" ? [...led, words(["/bin/bash", path, "-", ...ran])] : [...led, ...ran];
      made = local.start(worker, host, { program: options.program, args, env: {}, folder: command.folder });
    } catch (error) {
      const failed = error instanceof Error ? error : new Error(String(error));
      const end = { code: null, signal: null, error: failed };
      return { host, pid: undefined, shown: by, ended: Promise.resolve(end), output: () => [], signal() {} };
    }
    const { ended } = made;
    void ended.then(({ code }) => {
      if (code !== 0 && made.output().some((line) => refusals[by].test(line))) lost.add(host);
    });
    return {
      host,
      get pid() {
        return made.pid;
      },
      shown: made.shown,
      ended,
      output() {
        const lines = isSilent ? lastLines(outputOf(worker), outputLinesKept) : [];
        const all = [...made.output(), ...lines];
        const isBlind = all.some((line) => line.includes(`${script}: `) && !/: line \d+: /.test(line));
        return isBlind ? [...all, `${host} does not see ${folder}: ${sharing}`] : all;
      },
      signal(name) {
        if (name === "SIGKILL") lost.add(host);
        // Killed outright, it could tell its worker nothing: that one is asked to end, and ends with its lease if not.
        made.signal(name === "SIGKILL" ? "SIGTERM" : name);
        if (name === "SIGKILL") setTimeout(() => made.signal("SIGKILL"), killMs).unref();
      },
    };
  }

  return {
    name: names[by],
    // In the place of a lost one stands another, so that the others keep theirs: the head's own, if there is no other.
    get hosts() {
      const left = hosts.slice(1).filter((host) => !lost.has(host));
      return hosts.map((host, index) => lost.has(host) ? left[index % left.length] ?? hosts[0]! : host);
    },
    ...(job === undefined ? {} : { job }),
    start,
    close: (graceMs) => local.close(graceMs),
  };
}

const killMs = 1_000;
const sharing = "name a folder that all nodes share with --runs";

/** What is said where a host is gone, and not the worker's own fault. */
const refusals: { readonly [by in Leader]: RegExp } = {
  srun: /^srun: error: (Task launch .* failed|Node failure|Unable to create step|.* not responding)/,
  mpiexec: /^\S*mpiexec: .*(cannot reach|not responding|failed to (launch|connect))/i,
  pbsdsh: /^pbsdsh: .*(error|not found)/i,
  ssh: /^ssh: |^Connection (closed|timed out|reset)|Could not resolve/,
};

/** What a worker starts by on its host: the environment of the head, its folder, the site's lines. */
function starterText(
  environment: { readonly [name: string]: string | undefined },
  folder: string,
  { setup, pack }: Pick<StepsOptions, "setup" | "pack">,
): string {
  const variables = Object.entries(environment).filter(([name]) => /^[A-Za-z_]\w*$/.test(name) && !own.test(name));
  const lines = [
    '[ "$1" = - ] || exec >>"$1" 2>&1',
    "shift",
    ...variables.flatMap(([name, value]) => value === undefined ? [] : [`export ${name}=${word(value)}`]),
    `cd ${
      word(folder)
    } || { echo 'the run began in a folder that this node does not see: begin it where all do' >&2; exit 1; }`,
    ...setup,
    ...(pack === undefined ? [] : [
      ...unpackLines(pack),
      `[ $? = 0 ] || { echo ${word(`${unpackFailure(pack)} --no-pack runs from where it lies`)} >&2; exit 1; }`,
      ...holdLines(pack),
    ]),
    ...(pack === undefined ? ['exec "$@"'] : beside('"$@"')),
  ];
  return `${lines.join("\n")}\n`;
}
