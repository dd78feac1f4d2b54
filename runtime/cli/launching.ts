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
import type { Launcher } from "../launch/launcher.ts";
import type { LocalLauncherOptions } from "../launch/local.ts";
import { userFolder } from "../launch/sources.ts";
import { sentJobs } from "../run/jobs.ts";
import type { RunLayout } from "../run/layout.ts";

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
  if (launcher === "ssh") return bySsh(launching, wrote, part);
  if (allocation === undefined || allocation.hosts.length < 2) return undefined;
  return byJob(launching, allocation, siteOf(configuration), wrote, part);
}

function siteOf(configuration: Configuration): Site | undefined {
  const named = configuration["batch.site"]?.value;
  return named === undefined ? undefined : findSite(String(named), userFolder(process.env, "config"));
}

/** Who starts the servers of a run's own on its nodes, and by which network these reach each other. */
export function serversHere(
  launching: Launching,
  allocation: Allocation | undefined,
): { readonly serviceLauncher: Launcher | undefined; readonly network: string | undefined } {
  const serviceLauncher = launcherHere(launching, allocation, () => {}, "services");
  return { serviceLauncher, network: siteOf(launching.configuration)?.interface };
}

function print(_: number, line: string): void {
  // It was not asked for where it is not there.
  if (!/lacks support for cpu binding/.test(line)) process.stderr.write(`${line}\n`);
}

const folderFor = ({ layout }: Launching, part: string): string =>
  part === "services" ? join(layout.services, "launch") : join(layout.directory, part);

function byJob(
  launching: Launching,
  { scheduler, job, hosts }: Allocation,
  site: Site | undefined,
  wrote: LocalLauncherOptions["wrote"],
  part: string,
): Launcher {
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

function bySsh(launching: Launching, wrote: LocalLauncherOptions["wrote"], part: string): Launcher {
  const named = launching.configuration["batch.hosts"]?.value;
  const others = named === undefined ? [] : expandNodelist(String(named));
  if (others.length === 0) {
    throw new ShoalError("BadInput", "Cannot start with --launcher ssh: it knows no hosts; name them: --hosts n1,n2");
  }
  const folder = folderOf("ssh");
  if (folder === undefined) {
    throw new ShoalError("Unavailable", "Cannot start with --launcher ssh: there is no ssh on the PATH; install it");
  }
  const here = hostname();
  return stepsLauncher({
    by: "ssh",
    program: join(folder, "ssh"),
    hosts: [here, ...others.filter((host) => host !== here)],
    flags: [],
    setup: [],
    folder: folderFor(launching, part),
    wrote,
  });
}
