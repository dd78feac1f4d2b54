// `shoal doctor`: checks what a run will need, before it needs it. Each line is ok, a warning or a failure, with what to
// do about it.

import { accessSync, constants, existsSync, mkdtempSync, rmSync, statfsSync } from "node:fs";
import { availableParallelism, freemem, totalmem } from "node:os";
import { dirname, join, resolve } from "node:path";
import { Worker } from "node:worker_threads";
import { loadsTypeScript, runtime } from "#platform";
import { userFolder } from "../launch/sources.ts";
import { storeVariable } from "./nodes.ts";
import { permissionError } from "./permission.ts";
import { places } from "./places.ts";
import { storeChecks } from "./reach.ts";
import { launchers, schedulerChecks } from "./scheduler.ts";
import { columns, size, type Terminal } from "./terminal.ts";
import type { Request, Verb } from "./verb.ts";
import { version } from "../launch/version.ts";

/** What was found of one thing that a run needs. */
export interface Check {
  readonly what: string;
  readonly state: "ok" | "warning" | "failure";
  readonly found: string;
  /** What to do about it. */
  readonly cure?: string;
}

const freeBytesWanted = 1e9;
const sharedBytesWanted = 64e6;
const threadMs = 15_000;

const verb: Verb = {
  usage: "shoal doctor [flags]",
  about: "Checks what a run will need. Ends with 1 where something is missing that no run can do without.",
  words: [0, 0],
  example: "shoal doctor",
  flags: () => [{
    title: "Flags",
    flags: {
      store: { default: undefined, about: "check this store too: reach, rights, room, speed", value: "URL" },
      launcher: { default: "auto", about: "check the scheduler too, and in a job its nodes", choices: launchers },
      site: { default: undefined, about: "the machine: polaris, aurora, one of yours, or a file", value: "NAME" },
      fix: { default: undefined, about: "bring in what is missing, then check: tensorflow", choices: ["tensorflow"] },
      ...places,
      json: { default: false, about: "a list of objects on stdout" },
    },
  }],
  act: doctor,
};
export default verb;

async function doctor({ flags, terminal }: Request): Promise<number> {
  const { buildNative, nativeBackend } = await import("shoal/actors");
  if (flags["fix"] === "tensorflow" && nativeBackend().state !== "ok") {
    await buildNative((line) => terminal.say(`bringing in ${line}`));
  }
  const told = process.env[storeVariable];
  if (told !== undefined) {
    terminal.result(JSON.stringify(await storeChecks(told, true)));
    return 0;
  }
  const { launcher, site, runs } = flags;
  const store = flags["store"] === undefined ? undefined : String(flags["store"]);
  // Side by side: what does not answer is waited for once, and the whole stays under 20 s.
  const [checks, ofStore, ofScheduler] = await Promise.all([
    ownChecks(flags),
    store === undefined ? [] : storeChecks(store),
    schedulerChecks(String(launcher), site === undefined ? undefined : String(site), String(runs), store),
  ]);
  const all = [...checks, ...ofStore, ...ofScheduler];
  if (flags["json"] === true) terminal.result(JSON.stringify(all));
  else for (const line of checkLines(all, terminal)) terminal.result(line);
  return all.some(({ state }) => state === "failure") ? 1 : 0;
}

/** What every run needs, whatever it is. */
async function ownChecks(flags: Request["flags"]): Promise<Check[]> {
  const { chemistryPrograms, nativeBackend } = await import("shoal/actors");
  return await Promise.all([
    checked(
      "shoal",
      () => ok(`${version()} on ${runtime.name} ${runtime.version}, ${process.platform} ${process.arch}`),
    ),
    checked("TypeScript", typescript),
    checked("cores", cores),
    checked("memory", memory),
    checked("threads", threads),
    checked("shared memory", sharedMemory),
    checked(
      "run directories",
      () => writable(resolve(String(flags["runs"])), "failure", "name another folder with --runs"),
    ),
    checked(
      "index of runs",
      () => writable(userFolder(process.env, "state"), "warning", "set XDG_STATE_HOME to a folder that you may write"),
    ),
    checked("configuration", configuration),
    Promise.resolve(chemistryPrograms()),
    checked("tensorflow", nativeBackend),
  ]);
}

type Found = Omit<Check, "what">;

const ok = (found: string): Found => ({ state: "ok", found });

