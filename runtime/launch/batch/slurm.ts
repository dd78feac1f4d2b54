// Slurm: what its scripts say at their top, and how it is asked by sbatch, squeue, scancel, sinfo and scontrol.

import { ShoalError } from "../../../stores/error.ts";
import { ask, complaint, outsideJob, submitMsMax } from "./client.ts";
import { plain } from "./quoting.ts";
import type { JobRequest, JobState, Queue, Scheduler } from "./scheduler.ts";
import { readClock, walltimeText } from "./walltime.ts";

/** Reasons for which a job waits until somebody changes it. */
const hopeless =
  /^(Partition(Node|Time)Limit|PartitionConfig|PartitionDown|BadConstraints|.*MaxWall.*|.*MaxNode.*PerJob.*|AccountNotAllowed|JobHeldUser|JobHeldAdmin|DependencyNeverSatisfied|InvalidAccount|InvalidQOS|launch_failed_requeued_held|job_requeued_in_held_state)$/i;

const ended =
  /^(COMPLETED|FAILED|CANCELLED|TIMEOUT|NODE_FAIL|OUT_OF_MEMORY|PREEMPTED|BOOT_FAIL|DEADLINE|REVOKED|SPECIAL_EXIT)/;
const running = /^(RUNNING|COMPLETING|STOPPED|SUSPENDED|SIGNALING|STAGE_OUT|RESIZING)/;

/** `folder` is where its programs are, beside the PATH. */
export function slurmScheduler(folder?: string): Scheduler {
  const tried = (what: string): { what: string; folder: string | undefined } => ({ what, folder });

  async function lookAt(job: string): Promise<JobState> {
    // A job that squeue has forgotten is an error of its own; all that are known are one call.
    const answer = await ask(
      "squeue",
      ["-h", "-t", "all", "-j", job, "-o", "%i|%T|%L|%r"],
      tried(`look at job ${job}`),
    );
    if (answer.code !== 0 && !/Invalid job id/i.test(answer.stderr)) {
      throw new ShoalError("Unavailable", `Cannot look at job ${job}: squeue says: ${complaint(answer)}`);
    }
    const line = answer.stdout.split("\n").find((line) => line.split("|")[0] === job);
    return line === undefined ? { job, state: "gone", word: "" } : stateOf(line);
  }

  return {
    name: "slurm",
    clients: ["sbatch", "squeue", "scancel", "scontrol", "srun"],
    words: { queue: "partition" },
    directives,
    async submit(script, after) {
      const waits = after === undefined ? [] : [`--dependency=afterany:${plain("the job before", after)}`];
      const answer = await ask("sbatch", ["--parsable", ...waits, script], {
        ...tried("submit the job"),
        deadlineMs: submitMsMax,
        environment: outsideJob(),
      });
      const [, job] = /^(\d+)(?:;.*)?$/m.exec(answer.stdout) ?? [];
      if (answer.code === 0 && job !== undefined) return { job };
      throw new ShoalError(
        "BadInput",
        `Cannot submit the job: sbatch says: ${complaint(answer)}; ${cureOf(answer.stderr)}`,
      );
    },
    async look(jobs) {
      return new Map(await Promise.all(jobs.map(async (job) => [job, await lookAt(job)] as const)));
    },
    async cancel(job) {
      const answer = await ask("scancel", [job], tried(`cancel job ${job}`));
      if (answer.code === 0 || /Invalid job id|already completing or completed/i.test(answer.stderr)) return;
      throw new ShoalError("Unavailable", `Cannot cancel job ${job}: scancel says: ${complaint(answer)}`);
    },
    async queues() {
      const answer = await ask("sinfo", ["-h", "-o", "%R|%a|%l|%s"], tried("ask for the partitions"));
      if (answer.code !== 0) {
        throw new ShoalError("Unavailable", `Cannot ask for the partitions: sinfo says: ${complaint(answer)}`);
      }
      return answer.stdout.split("\n").filter((line) => line !== "").map(queueOf);
    },
    async version() {
      return (await ask("sbatch", ["--version"], tried("ask for Slurm's version"))).stdout.trim();
    },
  };
}

function directives(request: JobRequest): string[] {
  const { name, nodes, walltimeSeconds, queue, account, output, warnSeconds, site } = request;
  const lines = [
    `--job-name=${plain("the run's name", name)}`,
    `--nodes=${nodes}`,
    "--ntasks-per-node=1",
    ...(site?.cores === undefined ? ["--exclusive"] : [`--cpus-per-task=${site.cores}`]),
    ...(site?.gpus === undefined ? [] : [`--gpus-per-node=${site.gpus}`]),
    ...(walltimeSeconds === undefined ? [] : [`--time=${walltimeText(walltimeSeconds)}`]),
    ...(queue === undefined ? [] : [`--partition=${plain("the partition", queue)}`]),
    ...(account === undefined ? [] : [`--account=${plain("the account", account)}`]),
    `--output=${output ?? "/dev/null"}`,
    // What runs on: a later start of the same job goes on with the run, and one node fewer is no end.
    "--open-mode=append",
    "--requeue",
    ...(nodes > 1 ? ["--no-kill"] : []),
    `--signal=B:USR1@${Math.max(1, Math.round(warnSeconds))}`,
    ...site?.directives ?? [],
  ];
  return lines.map((line) => `#SBATCH ${line}`);
}

/** `12|PENDING|1:00:00|Resources`. */
function stateOf(line: string): JobState {
  const [job = "", word = "", left = "", reason = ""] = line.split("|");
  const state = running.test(word) ? "running" : ended.test(word) ? "ended" : "queued";
  const leftSeconds = state === "running" ? readClock(left) : undefined;
  const waits = state === "queued" && reason !== "None" && reason !== "" ? reason : undefined;
  return {
    job,
    state,
    word,
    ...(waits === undefined ? {} : { reason: waits, isHopeless: hopeless.test(waits) }),
    ...(leftSeconds === undefined ? {} : { leftSeconds }),
  };
}

/** `debug|up|1:00:00|1-infinite`. */
function queueOf(line: string): Queue {
  const [name = "", up = "", limit = "", size = ""] = line.split("|");
  const walltimeMaxSeconds = readClock(limit);
  const most = Number(size.split("-").at(-1));
  return {
    name,
    isUp: up === "up",
    ...(walltimeMaxSeconds === undefined ? {} : { walltimeMaxSeconds }),
    ...(Number.isSafeInteger(most) ? { nodesMax: most } : {}),
  };
}

/** What to do about a refusal. The scheduler's own words stand before it. */
export function cureOf(said: string): string {
  if (/partition|queue/i.test(said)) return "shoal doctor --launcher slurm lists the partitions; --queue names one";
  if (/account|association/i.test(said)) return "name yours with --account";
  if (/time.?limit/i.test(said)) return "ask for less with --walltime";
  if (/node (count|configuration)|nodes/i.test(said)) return "ask for fewer with --nodes";
  if (/contact|connect|timed out|refused/i.test(said)) return "the scheduler is away: try again later";
  return "shoal script … shows what was sent";
}
