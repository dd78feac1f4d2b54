// How worker processes are started: on this machine, by Slurm, by PBS, or by ssh. Types only: `launch/processes.ts`
// asks for a worker on a host and need not know who starts it.

/** What a worker runs, as this machine would: where it lands, the same paths must mean the same files. */
export interface WorkerCommand {
  readonly program: string;
  /** Shown to everybody on the machine: no secrets here. */
  readonly args: readonly string[];
  /** What is added to its environment. May hold secrets: no launcher puts it on a command line. */
  readonly env: { readonly [name: string]: string };
  /** The folder that it starts in. */
  readonly folder: string;
}

/** How a worker's process came to its end. */
export interface WorkerEnd {
  readonly code: number | null;
  readonly signal: string | null;
  /** Why it could not even be started. */
  readonly error?: Error;
}

/** A worker that was asked for. That its process runs says nothing yet about whether it joins the run. */
export interface WorkerProcess {
  readonly host: string;
  /** The process on this machine that stands for it: the worker itself, or the `srun` or `ssh` that leads to it. */
  readonly pid: number | undefined;
  /** The command as it was run, for people. */
  readonly shown: string;
  readonly ended: Promise<WorkerEnd>;
  /** The last lines that it wrote, stdout and stderr together: at most `outputLinesKept`. */
  output(): readonly string[];
  /** Sends a signal to it, wherever it is; nothing happens to one that has ended. */
  signal(name: "SIGTERM" | "SIGKILL" | "SIGINT"): void;
}

export const outputLinesKept = 20;

/** Who starts workers. */
export interface Launcher {
  readonly name: "local" | "slurm" | "pbs" | "ssh";
  /** Where workers can be started, the head's own first; of a local launcher, this machine alone. */
  readonly hosts: readonly string[];
  /** The scheduler's job that this is part of. */
  readonly job?: string;
  /** Starts the nth worker on one of the hosts. It never throws: what is wrong shows in `ended`. */
  start(worker: number, host: string, command: WorkerCommand): WorkerProcess;
  /** Ends what was started and still runs: SIGTERM, and SIGKILL after the grace. */
  close(graceMs: number): Promise<void>;
}
