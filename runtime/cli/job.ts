// A head that has only so much time: it knows when a job's walltime ends, drains before that, takes the scheduler's
// signals the same road, and sends the next job where that was asked for.

import { isShoalError } from "../../stores/error.ts";
import { allocationIn } from "../launch/batch/allocation.ts";
import { lookAtJobs } from "../launch/batch/sending.ts";
import type { Allocation } from "../launch/batch/scheduler.ts";
import { drainSecondsOf, schedulerOf, wantedOf } from "../launch/batch/wanted.ts";
import { readWalltime } from "../launch/batch/walltime.ts";
import type { Configuration } from "../launch/configuration.ts";
import { userFolder } from "../launch/sources.ts";
import { sentJobs } from "../run/jobs.ts";
import type { RunIdentity, RunLayout } from "../run/layout.ts";
import type { Fact } from "../run/records.ts";
import { changedWords, openJob, ownWords, submitted } from "./batch.ts";
import { duration, type Terminal } from "./terminal.ts";

export interface HeadJobOptions {
  readonly identity: RunIdentity;
  readonly layout: RunLayout;
  readonly configuration: Configuration;
  readonly terminal: Terminal;
}

/** How little time is left: some, for what runs to finish; hardly any; none. */
export type Urgency = "drain" | "now" | "gone";

export interface HeadJob {
  readonly allocation: Allocation | undefined;
  /** Signals that a scheduler may send before the end. */
  readonly signals: readonly ("SIGUSR1" | "SIGUSR2")[];
  /** Calls back as the end comes near. */
  watch(call: (urgency: Urgency, why: string) => void): () => void;
  /** The scheduler has said that the end is near. */
  warned(): void;
  /** The run was interrupted: sends the next job, where the time is over and not somebody's patience. */
  interrupted(record: (fact: Fact) => void): Promise<void>;
}

/** A clock that a job was given from outside may be wrong by so much, and a scheduler looks at its own only so often. */
const nearSeconds = 90;
/** The longest that a timer waits before it looks at the clock again. */
const lookMsMax = 600_000;
/** The head of a job before this one may seem alive for so long after its machine has gone. */
const silentMsMax = 100_000;
const silentLookMs = 1_000;

/** Nothing where neither a job nor a walltime ends the run. */
export function headJob(options: HeadJobOptions): HeadJob | undefined {
  const { identity, layout, configuration, terminal } = options;
  const allocation = allocationIn(process.env);
  const walltime = configuration["batch.walltime"]?.value;
  if (allocation === undefined && walltime === undefined) return undefined;
  const startedAt = Date.now();
  const walltimeSeconds = walltime === undefined ? undefined : readWalltime(String(walltime));
  let endsAt = allocation?.endsAt ?? (walltimeSeconds === undefined ? undefined : startedAt + walltimeSeconds * 1_000);
  let wasWarned = false;

  const drainMs = (): number => {
    const whole = walltimeSeconds ?? (endsAt === undefined ? undefined : (endsAt - startedAt) / 1_000);
    return 1_000 * drainSecondsOf(configuration["batch.drainSeconds"]?.value, whole);
  };

  /** The scheduler's word stands above the script's: somebody may have given the job more time. */
  async function ask(): Promise<void> {
    if (allocation === undefined) return;
    const clients = sentJobs(layout).at(-1)?.clients;
    try {
      const state = (await schedulerOf(allocation.scheduler, clients).look([allocation.job])).get(allocation.job);
      if (state?.leftSeconds !== undefined) endsAt = Date.now() + state.leftSeconds * 1_000;
    } catch {
      // Then the environment and --walltime say it, as far as they do.
    }
  }

  return {
    allocation,
    signals: allocation === undefined ? [] : ["SIGUSR1", "SIGUSR2"],
    watch(call) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      let isOver = false;
      let done = 0;
      const steps: readonly (readonly [Urgency, () => number, string])[] = [
        ["drain", drainMs, "what runs is finished first"],
        ["now", () => Math.max(drainMs() / 4, 2_000), "what runs is not waited for any more"],
        ["gone", () => Math.max(drainMs() / 10, 1_000), "no time is left"],
      ];
      function look(): void {
        if (isOver || endsAt === undefined) return;
        const left = endsAt - Date.now();
        while (done < steps.length && left <= steps[done]![1]()) {
          const [urgency, , then] = steps[done++]!;
          call(urgency, `the walltime ends in ${duration(Math.max(0, left))}: ${then}`);
        }
        const next = steps[done];
        if (next === undefined) return;
        timer = setTimeout(look, Math.min(lookMsMax, Math.max(0, left - next[1]())));
        timer.unref();
      }
      look();
      void ask().then(() => {
        clearTimeout(timer);
        look();
      });
      return () => {
        isOver = true;
        clearTimeout(timer);
      };
    },
    warned() {
      wasWarned = true;
    },
    async interrupted(record) {
      const autoResume = configuration["batch.autoResume"]?.value === true;
      if (allocation === undefined || !autoResume) return;
      const isTime = wasWarned || (endsAt !== undefined && endsAt - Date.now() <= drainMs() + nearSeconds * 1_000);
      if (!isTime) {
        terminal.say(`job ${allocation.job} ends before its time, cancelled or preempted: no other is sent`);
        return;
      }
      try {
        const seen = sentJobs(layout).at(-1);
        const clients = seen?.clients;
        const { jobs } = await lookAtJobs(layout, 2);
        const open = openJob(jobs.filter(({ state }) => state.job !== allocation.job));
        if (open !== undefined) return terminal.say(`job ${open.state.job} goes on with the run`);
        const wanted = wantedOf(
          { ...configuration, launcher: { value: allocation.scheduler, origin: "found" } },
          userFolder(process.env, "config"),
        );
        const { job, scheduler } = await submitted({
          wanted,
          run: identity.run,
          layout,
          folder: identity.folder,
          command: [...ownWords(), "resume", layout.directory, "--json", ...changedWords(configuration)],
          program: identity.file?.path,
          seen,
          after: allocation.job,
          clients,
        }, terminal);
        record({ type: "JobChanged", job, scheduler: scheduler.name, state: "queued" });
      } catch (error) {
        terminal.say(`the next job is not sent: ${error instanceof Error ? error.message : String(error)}`);
      }
    },
  };
}

/**
 * Takes the run as soon as it is free. The job before may have died with its machine: its heart is seen to have stopped
 * only after a while, and nobody is there to try again later.
 */
export async function whenFree<T>(job: HeadJob | undefined, terminal: Terminal, take: () => Promise<T>): Promise<T> {
  const startedAt = performance.now();
  for (let isSaid = false;; isSaid = true) {
    try {
      return await take();
    } catch (error) {
      const isHeld = isShoalError(error, "Conflict") && job?.allocation !== undefined;
      if (!isHeld || performance.now() - startedAt > silentMsMax) throw error;
      if (!isSaid) terminal.say("another process leads the run: waiting for it to end, or to fall silent");
      await new Promise((resolve) => setTimeout(resolve, silentLookMs));
    }
  }
}
