// The jobs of a run as the verbs show and end them: how they stand at their scheduler, and why one never came to lead
// the run.

import { lookAtJobs, type OpenJob } from "../launch/batch/sending.ts";
import { walltimeText } from "../launch/batch/walltime.ts";
import type { RunView } from "../run/catalogue.ts";
import { lastLines, type SentJobRecord, sentJobs } from "../run/jobs.ts";
import { runLayout } from "../run/layout.ts";
import { hopelessText, openJob } from "./batch.ts";
import { columns, type Terminal } from "./terminal.ts";

const jobsShownMax = 3;
const linesShown = 20;

/** What `status` adds for a run that has jobs; nothing for one that has none. */
export async function jobsOf(
  { directory, identity, state }: RunView,
): Promise<{ readonly lines: readonly string[]; readonly plain: object }> {
  const layout = runLayout(directory);
  const sent = sentJobs(layout);
  const last = sent.at(-1);
  if (last === undefined) return { lines: [], plain: {} };
  const { jobs, trouble } = await lookAtJobs(layout, jobsShownMax);
  const shown = sent.slice(-jobsShownMax).map((job) => ({
    job,
    now: jobs.find(({ number }) => number === job.number),
  }));
  const rows = shown.map(({ job, now }): [string, string] => [`  job ${job.job ?? "?"}`, textOf(job, now)]);
  if (sent.length > shown.length) {
    rows.unshift(["  jobs", `${sent.length} were sent, the last ${shown.length} are shown`]);
  }
  if (trouble !== undefined) rows.push(["  scheduler", trouble]);
  const hopeless = jobs.find(({ state }) => state.isHopeless === true);
  if (hopeless !== undefined) rows.push(["  trouble", hopelessText(hopeless.state, identity.run)]);
  const isLost = state === "queued" && trouble === undefined && openJob(jobs) === undefined && last.job !== undefined;
  if (isLost) rows.push(["  trouble", `its job ended before shoal began; shoal resume ${identity.run} sends another`]);
  rows.push(["  output", last.output]);
  const said = isLost ? lastLines(last.output, linesShown).map((line) => `    | ${line}`) : [];
  return {
    lines: [...columns(rows), ...said],
    plain: {
      jobs: shown.map(({ job, now }) => ({
        number: job.number,
        job: job.job,
        scheduler: job.scheduler,
        nodes: job.nodes,
        output: job.output,
        ...(now === undefined ? { state: "unknown" } : now.state),
      })),
      ...(trouble === undefined ? {} : { trouble }),
      ...(isLost ? { neverBegan: true } : {}),
    },
  };
}

function textOf(
  { scheduler, job, nodes, walltimeSeconds, host, pid }: SentJobRecord,
  now: OpenJob | undefined,
): string {
  if (job === undefined) return `was being sent to ${scheduler} by process ${pid} on ${host}: look whether it was`;
  const asked = [
    `${nodes} node${nodes === 1 ? "" : "s"}`,
    ...(walltimeSeconds === undefined ? [] : [walltimeText(walltimeSeconds)]),
  ].join(", ");
  if (now === undefined) return `on ${scheduler}: ${asked}`;
  const { state, word, reason, leftSeconds, code } = now.state;
  const left = leftSeconds === undefined ? "" : `, ${walltimeText(leftSeconds)} left`;
  const why = reason === undefined ? "" : ` (${reason})`;
  const ended = code === undefined ? "" : ` with ${code}`;
  const text = state === "gone" ? "is not known there any more" : `${word.toLowerCase()}${why}${ended}`;
  return `on ${scheduler}: ${text}${left}; ${asked}`;
}

/** Cancels what waits at the scheduler for a run, the latest first; answers how many there were. */
export async function cancelQueued(directory: string, isLed: boolean, terminal: Terminal): Promise<number> {
  const { jobs, trouble } = await lookAtJobs(runLayout(directory), jobsShownMax);
  if (trouble !== undefined) terminal.say(`how its jobs stand is not known: ${trouble}`);
  let count = 0;
  for (const { state, scheduler } of [...jobs].reverse()) {
    // A job that runs under a head ends with its head. Without one, it is still on the way to it, or stuck.
    if (state.state !== "queued" && (isLed || state.state !== "running")) continue;
    await scheduler.cancel(state.job);
    terminal.say(`cancelled job ${state.job}, which was ${state.word.toLowerCase()}`);
    count += 1;
  }
  return count;
}

/** Ends the job under which the run is led. */
export async function cancelRunning(directory: string, terminal: Terminal): Promise<void> {
  const { jobs } = await lookAtJobs(runLayout(directory), jobsShownMax);
  const running = jobs.findLast(({ state }) => state.state === "running");
  if (running === undefined) return;
  terminal.say(`it does not answer: cancelling job ${running.state.job}`);
  await running.scheduler.cancel(running.state.job);
}