/** A check that throws has found something too. */
async function checked(what: string, check: () => Found | Promise<Found>): Promise<Check> {
  try {
    return { what, ...await check() };
  } catch (error) {
    const forbidden = permissionError(error);
    if (forbidden !== undefined) {
      const [, cure = "give it"] = forbidden.message.split("; ");
      return { what, state: "warning", found: "Deno was not permitted to look", cure };
    }
    return { what, state: "failure", found: error instanceof Error ? error.message : String(error) };
  }
}

/** The checks as lines, aligned, each cure below its line. */
export function checkLines(checks: readonly Check[], { paint }: Terminal): string[] {
  const colour = { ok: "green", warning: "yellow", failure: "red" } as const;
  const rows = columns(checks.map(({ state, what, found }) => [state.padEnd("warning".length), what, found]));
  return checks.flatMap(({ state, cure }, index) => {
    const line = rows[index]!;
    const shown = paint(line.slice(0, state.length), colour[state]) + line.slice(state.length);
    return cure === undefined || state === "ok" ? [shown] : [shown, `${" ".repeat("warning".length + 2)}→ ${cure}`];
  });
}

function typescript(): Found {
  if (loadsTypeScript) return ok("programs and shoal.config.ts are loaded as they stand");
  return {
    state: "warning",
    found: `Node ${runtime.version} does not load it`,
    cure: "take Node 20.6 or newer, or write JavaScript",
  };
}

function cores(): Found {
  const count = availableParallelism();
  return count > 1
    ? ok(`${count}`)
    : { state: "warning", found: "1", cure: "simulation and learning will take turns; ask the scheduler for more" };
}

function memory(): Found {
  const found = `${size(totalmem())}, ${size(freemem())} of it free`;
  return freemem() > freeBytesWanted
    ? ok(found)
    : { state: "warning", found, cure: "memory: holds tensors there; take file: or free some" };
}

/** Starts one, as the head of a run does for its heartbeat. */
async function threads(): Promise<Found> {
  const thread = new Worker("require('node:worker_threads').parentPort.postMessage(1)", { eval: true });
  const timer = setTimeout(() => void thread.terminate(), threadMs);
  const began = performance.now();
  try {
    await new Promise((done, failed) => {
      thread.once("message", done);
      thread.once("error", failed);
      thread.once("exit", () => failed(new Error(`a thread ends before it says a word, within ${threadMs} ms`)));
    });
    return ok(`one starts in ${Math.round(performance.now() - began)} ms`);
  } finally {
    clearTimeout(timer);
    await thread.terminate();
  }
}

function sharedMemory(): Found {
  const folder = "/dev/shm";
  if (!existsSync(folder)) {
    return { state: "warning", found: `there is no ${folder}`, cure: "shm: needs one; take memory: or file:" };
  }
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  if (free > sharedBytesWanted) return ok(`${size(free)} free in ${folder}`);
  const cure = "shm: holds tensors there; in a container give it more: --shm-size";
  return { state: "warning", found: `${size(free)} free in ${folder}`, cure };
}

/** Whether a folder, or the nearest one above it that is there, can be written to; leaves nothing behind. */
function writable(folder: string, otherwise: Check["state"], cure: string): Found {
  let there = folder;
  while (!existsSync(there) && dirname(there) !== there) there = dirname(there);
  try {
    accessSync(there, constants.W_OK | constants.X_OK);
    rmSync(mkdtempSync(join(there, ".shoal-doctor-")), { recursive: true });
    const { bavail, bsize } = statfsSync(there);
    const free = bavail * bsize;
    const found = `${folder}: can be written, ${size(free)} free`;
    return free > freeBytesWanted ? ok(found) : { state: "warning", found, cure: "free some space" };
  } catch (error) {
    if (permissionError(error) !== undefined) throw error;
    return {
      state: otherwise,
      found: `${folder}: cannot be written: ${error instanceof Error ? error.message : String(error)}`,
      cure,
    };
  }
}

async function configuration(): Promise<Found> {
  const { configure } = await import("../launch/sources.ts");
  const { schema } = await import("../launch/schema.ts");
  const { builtInSchemas } = await import("./program.ts");
  const sources = { folder: process.cwd(), found: true, environment: process.env, files: [], flags: [], sets: [] };
  const resolved = await configure(sources, { schema, programs: await builtInSchemas() });
  const said = Object.values(resolved).filter(({ origin }) => origin !== "default");
  const origins = [...new Set(said.map(({ origin }) => origin))];
  return ok(said.length === 0 ? "defaults alone" : `${said.length} values from ${origins.join(", ")}`);
}
