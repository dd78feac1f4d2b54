// What a batch scheduler is to shoal: it takes a script, tells how its jobs stand, and ends them. Types only; Slurm and
// PBS are its two implementations.

import type { SchedulerName, Site } from "./sites.ts";

export type { SchedulerName };

/** What a job asks for. */
export interface JobRequest {
  /** The run's name. */
  readonly name: string;
  readonly nodes: number;
  /** Nothing leaves it to the queue. */
  readonly walltimeSeconds?: number | undefined;
  readonly queue?: string | undefined;
  readonly account?: string | undefined;
  readonly filesystems?: string | undefined;
  /** So long before the walltime's end the scheduler is to say so, where it can. */
  readonly warnSeconds: number;
  /** The file that takes what the job writes, where the scheduler can be told its name. */
  readonly output?: string | undefined;
  readonly site?: Site | undefined;
}

/** How a job stands. */
export interface JobState {
  readonly job: string;
  /** `gone`: the scheduler does not know it, or not any more. */
  readonly state: "queued" | "running" | "ended" | "gone";
  /** In the scheduler's own word: `PENDING`, `R`. */
  readonly word: string;
  /** Why it waits, as the scheduler says it. */
  readonly reason?: string;
  /** Whether it will wait for ever as it is. */
  readonly isHopeless?: boolean;
  readonly leftSeconds?: number;
  readonly code?: number;
}

/** The job that this process is part of. */
export interface Allocation {
  readonly scheduler: SchedulerName;
  readonly job: string;
  /** Its nodes, this one's first where it is known. */
  readonly hosts: readonly string[];
  /** How often the scheduler has started it again. */
  readonly restarts: number;
  /** When it ends, in milliseconds since 1970, where the environment says so. */
  readonly endsAt?: number | undefined;
  /** Cores of this node that are the job's. */
  readonly cores?: number | undefined;
}

export interface SentJob {
  readonly job: string;
}

/** A queue, or what Slurm calls a partition. */
export interface Queue {
  readonly name: string;
  readonly isUp: boolean;
  readonly nodesMax?: number;
  readonly walltimeMaxSeconds?: number;
}

export interface Scheduler {
  readonly name: SchedulerName;
  /** The programs that it is spoken to by; the first submits. */
  readonly clients: readonly string[];
  /** What its users call a queue, an account. */
  readonly words: { readonly queue: string };
  /** The lines at a script's top that ask for a job. */
  directives(request: JobRequest): readonly string[];
  /** Sends a script; after another job has ended, if one is named. */
  submit(script: string, after?: string): Promise<SentJob>;
  look(jobs: readonly string[]): Promise<ReadonlyMap<string, JobState>>;
  cancel(job: string): Promise<void>;
  queues(): Promise<readonly Queue[]>;
  /** Its version, in its own words. */
  version(): Promise<string>;
}
