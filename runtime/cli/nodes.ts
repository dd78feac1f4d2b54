// What `doctor` finds out in a job of several nodes: whether a program starts on each, sees the run directories, and has
// the same time; and whether the store can be reached from there.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Allocation } from "../launch/batch/scheduler.ts";
import type { Launcher, WorkerCommand, WorkerProcess } from "../launch/launcher.ts";
import { runLayout } from "../run/layout.ts";
import { ownWords } from "./batch.ts";
import { launcherHere } from "./launching.ts";
import type { StoreCheck } from "./reach.ts";

type Found = Omit<StoreCheck, "what">;

export interface Asking {
  readonly allocation: Allocation;
  readonly site: string | undefined;
  /** The folder of run directories, by its full path. */
  readonly runs: string;
}

/** By this a doctor on another node is told which store it is to reach. It may hold a password. */
export const storeVariable = "SHOAL_DOCTOR_STORE";

const nodesAskedMax = 64;
const nodeMsMax = 12_000;
/** Leases and walltimes are counted in seconds: clocks that differ by more tell different stories. */
const skewMsMax = 1_000;
const skewMsFatal = 30_000;

const ok = (found: string): Found => ({ state: "ok", found });

/** Runs a command on each of these nodes, in a private folder that all of them are to see. */
async function onNodes<T>(
  { allocation, site, runs }: Asking,
  hosts: readonly string[],
  commandIn: (folder: string) => WorkerCommand,
  answer: (process: WorkerProcess, host: string) => Promise<T>,
): Promise<T[]> {
  mkdirSync(runs, { recursive: true });
  const folder = mkdtempSync(join(runs, ".shoal-doctor-"));
  let launcher: Launcher | undefined;
  try {
    const configuration = site === undefined ? {} : { "batch.site": { value: site, origin: "--site" } };
    launcher = launcherHere({ layout: runLayout(folder), configuration }, allocation, () => {});
    const command = commandIn(folder);
    return await Promise.all(hosts.map(async (host, index) => {
      const process = launcher!.start(index, host, command);
      const timer = setTimeout(() => process.signal("SIGKILL"), nodeMsMax);
      try {
        return await answer(process, host);
      } finally {
        clearTimeout(timer);
      }
    }));
  } finally {
    await launcher?.close(0);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Starts a small program on every node: it tells the time there, and reads a file that was written here. */
export async function nodesAnswer(asking: Asking): Promise<Found> {
  const { hosts } = asking.allocation;
  if (hosts.length < 2) return ok(`${hosts.join("")} alone`);
  const token = Math.random().toString(36).slice(2);
  const answers = await onNodes(asking, hosts.slice(0, nodesAskedMax), (folder) => {
    const probe = join(folder, "probe");
    writeFileSync(probe, `${token}\n`, { mode: 0o600 });
    return { program: "/bin/sh", args: ["-c", 'date +%s%N; cat "$0"', probe], env: {}, folder };
  }, (process, host) => answerOf(process, host, token));
  return verdict(answers, hosts.length, asking.runs);
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
  await process.ended;
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

/** Opens the store on the other nodes, and uses each of its parts there. */
export async function nodesReach(asking: Asking, store: string): Promise<Found> {
  const others = asking.allocation.hosts.slice(1, nodesAskedMax);
  const [program, ...words] = ownWords() as [string, ...string[]];
  const all = await onNodes(
    asking,
    others,
    (folder) => ({ program, args: [...words, "doctor", "--json"], env: { [storeVariable]: store }, folder }),
    async (process, host) => {
      await process.ended;
      return { host, checks: checksIn(process.output()), said: process.output().at(-1) };
    },
  );
  for (const { host, checks, said } of all) {
    const wrong = checks?.find(({ state }) => state !== "ok");
    if (wrong !== undefined) return { ...wrong, found: `${host}: ${wrong.found}` };
    if (checks !== undefined) continue;
    const found = `${host} says nothing of it: ${said ?? `no answer within ${nodeMsMax / 1_000} s`}`;
    return { state: "failure", found, cure: "see what it says of the nodes" };
  }
  return ok(`${all.length === 1 ? `${all[0]!.host} reaches` : `${all.length} other nodes reach`} and can use it`);
}

function checksIn(lines: readonly string[]): Found[] | undefined {
  const line = lines.find((one) => one.startsWith("["));
  return line === undefined ? undefined : JSON.parse(line) as Found[];
}
