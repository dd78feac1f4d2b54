// Where everything lies in a run directory, and the one file that says what the run is. Folders are 0700, files 0600.

import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { ShoalError } from "../../stores/error.ts";
import type { Configured, Machine } from "./records.ts";
import { errnoOf, troubleIn } from "./trouble.ts";

/** Raised when an older shoal would misread a run directory. */
export const layoutVersion = 1;

export const folderMode = 0o700;
export const fileMode = 0o600;

/** What a run is, from its first day: written once, whole. What happens in it is in its records. */
export interface RunIdentity {
  readonly layout: number;
  readonly run: string;
  /** As it was typed: a built-in name, or a path. */
  readonly program: string;
  /** The file of the program where it is the user's own, and a digest of what it was. */
  readonly file?: { readonly path: string; readonly digest: string };
  /** Where it was started: the program's relative paths mean this folder. */
  readonly folder: string;
  readonly seed: number;
  readonly configuration: { readonly [key: string]: Configured };
  readonly machine: Machine;
  readonly shoal: string;
  readonly startedAt: number;
}

export interface RunLayout {
  readonly directory: string;
  readonly identity: string;
  readonly heads: string;
  readonly records: string;
  readonly checkpoints: string;
  /** What actors were given and did: there where that is recorded. */
  readonly recording: string;
  readonly stop: string;
  /** The jobs of a scheduler that were sent for it: there where there are any. */
  readonly jobs: string;
  /** Servers that the run has started for itself: there where there are any. */
  readonly services: string;
}

export function runLayout(directory: string): RunLayout {
  return {
    directory,
    identity: join(directory, "run.json"),
    heads: join(directory, "heads"),
    records: join(directory, "records"),
    checkpoints: join(directory, "checkpoints"),
    recording: join(directory, "recording"),
    stop: join(directory, "stop.json"),
    jobs: join(directory, "jobs"),
    services: join(directory, "services"),
  };
}

/** The name of the n-th head's file, so that names sort as numbers do. */
export const numbered = (number: number, ending: string): string => `${String(number).padStart(6, "0")}${ending}`;

/** The number that a file's name begins with, if it is of that kind. */
export function numberIn(name: string, ending: string): number | undefined {
  const [, digits] = /^(\d{6,9})(\..*)$/.exec(name) ?? [];
  return digits !== undefined && name === digits + ending ? Number(digits) : undefined;
}

/** Writes a file whole or not at all. With `exclusive`, answers false where it is there already. */
export function writeWhole(path: string, text: string, exclusive: boolean): boolean {
  const temporary = `${path}.${process.pid}.${Math.random().toString(36).slice(2)}.tmp`;
  try {
    const file = openSync(temporary, "wx", fileMode);
    try {
      writeFileSync(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    if (!exclusive) {
      renameSync(temporary, path);
      return true;
    }
    linkSync(temporary, path);
    unlinkSync(temporary);
    return true;
  } catch (error) {
    try {
      unlinkSync(temporary);
    } catch {
      // It was never made, or has been renamed.
    }
    if (exclusive && errnoOf(error) === "EEXIST") return false;
    throw error;
  }
}

/** Makes the folders of a new run. The name is taken where one of that name is there: Conflict. */
export function makeRun(directory: string, identity: RunIdentity): RunLayout {
  const layout = runLayout(directory);
  const what = `make the run directory of ${identity.run}`;
  const parent = join(directory, "..");
  try {
    mkdirSync(parent, { recursive: true, mode: folderMode });
  } catch (error) {
    if (errnoOf(error) === "EEXIST") {
      throw new ShoalError(
        "BadInput",
        `Cannot ${what}: ${parent}: a file stands where a folder is wanted; name another with --runs`,
      );
    }
    throw troubleIn(parent, what, error);
  }
  try {
    mkdirSync(directory, { mode: folderMode });
  } catch (error) {
    if (errnoOf(error) === "EEXIST") {
      const cure = `give another --name, or shoal resume ${directory}`;
      throw new ShoalError("Conflict", `Cannot ${what}: ${directory} is there already; ${cure}`);
    }
    throw troubleIn(parent, what, error);
  }
  try {
    for (const folder of [layout.heads, layout.records, layout.checkpoints]) mkdirSync(folder, { mode: folderMode });
    writeWhole(layout.identity, `${JSON.stringify(identity, undefined, 2)}\n`, true);
  } catch (error) {
    throw troubleIn(directory, what, error);
  }
  return layout;
}

/** Takes a run away, of which nothing ever began. */
export function removeRun({ directory }: RunLayout): void {
  rmSync(directory, { recursive: true, force: true });
}

/** What the run in a directory is. Throws where there is none, or one that this shoal cannot read. */
export function readIdentity(directory: string): RunIdentity {
  const path = runLayout(directory).identity;
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") {
      throw new ShoalError(
        "BadInput",
        `Cannot read run ${directory}: there is no run.json; shoal list shows the runs that are known`,
      );
    }
    throw troubleIn(directory, "read the run", error);
  }
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch (cause) {
    throw damaged(directory, "run.json is not JSON", cause);
  }
  if (typeof read !== "object" || read === null) throw damaged(directory, "run.json holds no object");
  const identity: Partial<Record<keyof RunIdentity, unknown>> = read;
  const { layout } = identity;
  if (typeof layout === "number" && layout > layoutVersion) {
    throw new ShoalError(
      "Incompatible",
      `Cannot read run ${directory}: a newer shoal made it (layout ${layout}, this one knows ${layoutVersion}); upgrade shoal`,
    );
  }
  const fault = faultOf(identity);
  if (fault !== undefined) throw damaged(directory, `run.json: ${fault}`);
  return read as RunIdentity;
}

function faultOf(identity: Partial<Record<keyof RunIdentity, unknown>>): string | undefined {
  const kinds = {
    layout: "number",
    run: "string",
    program: "string",
    folder: "string",
    seed: "number",
    configuration: "object",
    startedAt: "number",
  } as const;
  for (const [key, kind] of Object.entries(kinds) as [keyof typeof kinds, string][]) {
    if (typeof identity[key] !== kind || identity[key] === null) return `${key} is no ${kind}`;
  }
  return undefined;
}

function damaged(directory: string, why: string, cause?: unknown): ShoalError {
  return new ShoalError(
    "Corrupt",
    `Cannot read run ${directory}: ${why}; its records are untouched in ${directory}/records`,
    { cause },
  );
}
