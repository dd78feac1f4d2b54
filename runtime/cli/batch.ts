// What `run`, `script`, `submit` and `resume` share on batch machines: their flags, the command that a job is, and the
// sending of one.

import { fileURLToPath } from "node:url";
import { runningWords } from "#platform";
import { ShoalError } from "../../stores/error.ts";
import { allocationIn } from "../launch/batch/allocation.ts";
import { type OpenJob, type Sending, sendJob, type Sent } from "../launch/batch/sending.ts";
import type { Configuration } from "../launch/configuration.ts";
import type { Flags, FlagValue } from "./flags.ts";
import { size, type Terminal } from "./terminal.ts";

/** Flags that are keys of configuration, by the key. */
export const batchKeys: { readonly [flag: string]: string } = {
  "launcher": "launcher",
  "site": "batch.site",
  "hosts": "batch.hosts",
  "queue": "batch.queue",
  "account": "batch.account",
  "filesystems": "batch.filesystems",
  "walltime": "batch.walltime",
  "drain-seconds": "batch.drainSeconds",
  "auto-resume": "batch.autoResume",
  "jobs-max": "batch.jobsMax",
  "pack": "batch.pack",
};

export const batchFlags: Flags = {
  "launcher": {
    default: "auto",
    about: "who starts processes; auto: the job that it stands in, or this machine",
    choices: ["auto", "local", "slurm", "pbs", "ssh"],
  },
  "site": { default: undefined, about: "the machine: polaris, aurora, one of yours, or a file", value: "NAME" },
  "hosts": { default: undefined, about: "with --launcher ssh: where processes are started", value: "n[1-4]" },
  "queue": { default: undefined, about: "the queue or partition; the site's unless said", value: "NAME" },
  "account": { default: undefined, about: "who pays for the hours", value: "NAME" },
  "filesystems": { default: undefined, about: "the file systems that the job uses, where PBS asks", value: "NAMES" },
  "walltime": { default: undefined, about: "how long a job may take: 01:00:00, or 1h", value: "TIME" },
  "drain-seconds": {
    default: undefined,
    about: "so long before the walltime's end it drains; 120, or a quarter of it",
    value: "N",
  },
  "auto-resume": { default: false, about: "when the walltime ends, send the next job" },
  "jobs-max": { default: 20, about: "jobs that a run may send altogether", least: 1 },
  "pack": { default: true, about: "nodes load modules from where they lie, and not from a file unpacked on each" },
};

/** The words that run shoal on another node as it runs here: built as it is, without a look at whether it is stale. */
export function ownWords(): string[] {
  const ending = import.meta.url.slice(import.meta.url.lastIndexOf("."));
  return [...runningWords(), fileURLToPath(new URL(`./main${ending}`, import.meta.url))];
}

/** A launcher that has no job here cannot start a run. */
export function checkLauncher(run: string, configuration: Configuration): void {
  const launcher = configuration["launcher"]?.value;
  if (launcher !== "slurm" && launcher !== "pbs") return;
  const job = allocationIn(process.env);
  if (job?.scheduler === launcher) return;
  const where = job === undefined ? "this is no job" : `this is a job of ${job.scheduler}`;
  const cure = "shoal submit sends one; --launcher auto runs here";
  throw new ShoalError("BadInput", `Cannot start ${run} with --launcher ${launcher}: ${where}; ${cure}`);
}

/** What was typed, as words again. */
export function typedWords(flags: { readonly [name: string]: FlagValue }, typed: ReadonlySet<string>): string[] {
  return [...typed].flatMap((name) => {
    const value = flags[name];
    if (typeof value === "boolean") return [`--${value ? "" : "no-"}${name}`];
    // One that begins with a dash would be taken for a flag.
    return (Array.isArray(value) ? value as readonly string[] : [value]).map((one) => `--${name}=${String(one)}`);
  });
}

/** Where a value comes from that is another than the run began with. */
export const changedOrigin = "--set of resume";

/** What a resume has changed, for the job that goes on in its place. */
export function changedWords(configuration: Configuration): string[] {
  return Object.entries(configuration).filter(([, { origin }]) => origin === changedOrigin)
    .map(([path, { value }]) => `--set=${path}=${String(value)}`);
}

/** Sends a job, and says what became of it. */
export async function submitted(sending: Sending, terminal: Terminal): Promise<Sent> {
  const sent = await sendJob(sending);
  const { wanted, run } = sending;
  const nodes = `${wanted.nodes} node${wanted.nodes === 1 ? "" : "s"}`;
  const where = [nodes, ...(wanted.queue === undefined ? [] : [`${sent.scheduler.words.queue} ${wanted.queue}`])];
  terminal.say(`sent job ${sent.job} to ${sent.scheduler.name} (${where.join(", ")}) for ${run}`);
  if (sending.after !== undefined) terminal.say(`it begins after the end of job ${sending.after}`);
  const { packed } = sent;
  if (packed !== undefined && "reason" in packed) {
    terminal.say(`not packed: ${packed.reason}; each node loads its modules from where they lie`);
  } else if (packed !== undefined) {
    terminal.say(
      `packed: each node unpacks ${size(packed.bytes)} on its own disk, and runs from there (--no-pack: not so)`,
    );
  }
  return sent;
}

/** A job that waits for what will never be is said at once, and not after a night. */
export async function sayHopeless({ scheduler, job }: Sent, run: string, terminal: Terminal): Promise<void> {
  try {
    const state = (await scheduler.look([job])).get(job);
    if (state?.isHopeless === true) terminal.say(hopelessText(state, run));
  } catch {
    // It was sent: that the scheduler has no time to talk about it is no failure.
  }
}

export const hopelessText = ({ job, reason = "" }: OpenJob["state"], run: string): string =>
  `job ${job} will not start as it is: ${reason}; shoal stop ${run} cancels it, then ask for something else`;

/** What is open at the scheduler for a run, if anything. */
export const openJob = (jobs: readonly OpenJob[]): OpenJob | undefined =>
  jobs.findLast(({ state }) => state.state === "queued" || state.state === "running");
