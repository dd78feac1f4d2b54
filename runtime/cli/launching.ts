// Who starts the other processes of a run: the job that the head stands in, ssh, or this machine.

import { existsSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { ShoalError } from "../../stores/error.ts";
import { folderOf } from "../launch/batch/client.ts";
import { expandNodelist, readNodeFile } from "../launch/batch/nodelist.ts";
import { packIn } from "../launch/batch/pack.ts";
import type { Allocation } from "../launch/batch/scheduler.ts";
import { findSite, type Site } from "../launch/batch/sites.ts";
import { type Leader, stepsLauncher } from "../launch/batch/steps.ts";
import type { Configuration } from "../launch/configuration.ts";
import { type GroupGround, groupName } from "../launch/crews.ts";
import { groupsIn, isOfJob, nodesOfGroups } from "../launch/groups.ts";
import type { Launcher } from "../launch/launcher.ts";
import type { LocalLauncherOptions } from "../launch/local.ts";
import { userFolder } from "../launch/sources.ts";
import { sentJobs } from "../run/jobs.ts";
import type { RunLayout } from "../run/layout.ts";
import type { WorkerGroup } from "../system.ts";

export interface Launching {
  readonly layout: RunLayout;
  readonly configuration: Configuration;
}

/** Nothing where this machine starts them. */
export function launcherHere(
  launching: Launching,
  allocation: Allocation | undefined,
  wrote: LocalLauncherOptions["wrote"] = print,
  part = "workers",
): Launcher | undefined {
  const { configuration } = launching;
  const launcher = configuration["launcher"]?.value ?? "auto";
  if (launcher === "local") return undefined;
  const site = siteOf(configuration["batch.site"]?.value);
  if (launcher === "ssh") {
    const named = configuration["batch.hosts"]?.value ?? site?.hosts;
    if (named === undefined || expandNodelist(String(named)).length === 0) {
      throw new ShoalError("BadInput", "Cannot start with --launcher ssh: it knows no hosts; name them: --hosts n1,n2");
    }
    const here = hostname();
    const others = expandNodelist(String(named)).filter((host) => host !== here);
    return bySsh({ launching, site, wrote, part, hosts: [here, ...others] });
  }
  if (allocation === undefined || allocation.hosts.length < 2) return undefined;
  const { workers } = groupsIn(configuration);
  // What groups have of the job's nodes, nobody else has.
  const own = Math.max(1, allocation.hosts.length - nodesOfGroups(workers));
  return byJob({ launching, site, wrote, part, hosts: allocation.hosts.slice(0, own) }, allocation);
}

/** Who starts a group of workers, and what its site says of it; this machine where there is no launcher. */
export function groupsHere(
  launching: Launching,
  allocation: Allocation | undefined,
): (group: WorkerGroup, index: number) => GroupGround {
  const { workers = [] } = groupsIn(launching.configuration);
  return (group, index) => {
    const name = groupName(group, index);
    const what = `Cannot start group ${name}`;
    const site = siteOf(group.site);
    const isOther = site?.hosts !== undefined || group.hosts !== undefined;
    const inJob = allocation !== undefined && isOfJob(group) && !isOther ? allocation : undefined;
    const { launcher = "auto" } = group;
    const by = launcher !== "auto" ? launcher : isOther ? "ssh" : inJob?.scheduler ?? "local";
    const said = { gpus: site?.gpus === undefined ? undefined : listed(site.gpus), cores: site?.cores };
    const ground = { ...said, workerCommand: site?.workerCommand };
    if (by === "local") return ground;
    const common = { launching, site, wrote: print, part: `workers/${index + 1}` };
    if (by === "ssh") {
      const named = group.hosts ?? site?.hosts;
      const hosts = named === undefined ? [] : expandNodelist(named);
      if (hosts.length > 0) return { ...ground, launcher: bySsh({ ...common, hosts }) };
      const cure = 'write hosts = "gpu[1-2]" into it, or into its site';
      throw new ShoalError("BadInput", `${what} by ssh: it knows no hosts; ${cure}`);
    }
    if (allocation?.scheduler !== by) {
      const where = allocation === undefined ? "this is no job" : `this is a job of ${allocation.scheduler}`;
      const cure = `send the run by shoal submit, or reach the machine by launcher = "ssh"`;
      throw new ShoalError("BadInput", `${what} by ${by}: ${where}; ${cure}`);
    }
    // Behind those of the processes of no group and of the groups before it; where there are too few, it shares them.
    const own = Math.max(1, allocation.hosts.length - nodesOfGroups(workers));
    const first = own + nodesOfGroups(workers.slice(0, index));
    const { nodes = 1 } = group;
    const hosts = Array.from({ length: nodes }, (_, at) => allocation.hosts[(first + at) % allocation.hosts.length]!);
    return { ...ground, launcher: byJob({ ...common, hosts: [...new Set(hosts)] }, allocation) };
  };
}

const listed = (count: number): string => Array.from({ length: count }, (_, gpu) => gpu).join();

function siteOf(named: unknown): Site | undefined {
  return named === undefined ? undefined : findSite(String(named), userFolder(process.env, "config"));
}

/** Who starts the servers of a run's own on its nodes, and by which network these reach each other. */
export function serversHere(
  launching: Launching,
  allocation: Allocation | undefined,
): { readonly serviceLauncher: Launcher | undefined; readonly network: string | undefined } {
  const serviceLauncher = launcherHere(launching, allocation, () => {}, "services");
  return { serviceLauncher, network: siteOf(launching.configuration["batch.site"]?.value)?.interface };
}

function print(_: number, line: string): void {
  // It was not asked for where it is not there.
  if (!/lacks support for cpu binding/.test(line)) process.stderr.write(`${line}\n`);
}

const folderFor = ({ layout }: Launching, part: string): string =>
  part === "services" ? join(layout.services, "launch") : join(layout.directory, part);

/** The workers that one launcher starts. */
interface Led {
  readonly launching: Launching;
  readonly site: Site | undefined;
  readonly wrote: LocalLauncherOptions["wrote"];
  readonly part: string;
  readonly hosts: readonly string[];
}

function byJob({ launching, site, wrote, part, hosts }: Led, { scheduler, job }: Allocation): Launcher {
  const clients = sentJobs(launching.layout).at(-1)?.clients;
  const leaders: readonly Leader[] = site?.launch !== undefined
    ? [site.launch]
    : scheduler === "slurm"
    ? ["srun"]
    : ["pbsdsh", "mpiexec"];
  const found = leaders.map((by) => ({ by, folder: folderOf(by, clients) })).find(({ folder }) => folder !== undefined);
  if (found === undefined) {
    const cure = "put it on the PATH by the site's setup, or take --launcher local --nodes 1";
    throw new ShoalError(
      "Unavailable",
      `Cannot reach the nodes of job ${job}: there is no ${leaders.join(" or ")}; ${cure}`,
    );
  }
  return stepsLauncher({
    by: found.by,
    program: join(found.folder!, found.by),
    hosts,
    slots: slotsHere(),
    job,
    flags: site?.launchFlags ?? [],
    setup: site?.setup ?? [],
    pack: packIn(process.env),
    folder: folderFor(launching, part),
    wrote,
  });
}

function slotsHere(): ReadonlyMap<string, readonly number[]> | undefined {
  const path = process.env["PBS_NODEFILE"];
  return path !== undefined && existsSync(path) ? readNodeFile(readFileSync(path, "utf8")) : undefined;
}

function bySsh({ launching, site, wrote, part, hosts }: Led): Launcher {
  const folder = folderOf("ssh");
  if (folder === undefined) {
    throw new ShoalError("Unavailable", "Cannot start with --launcher ssh: there is no ssh on the PATH; install it");
  }
  return stepsLauncher({
    by: "ssh",
    program: join(folder, "ssh"),
    hosts,
    flags: site?.launchFlags ?? [],
    setup: site?.setup ?? [],
    folder: folderFor(launching, part),
    wrote,
  });
}
