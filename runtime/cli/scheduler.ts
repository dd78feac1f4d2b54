// What `doctor` finds out of a batch machine: on a login node whether the scheduler is there and answers, in a job
// whether its nodes can be reached, see the same files, and agree on the time.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { join, resolve } from "node:path";
import { allocationIn } from "../launch/batch/allocation.ts";
import { folderOf } from "../launch/batch/client.ts";
import type { Allocation, Queue, Scheduler } from "../launch/batch/scheduler.ts";
import { findSite, type Site } from "../launch/batch/sites.ts";
import { walltimeText } from "../launch/batch/walltime.ts";
import { schedulerHere, schedulerOf } from "../launch/batch/wanted.ts";
import type { Launcher, WorkerProcess } from "../launch/launcher.ts";
import { userFolder } from "../launch/sources.ts";
import { runLayout } from "../run/layout.ts";
import { launcherHere } from "./launching.ts";
import type { StoreCheck } from "./reach.ts";

type Found = Omit<StoreCheck, "what">;

export const launchers = ["auto", "local", "slurm", "pbs"] as const;

const nodesAskedMax = 64;
const nodeMsMax = 12_000;
/** Leases and walltimes are counted in seconds: clocks that differ by more tell different stories. */
const skewMsMax = 1_000;
const skewMsFatal = 30_000;

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
      checked("nodes", () => nodes(allocation, named, resolve(runs))),
    ]),
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

/** Starts a small program on every node: it tells the time there, and reads a file that was written here. */
async function nodes(allocation: Allocation, site: string | undefined, runs: string): Promise<Found> {
  const { hosts } = allocation;
  if (hosts.length < 2) return ok(`${hosts.join("")} alone`);
  mkdirSync(runs, { recursive: true });
  const folder = mkdtempSync(join(runs, ".shoal-doctor-"));
  let launcher: Launcher | undefined;
  try {
    const probe = join(folder, "probe");
    const token = Math.random().toString(36).slice(2);
    writeFileSync(probe, `${token}\n`, { mode: 0o600 });
    const configuration = site === undefined ? {} : { "batch.site": { value: site, origin: "--site" } };
    launcher = launcherHere({ layout: runLayout(folder), configuration }, allocation, () => {});
    const command = { program: "/bin/sh", args: ["-c", 'date +%s%N; cat "$0"', probe], env: {}, folder };
    const asked = hosts.slice(0, nodesAskedMax).map(async (host, index) => {
      const process = launcher!.start(index, host, command);
      return await answerOf(process, host, token);
    });
    return verdict(await Promise.all(asked), hosts.length, runs);
  } finally {
    await launcher?.close(0);
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Answered {
  readonly host: string;
  readonly said: readonly string[];
  readonly ms: number;
  readonly skewMs: number | undefined;
  readonly sees: boolean;
}

async function answerOf(process: WorkerProcess, host: string, token: string): Promise<Answered> {
  const began = Date.now();
  const timer = setTimeout(() => process.signal("SIGKILL"), nodeMsMax);
  await process.ended;
  clearTimeout(timer);
  const ended = Date.now();
  const said = process.output();
  const clock = said.map((line) => /^(\d{10})(\d{9})$/.exec(line)).find((found) => found !== null);
  const theirs = clock === undefined ? undefined : Number(clock[1]) * 1_000 + Number(clock[2]) / 1e6;
  // It looked at its clock at some moment between these two.
  const skewMs = theirs === undefined ? undefined : theirs < began ? began - theirs : Math.max(0, theirs - ended);
  return { host, said, ms: ended - began, skewMs, sees: said.includes(token) };
}

function verdict(all: readonly Answered[], count: number, runs: string): Found {
  const silent = all.find(({ skewMs }) => skewMs === undefined);
  if (silent !== undefined) {
    const why = silent.said.at(-1) ?? `no answer within ${nodeMsMax / 1_000} s`;
    return {
      state: "failure",
      found: `nothing starts on ${silent.host}: ${why}`,
      cure: "send a job without that node",
    };
  }
  const blind = all.find(({ sees }) => !sees);
  if (blind !== undefined) {
    const cure = "name a folder that all nodes share with --runs";
    return { state: "failure", found: `${blind.host} does not see ${runs}`, cure };
  }
  const [worst] = [...all].sort((a, b) => b.skewMs! - a.skewMs!);
  const skew = `the clock of ${worst!.host} is ${Math.round(worst!.skewMs! / 100) / 10} s off`;
  const cure = "ask who runs the machine to set it: leases and walltimes are counted by it";
  if (worst!.skewMs! > skewMsMax) {
    return { state: worst!.skewMs! > skewMsFatal ? "failure" : "warning", found: skew, cure };
  }
  const longest = Math.max(...all.map(({ ms }) => ms));
  const asked = all.length === count ? `${count}` : `${all.length} of ${count}`;
  return ok(`${asked} answer within ${longest} ms, see ${runs}, and agree on the time`);
}

function interfaceOf(name: string, path: string): Found {
  const known = Object.keys(networkInterfaces());
  if (known.includes(name)) return ok(name);
  const cure = `write the right one into ${path}`;
  return { state: "failure", found: `there is no interface ${name} here, only ${known.join(", ")}`, cure };
}
