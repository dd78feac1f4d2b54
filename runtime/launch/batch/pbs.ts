// PBS (OpenPBS, PBS Professional): what its scripts say at their top, and how it is asked by qsub, qstat and qdel.

import { ShoalError } from "../../../stores/error.ts";
import { ask, complaint, outsideJob, submitMsMax } from "./client.ts";
import { plain } from "./quoting.ts";
import type { JobRequest, JobState, Queue, Scheduler } from "./scheduler.ts";
import { readClock, walltimeText } from "./walltime.ts";

/** PBS answers these where a job has ended and is not kept in its history, or never was. */
const unknown = /Unknown Job|has finished|Job not found/i;
const hopeless =
  /can never run|cannot run|Not Running: .*(never|exceeds)|insufficient amount of resource.*\(R: .* A: 0 /i;

export function pbsScheduler(folder?: string): Scheduler {
  const tried = (what: string): { what: string; folder: string | undefined } => ({ what, folder });

  async function jobsIn(job: string): Promise<JobState> {
    const answer = await ask("qstat", ["-x", "-f", "-F", "json", job], tried(`look at job ${job}`));
    if (answer.code !== 0 && unknown.test(answer.stderr)) return { job, state: "gone", word: "" };
    const fields = jobOf(answer.stdout, job);
    if (fields !== undefined) return stateOf(job, fields);
    throw new ShoalError("Unavailable", `Cannot look at job ${job}: qstat says: ${complaint(answer)}`);
  }

  return {
    name: "pbs",
    clients: ["qsub", "qstat", "qdel"],
    words: { queue: "queue" },
    directives,
    async submit(script, after) {
      const waits = after === undefined ? [] : ["-W", `depend=afterany:${plain("the job before", after)}`];
      const answer = await ask("qsub", [...waits, script], {
        ...tried("submit the job"),
        deadlineMs: submitMsMax,
        environment: outsideJob(),
      });
      const job = answer.stdout.trim().split("\n").at(-1)?.trim() ?? "";
      if (answer.code === 0 && /^\d+(\[\d*\])?(\.\S+)?$/.test(job)) return { job };
      throw new ShoalError(
        "BadInput",
        `Cannot submit the job: qsub says: ${complaint(answer)}; ${cureOf(answer.stderr)}`,
      );
    },
    async look(jobs) {
      return new Map(await Promise.all(jobs.map(async (job) => [job, await jobsIn(job)] as const)));
    },
    async cancel(job) {
      const answer = await ask("qdel", [job], tried(`cancel job ${job}`));
      if (answer.code === 0 || unknown.test(answer.stderr)) return;
      throw new ShoalError("Unavailable", `Cannot cancel job ${job}: qdel says: ${complaint(answer)}`);
    },
    async queues() {
      const answer = await ask("qstat", ["-Q", "-f", "-F", "json"], tried("ask for the queues"));
      const queues = objectAt(parsed(answer.stdout), "Queue");
      if (answer.code !== 0 || queues === undefined) {
        throw new ShoalError("Unavailable", `Cannot ask for the queues: qstat says: ${complaint(answer)}`);
      }
      return Object.keys(queues).map((name) => queueOf(name, objectAt(queues, name) ?? {}));
    },
    async version() {
      const { stdout, stderr } = await ask("qstat", ["--version"], tried("ask for the version of PBS"));
      return `${stdout}${stderr}`.trim().replace(/^pbs_version\s*=\s*/, "PBS ");
    },
  };
}

function directives(request: JobRequest): string[] {
  const { name, nodes, walltimeSeconds, queue, account, filesystems, output, site } = request;
  const chunk = [
    String(nodes),
    ...(site?.cores === undefined ? [] : [`ncpus=${site.cores}`]),
    "mpiprocs=1",
  ].join(":");
  const lines = [
    `-N ${plain("the run's name", name)}`,
    `-l select=${chunk}${site?.select ?? ""}`,
    `-l place=${site?.place ?? (site?.cores === undefined ? "scatter:excl" : "scatter")}`,
    ...(walltimeSeconds === undefined ? [] : [`-l walltime=${walltimeText(walltimeSeconds)}`]),
    ...(filesystems === undefined ? [] : [`-l filesystems=${plain("the file systems", filesystems)}`]),
    ...(queue === undefined ? [] : [`-q ${plain("the queue", queue)}`]),
    ...(account === undefined ? [] : [`-A ${plain("the account", account)}`]),
    "-j oe",
    `-o ${output ?? "/dev/null"}`,
    // A later start of the same job goes on with the run.
    "-r y",
    "-S /bin/bash",
    ...site?.directives ?? [],
  ];
  return lines.map((line) => `#PBS ${line}`);
}

type Fields = { readonly [name: string]: unknown };

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function objectAt(value: unknown, name: string): Fields | undefined {
  const found: unknown = typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
  return typeof found === "object" && found !== null ? found as Fields : undefined;
}

/** Its server may call a job by a longer name than qsub told. */
function jobOf(text: string, job: string): Fields | undefined {
  const jobs = objectAt(parsed(text), "Jobs") ?? {};
  const name = Object.keys(jobs).find((name) => name === job || name.split(".")[0] === job.split(".")[0]);
  return name === undefined ? undefined : objectAt(jobs, name);
}

function stateOf(job: string, fields: Fields): JobState {
  const word = String(fields["job_state"] ?? "");
  const state = /^[RES]$/.test(word) ? "running" : /^[FCX]$/.test(word) ? "ended" : "queued";
  const walltime = readClock(String(objectAt(fields, "Resource_List")?.["walltime"] ?? ""));
  const startedAt = Date.parse(String(fields["stime"] ?? ""));
  // Its resources_used lags behind: what is left is counted from when it began.
  const left = walltime === undefined || Number.isNaN(startedAt)
    ? undefined
    : startedAt / 1_000 + walltime - Date.now() / 1_000;
  const code = fields["Exit_status"];
  const reason = String(fields["comment"] ?? "");
  return {
    job,
    state,
    word,
    ...(state === "queued" && reason !== "" ? { reason, isHopeless: hopeless.test(reason) } : {}),
    ...(state === "running" && left !== undefined ? { leftSeconds: Math.max(0, Math.round(left)) } : {}),
    ...(state === "ended" && typeof code === "number" ? { code } : {}),
  };
}

function queueOf(name: string, fields: Fields): Queue {
  const most = objectAt(fields, "resources_max");
  const walltimeMaxSeconds = readClock(String(most?.["walltime"] ?? ""));
  const nodesMax = Number(most?.["nodect"]);
  return {
    name,
    isUp: String(fields["enabled"]) === "True" && String(fields["started"]) === "True",
    ...(walltimeMaxSeconds === undefined ? {} : { walltimeMaxSeconds }),
    ...(Number.isSafeInteger(nodesMax) ? { nodesMax } : {}),
  };
}

function cureOf(said: string): string {
  if (/queue/i.test(said)) return "shoal doctor --launcher pbs lists the queues; --queue names one";
  if (/account|allocation|project/i.test(said)) return "name yours with --account";
  if (/walltime/i.test(said)) return "ask for another with --walltime";
  if (/filesystems/i.test(said)) return "name those that the job uses with --filesystems";
  if (/select|nodect|nodes/i.test(said)) return "ask for another number with --nodes";
  if (/connect|refused|timed? ?out/i.test(said)) return "the scheduler is away: try again later";
  return "shoal script … shows what was sent";
}
