// What a worker is told when it starts: a file that only its user can read, since it holds the run's token and the
// store's password, named on its command line.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type ErrorCode, isShoalError, ShoalError } from "../../stores/error.ts";
import { decodeMessage, encodeMessage } from "../messages/codec.ts";
import type { Member } from "../nodes/registry.ts";
import type { Recipe } from "../nodes/recipe.ts";
import { machine } from "../run/machine.ts";
import type { Supervision } from "../supervision.ts";
import type { Limits } from "../system.ts";
import type { LinkKind } from "./crossing.ts";
import type { RecordingOptions } from "./recording.ts";
import { version } from "./version.ts";
import { realWorld } from "./world.ts";

/** What all processes of a run have in common. */
export interface Common {
  readonly run: string;
  readonly token: string;
  readonly seed: number;
  readonly strict: boolean;
  readonly store: string;
  readonly storeThresholdBytes: number;
  readonly storeModules: readonly string[];
  readonly program: string | undefined;
  /** A file of the program of one's own that the system is part of. */
  readonly root: string | undefined;
  readonly allow: readonly string[] | undefined;
  readonly limits: Limits;
  readonly supervision: Supervision;
  /** What actors say to the console is recorded. */
  readonly captures: boolean;
  readonly records: boolean;
  /** What actors are given and do is written down. */
  readonly recording: RecordingOptions | undefined;
  readonly link: LinkKind;
  readonly threadHeapBytesMax: number | undefined;
}

export interface JoiningGroup {
  /** Nothing for those that are of the leading process's own. */
  readonly name: string | undefined;
  readonly takes: readonly string[];
}

export interface Joining extends Common {
  /** The version of this package that the run is led by. */
  readonly version: string;
  readonly node: string;
  readonly ticket: string;
  /** What the module names of the process that leads the run end with. */
  readonly form: string;
  /** The process that leads the run. */
  readonly leader: Member;
  /** Threads beside its main one. */
  readonly threads: number;
  /** The group of workers that it belongs to, and the kinds of task that it takes; nothing where it takes all. */
  readonly group: JoiningGroup | undefined;
  /** Where its sockets are made. */
  readonly folder: string;
  /** The actors of the process that was this node before. */
  readonly again: readonly Recipe[];
  /** None was started before it in this place since its leader leads. */
  readonly isFirst: boolean;
  /** Nodes of other processes that lived in it. */
  readonly guests: readonly string[];
}

/** Writes it where only this user can read it. */
export function writeJoining(path: string, joining: Joining): void {
  // An existing file would keep its mode.
  writeFileSync(path, encodeMessage(joining, true), { mode: 0o600, flag: "wx" });
}

export function readJoining(path: string): Joining {
  try {
    return decodeMessage(new Uint8Array(readFileSync(path)), nobody) as Joining;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const text = `Cannot join: ${path} says nothing of a run: ${why}`;
    throw new ShoalError("BadInput", `${text}; a worker is started by the process that leads the run`, { cause });
  }
}

function nobody(): never {
  throw new TypeError("no actor is referred to here");
}

/** With what a worker ends that has not joined, by why; whoever has started it learns it by that. */
const unjoined = { Conflict: 73, Incompatible: 76, Unauthorized: 77 } as const;
const unjoinedOtherwise = 70;

export function unjoinedExit(error: unknown): number {
  if (!isShoalError(error) || !Object.hasOwn(unjoined, error.code)) return unjoinedOtherwise;
  return unjoined[error.code as keyof typeof unjoined];
}

export function unjoinedCode(exit: number | null): ErrorCode {
  const [code = "Unavailable"] = Object.entries(unjoined).find(([, one]) => one === exit) ?? [];
  return code as ErrorCode;
}

/** A process of the run, as it is to say of itself. */
export function memberOf(
  node: string,
  epoch: number,
  ticket: string,
  places: Member["places"],
  takes: Member["takes"],
): Member {
  const at = realWorld.date();
  const said = takes === undefined ? {} : { takes };
  return { node, epoch, ticket, pid: process.pid, machine: machine(), version: version(), at, places, ...said };
}

/** What this module's name ends with: whether sources run here, or what was compiled of them. */
export const form: string = import.meta.url.slice(import.meta.url.lastIndexOf("."));

/** The entry of a worker, in the form in which this module runs. */
export function workerFile(): string {
  return fileURLToPath(new URL(`./worker${form}`, import.meta.url));
}

/**
 * A module of this package as this process finds it, where the one that leads the run has the package in its other
 * form: sources for what was compiled of them, or the other way round.
 */
export function inOwnForm(url: string | undefined, formThere: string): string | undefined {
  if (url === undefined || form === formThere || !url.endsWith(formThere)) return url;
  const own = new URL("../../", import.meta.url).href;
  const there = form === ".ts" ? `${own}dist/` : own.replace(/dist\/$/, "");
  if (!url.startsWith(there)) return url;
  const found = `${own}${url.slice(there.length, -formThere.length)}${form}`;
  return existsSync(fileURLToPath(found)) ? found : url;
}
