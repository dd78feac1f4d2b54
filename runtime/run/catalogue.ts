// The runs that are known here: an index in the user's state folder, a small file a run, so that `list` and `resume`
// find them from anywhere. The directories are the truth; the index only says where they are.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { nearest, ShoalError } from "../../stores/error.ts";
import { latestHead } from "./heads.ts";
import { fileMode, folderMode, readIdentity, type RunIdentity, runLayout } from "./layout.ts";
import { readRecords } from "./reader.ts";
import { type RunSummary, runSummary } from "./summary.ts";

/** Where runs are looked for. */
export interface Places {
  /** The user's folder of state. */
  readonly state: string;
  /** The folder that this project's runs are in. */
  readonly runs: string;
}

/** How a run stands. */
export type RunState = "queued" | "running" | "interrupted" | "done" | "failed";

export interface KnownRun {
  readonly run: string;
  readonly directory: string;
}

const indexOf = (state: string): string => join(state, "runs");

/** Enters a run into the index; answers why it could not be, if so: the run itself does not need it. */
export function enterRun(state: string, { run, directory }: KnownRun): string | undefined {
  const folder = indexOf(state);
  const digest = createHash("sha256").update(directory).digest("hex").slice(0, 12);
  try {
    mkdirSync(folder, { recursive: true, mode: folderMode });
    writeFileSync(join(folder, `${digest}.json`), `${JSON.stringify({ run, directory })}\n`, { mode: fileMode });
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Every run that is known: those of the index whose directories are there, and those in the folder of runs. */
export function knownRuns({ state, runs }: Places): KnownRun[] {
  const found = new Map<string, KnownRun>();
  const folder = indexOf(state);
  for (const name of namesIn(folder).filter((name) => /^[0-9a-f]{12}\.json$/.test(name))) {
    const path = join(folder, name);
    const entry = entryIn(path);
    if (entry === undefined) continue;
    // One that was deleted is forgotten; a disk that is away for a while still has its parent missing.
    if (existsSync(join(entry.directory, "run.json"))) found.set(entry.directory, entry);
    else if (existsSync(join(entry.directory, ".."))) rmSync(path, { force: true });
  }
  for (const name of namesIn(runs)) {
    const directory = resolve(runs, name);
    if (existsSync(join(directory, "run.json"))) found.set(directory, { run: name, directory });
  }
  return [...found.values()];
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function entryIn(path: string): KnownRun | undefined {
  try {
    const entry: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (typeof entry !== "object" || entry === null || !("run" in entry) || !("directory" in entry)) return undefined;
    const { run, directory } = entry;
    return typeof run === "string" && typeof directory === "string" ? { run, directory } : undefined;
  } catch {
    return undefined;
  }
}

/** The directory of the run that is meant by a path, a name, or the unique beginning of a name. */
export function findRun(meant: string, places: Places): string {
  if (existsSync(join(meant, "run.json"))) return resolve(meant);
  if (/[/\\]/.test(meant)) {
    throw new ShoalError(
      "BadInput",
      `Cannot find run ${meant}: there is no run directory there; shoal list shows the runs that are known`,
    );
  }
  // Of several that are called so, the one in the folder of runs here is meant.
  const here = join(places.runs, meant);
  if (existsSync(join(here, "run.json"))) return here;
  const known = knownRuns(places);
  const exact = known.filter(({ run }) => run === meant);
  const matching = exact.length > 0 ? exact : known.filter(({ run }) => run.startsWith(meant));
  const [first, second] = matching;
  if (first !== undefined && second === undefined) return first.directory;
  if (first !== undefined) {
    const some = matching.slice(0, 5).map(({ run, directory }) => exact.length > 0 ? directory : run).join(", ");
    throw new ShoalError(
      "BadInput",
      `Cannot find run ${meant}: ${matching.length} runs are meant by it: ${some}; write more of its name, or its path`,
    );
  }
  const near = nearest(meant, known.map(({ run }) => run));
  const hint = near === undefined ? "shoal list shows the runs that are known" : `did you mean ${near}?`;
  throw new ShoalError("BadInput", `Cannot find run ${meant}: no run is called so; ${hint}`);
}

/** What a run directory says on the whole. */
export interface RunView {
  readonly identity: RunIdentity;
  readonly directory: string;
  readonly state: RunState;
  readonly summary: RunSummary;
  /** The process that leads it, or led it last. */
  readonly head: { readonly pid: number; readonly host: string } | undefined;
  /** Lines of its records that cannot be read. */
  readonly spoilt: number;
}

export function viewRun(directory: string): RunView {
  const identity = readIdentity(directory);
  const layout = runLayout(directory);
  const head = latestHead(layout);
  const summary = runSummary();
  let spoilt = 0;
  for (const { head, record } of readRecords(layout, (damage) => spoilt += damage.spoilt)) summary.take(head, record);
  const read = summary.read();
  // Nobody has led it yet, but a job was sent that will.
  const isQueued = head === undefined && existsSync(layout.jobs);
  const state = isQueued ? "queued" : stateOf(head?.state, read);
  return { identity, directory, state, summary: read, head: head?.head, spoilt };
}

function stateOf(head: string | undefined, { ended }: RunSummary): RunState {
  if (ended?.state === "done") return "done";
  if (head === "alive") return "running";
  return ended?.state ?? "interrupted";
}

/** The name that a run has in its folder. */
export const nameOf = (directory: string): string => basename(directory);
