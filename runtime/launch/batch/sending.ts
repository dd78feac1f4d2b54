// Sends a job for a run: writes its script into the run directory, gives it to the scheduler, and writes down which job
// it became.

import { randomBytes } from "node:crypto";
import { existsSync, statSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { ShoalError } from "../../../stores/error.ts";
import { fileMode, type RunLayout } from "../../run/layout.ts";
import { type SentJobRecord, sentJobs, takeJob } from "../../run/jobs.ts";
import { troubleIn } from "../../run/trouble.ts";
import { folderOf } from "./client.ts";
import { cargoOf } from "./cargo.ts";
import { type Packed, packIn, repacked, writePack } from "./pack.ts";
import type { JobState, Scheduler } from "./scheduler.ts";
import { scriptText } from "./script.ts";
import { checkWanted, schedulerOf, type Wanted } from "./wanted.ts";

/** A sender that has not told its job for so long has died before it could. */
const sendingMsMax = 120_000;

export interface Sending {
  readonly wanted: Wanted;
  readonly run: string;
  readonly layout: RunLayout;
  /** Where the run began: its command starts there. */
  readonly folder: string;
  readonly command: readonly string[];
  /** The file of the program, where it is the user's own. */
  readonly program: string | undefined;
  /** The latest job when it was decided to send one more. */
  readonly seen: SentJobRecord | undefined;
  /** The job after whose end it is to begin. */
  readonly after?: string | undefined;
  /** The folder of the scheduler's programs, as an earlier job knew it. */
  readonly clients?: string | undefined;
}

export interface Sent {
  readonly job: string;
  readonly number: number;
  readonly script: string;
  readonly output: string;
  readonly scheduler: Scheduler;
  /** What nodes unpack, or why there is nothing; nothing where it was not asked for. */
  readonly packed: { readonly bytes: number } | { readonly reason: string } | undefined;
}

/** The text of the script that a job would be. */
export function scriptOf(
  { wanted, run, folder, command }: Pick<Sending, "wanted" | "run" | "folder" | "command">,
  output: string,
  pack?: Packed,
): string {
  const { scheduler, nodes, walltimeSeconds, queue, account, filesystems, drainSeconds, site } = wanted;
  return scriptText({
    scheduler: schedulerOf(scheduler),
    request: { name: run, nodes, walltimeSeconds, queue, account, filesystems, warnSeconds: drainSeconds, site },
    command,
    folder,
    output,
    environment: {},
    pack,
  });
}

export async function sendJob(sending: Sending): Promise<Sent> {
  const { wanted, layout, run } = sending;
  checkWanted(wanted);
  const scheduler = schedulerOf(wanted.scheduler, sending.clients);
  const count = sending.seen?.number ?? 0;
  if (count >= wanted.jobsMax) {
    const cure = `shoal resume ${run} --set batch.jobsMax=${count * 2} allows more`;
    throw new ShoalError("CapacityExceeded", `Cannot send a job for ${run}: ${count} were sent; ${cure}`);
  }
  refuseSecond(sending.seen, run);
  const who = { scheduler: wanted.scheduler, sentAt: Date.now(), host: hostname(), pid: process.pid };
  const taken = takeJob(layout, who, count + 1);
  try {
    const made = wanted.pack ? await packFor(sending) : undefined;
    const pack = made === undefined || "reason" in made ? undefined : made;
    const packed = made === undefined || "reason" in made ? made : { bytes: statSync(made.file).size };
    const text = scriptOf(sending, taken.output, pack);
    try {
      writeFileSync(taken.script, text, { mode: fileMode });
    } catch (error) {
      throw troubleIn(layout.directory, "send a job for the run", error);
    }
    const { job } = await scheduler.submit(taken.script, sending.after);
    const { nodes, walltimeSeconds, queue, site } = wanted;
    const clients = folderOf(scheduler.clients[0]!, sending.clients);
    taken.sent({
      ...who,
      job,
      nodes,
      ...(walltimeSeconds === undefined ? {} : { walltimeSeconds }),
      ...(queue === undefined ? {} : { queue }),
      ...(site === undefined ? {} : { site: site.path }),
      ...(clients === undefined ? {} : { clients }),
      ...(sending.after === undefined ? {} : { after: sending.after }),
    });
    const { number, script, output } = taken;
    return { job, number, script, output, scheduler, packed };
  } catch (error) {
    // What became of a request that got no answer, nobody knows: its number stays taken, and the script can be looked at.
    if (!(error instanceof ShoalError && error.code === "Timeout")) taken.giveBack();
    throw error;
  }
}

/**
 * One that was taken and not sent yet is no job that the scheduler knows: its sender does. What counts is how it stood
 * before anybody looked at the scheduler; a later one has taken the number.
 */
function refuseSecond(latest: SentJobRecord | undefined, run: string): void {
  if (latest === undefined || latest.job !== undefined || Date.now() - latest.sentAt > sendingMsMax) return;
  const who = `process ${latest.pid} on ${latest.host} is sending one`;
  throw new ShoalError("Conflict", `Cannot send a job for ${run}: ${who}; shoal status ${run} shows it`);
}

/** Where one job unpacks is no place for another: its folder goes with it. What cannot be packed says why. */
async function packFor({ layout, run, program }: Sending): Promise<Packed | { readonly reason: string }> {
  const token = randomBytes(6).toString("hex");
  const local = join("/tmp", `shoal-pack-${run}-${token}`);
  const own = packIn(process.env);
  // A job that sends the next one runs from such a file itself.
  if (own !== undefined && existsSync(own.file)) return repacked(own, local);
  try {
    const runs = dirname(layout.directory);
    const cargo = cargoOf(program, runs);
    return "reason" in cargo ? cargo : await writePack({ file: join(layout.jobs, "pack.tgz"), local, cargo, runs });
  } catch (error) {
    return { reason: error instanceof Error ? error.message : String(error) };
  }
}

/** A job of the run that still waits or runs, as its scheduler says now. */
export interface OpenJob {
  readonly number: number;
  readonly state: JobState;
  readonly output: string;
  readonly scheduler: Scheduler;
}

/** How the latest jobs of a run stand. What the scheduler does not tell is told in `trouble`. */
export async function lookAtJobs(
  layout: RunLayout,
  jobsMax: number,
): Promise<{ readonly jobs: readonly OpenJob[]; readonly trouble?: string }> {
  const latest = sentJobs(layout).filter(({ job }) => job !== undefined).slice(-jobsMax);
  const jobs: OpenJob[] = [];
  for (const { number, job, scheduler: name, clients, output } of latest) {
    const scheduler = schedulerOf(name, clients);
    try {
      const state = (await scheduler.look([job!])).get(job!);
      if (state !== undefined) jobs.push({ number, state, output, scheduler });
    } catch (error) {
      return { jobs, trouble: error instanceof Error ? error.message : String(error) };
    }
  }
  return { jobs };
}
