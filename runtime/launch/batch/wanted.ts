// What a job is to be, from the configuration that holds and the site that it names; and which scheduler takes it.

import { ShoalError } from "../../../stores/error.ts";
import type { Configuration } from "../configuration.ts";
import { groupsIn, nodesOfGroups } from "../groups.ts";
import { folderOf } from "./client.ts";
import { pbsScheduler } from "./pbs.ts";
import type { Scheduler, SchedulerName } from "./scheduler.ts";
import { faultAt, findSite, type Site } from "./sites.ts";
import { slurmScheduler } from "./slurm.ts";
import { readWalltime } from "./walltime.ts";

export interface Wanted {
  readonly scheduler: SchedulerName;
  readonly site: Site | undefined;
  readonly nodes: number;
  readonly walltimeSeconds: number | undefined;
  readonly queue: string | undefined;
  readonly account: string | undefined;
  readonly filesystems: string | undefined;
  /** So long before the walltime's end the run begins to drain. */
  readonly drainSeconds: number;
  readonly autoResume: boolean;
  readonly jobsMax: number;
  /** Whether shoal goes to the nodes in one file. */
  readonly pack: boolean;
}

const drainSecondsUsual = 120;

/** Half an hour of walltime needs no more than two minutes to drain; two minutes cannot spare more than a part. */
export function drainSecondsOf(configured: unknown, walltimeSeconds: number | undefined): number {
  if (typeof configured === "number") return configured;
  return Math.min(drainSecondsUsual, (walltimeSeconds ?? Infinity) / 4);
}

/** What the configuration says of a job. Throws where the site is unknown, or the walltime no time. */
export function wantedOf(configuration: Configuration, configFolder: string): Wanted {
  const said = (path: string): string | undefined => {
    const value = configuration[path]?.value;
    return value === undefined ? undefined : String(value);
  };
  const named = said("batch.site");
  const site = named === undefined ? undefined : findSite(named, configFolder);
  const walltime = said("batch.walltime");
  const walltimeSeconds = walltime === undefined ? undefined : readWalltime(walltime);
  const nodes = Number(configuration["nodes"]?.value ?? 1) + nodesOfGroups(groupsIn(configuration).workers);
  return {
    scheduler: schedulerNamed(said("launcher"), site),
    site,
    nodes: nodes > 0 ? nodes : 1,
    walltimeSeconds,
    queue: said("batch.queue") ?? site?.queue,
    account: said("batch.account") ?? site?.account,
    filesystems: said("batch.filesystems") ?? site?.filesystems,
    drainSeconds: drainSecondsOf(configuration["batch.drainSeconds"]?.value, walltimeSeconds),
    autoResume: configuration["batch.autoResume"]?.value === true,
    pack: configuration["batch.pack"]?.value === true,
    jobsMax: Number(configuration["batch.jobsMax"]?.value ?? 1),
  };
}

function schedulerNamed(launcher: string | undefined, site: Site | undefined): SchedulerName {
  const named = launcher === "slurm" || launcher === "pbs" ? launcher : undefined;
  if (named !== undefined && site?.scheduler !== undefined && site.scheduler !== named) {
    const cure = `leave --launcher out, or name a site of ${named}`;
    throw new ShoalError(
      "BadInput",
      `Cannot take --launcher ${named} at ${site.name}: it has ${site.scheduler}; ${cure}`,
    );
  }
  if (launcher === "local" || launcher === "ssh") {
    throw new ShoalError("BadInput", `Cannot make a job with --launcher ${launcher}: it has none; name slurm or pbs`);
  }
  const found = named ?? site?.scheduler ?? schedulerHere();
  if (found !== undefined) return found;
  const cure = "name one with --launcher slurm or pbs, or the machine with --site";
  throw new ShoalError(
    "BadInput",
    `Cannot make a job: there is no scheduler here, neither sbatch nor qsub is on the PATH; ${cure}`,
  );
}

/** The scheduler whose programs are on the PATH. */
export function schedulerHere(): SchedulerName | undefined {
  if (folderOf("sbatch") !== undefined) return "slurm";
  return folderOf("qsub") === undefined ? undefined : "pbs";
}

/** How a scheduler is spoken to; `folder` holds its programs where the PATH does not. */
export function schedulerOf(name: SchedulerName, folder?: string): Scheduler {
  return name === "slurm" ? slurmScheduler(folder) : pbsScheduler(folder);
}

/** What the site's rules say against a job is said before the scheduler does. */
export function checkWanted(wanted: Wanted): void {
  const { site } = wanted;
  const fault = site === undefined ? undefined : faultAt(site, wanted);
  if (fault !== undefined) throw new ShoalError("BadInput", `Cannot make a job: ${fault}`);
}
