// What `doctor` finds out of a batch machine: on a login node whether the scheduler is there and answers, in a job
// whether its nodes can be reached, see the same files, and agree on the time.

import { networkInterfaces } from "node:os";
import { resolve } from "node:path";
import { allocationIn } from "../launch/batch/allocation.ts";
import { folderOf } from "../launch/batch/client.ts";
import type { Allocation, Queue, Scheduler } from "../launch/batch/scheduler.ts";
import { findSite, type Site } from "../launch/batch/sites.ts";
import { walltimeText } from "../launch/batch/walltime.ts";
import { schedulerHere, schedulerOf } from "../launch/batch/wanted.ts";
import { userFolder } from "../launch/sources.ts";
import { nodesAnswer, nodesReach } from "./nodes.ts";
import type { StoreCheck } from "./reach.ts";

type Found = Omit<StoreCheck, "what">;

export const launchers = ["auto", "local", "slurm", "pbs"] as const;

const ok = (found: string): Found => ({ state: "ok", found });

/** A check that throws has found something too; what to do stands behind its semicolon. */
async function checked(what: string, check: () => Found | Promise<Found>): Promise<StoreCheck> {
  try {
    return { what, ...await check() };
  } catch (error) {
    const [found = "", ...cure] = (error instanceof Error ? error.message : String(error)).split("; ");
    return { what, state: "failure", found, ...(cure.length === 0 ? {} : { cure: cure.join("; ") }) };
  }
}

/** Nothing where `auto` finds neither a scheduler nor a site that names one. */
export async function schedulerChecks(
  launcher: string,
  named: string | undefined,
  runs: string,
  store: string | undefined,
): Promise<StoreCheck[]> {
  const site = named === undefined ? undefined : findSite(named, userFolder(process.env, "config"));
  const allocation = allocationIn(process.env);
  const name = launcher === "slurm" || launcher === "pbs"
    ? launcher
    : launcher === "local"
    ? undefined
    : site?.scheduler ?? allocation?.scheduler ?? schedulerHere();
  if (name === undefined) return [];
  const scheduler = schedulerOf(name);
  const checks = [
    checked("scheduler", () => clients(scheduler)),
    checked(`${scheduler.words.queue}s`, () => queues(scheduler, site)),
    ...(site === undefined ? [] : [checked("site", () => siteOf(site, scheduler))]),
    ...(allocation === undefined ? [] : [
      checked("job", () => jobOf(allocation, scheduler)),
      checked("nodes", () => nodesAnswer({ allocation, site: named, runs: resolve(runs) })),
    ]),
    ...(allocation === undefined || store === undefined || allocation.hosts.length < 2
      ? []
      : [checked("store on nodes", () => nodesReach({ allocation, site: named, runs: resolve(runs) }, store))]),
    ...(allocation === undefined || site?.interface === undefined
      ? []
      : [checked("interface", () => interfaceOf(site.interface!, site.path))]),
  ];
  return await Promise.all(checks);
}

async function clients(scheduler: Scheduler): Promise<Found> {
  const missing = scheduler.clients.filter((program) => folderOf(program) === undefined);
  if (missing.length > 0) {
    return {
      state: "failure",
      found: `${missing.join(", ")} not on the PATH`,
      cure: "load the scheduler's module, or work on a login node of the machine",
    };
  }
  return ok(`${await scheduler.version()}, ${scheduler.clients.join(", ")} are there`);
}

async function queues(scheduler: Scheduler, site: Site | undefined): Promise<Found> {
  const found = await scheduler.queues();
  const text = found.map(queueText).join(", ");
  const wanted = site?.queue;
  if (wanted !== undefined && !found.some(({ name }) => name === wanted)) {
    return { state: "failure", found: `there is no ${wanted}, only ${text}`, cure: "name another with --queue" };
  }
  if (found.some(({ isUp }) => isUp)) return ok(text);
  return { state: "failure", found: `none is up: ${text}`, cure: "wait until the machine is, or ask who runs it" };
}

function queueText({ name, isUp, nodesMax, walltimeMaxSeconds }: Queue): string {
  const parts = [
    ...(isUp ? [] : ["down"]),
    ...(nodesMax === undefined ? [] : [`${nodesMax} nodes`]),
    ...(walltimeMaxSeconds === undefined ? [] : [walltimeText(walltimeMaxSeconds)]),
  ];
  return parts.length === 0 ? name : `${name} (${parts.join(", ")})`;
}

function siteOf(site: Site, scheduler: Scheduler): Found {
  if (site.scheduler !== undefined && site.scheduler !== scheduler.name) {
    return { state: "failure", found: `${site.path} is a site of ${site.scheduler}`, cure: "name another --site" };
  }
  const wants = site.required.length === 0
    ? ""
    : `; its jobs want ${site.required.map((flag) => `--${flag}`).join(", ")}`;
  return ok(`${site.path}${wants}`);
}

async function jobOf({ job, hosts, restarts, endsAt }: Allocation, scheduler: Scheduler): Promise<Found> {
  const state = (await scheduler.look([job])).get(job);
  const left = state?.leftSeconds ?? (endsAt === undefined ? undefined : Math.max(0, (endsAt - Date.now()) / 1_000));
  const again = restarts === 0 ? "" : `, begun ${restarts + 1} times`;
  const found = `${job} on ${hosts.length} node${hosts.length === 1 ? "" : "s"}${again}`;
  if (left !== undefined) return ok(`${found}, ${walltimeText(left)} left`);
  return {
    state: "warning",
    found: `${found}, its end is not known`,
    cure: "say --walltime, so that runs drain in time",
  };
}

function interfaceOf(name: string, path: string): Found {
  const known = Object.keys(networkInterfaces());
  if (known.includes(name)) return ok(name);
  const cure = `write the right one into ${path}`;
  return { state: "failure", found: `there is no interface ${name} here, only ${known.join(", ")}`, cure };
}
