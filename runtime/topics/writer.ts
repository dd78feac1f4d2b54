// Opens a log for its one writer: a claim says who that is, and from the next epoch on whoever was it before is fenced.

import { isShoalError, ShoalError } from "../../stores/error.ts";
import type { Claims, Entry, Logs, Position } from "../../stores/store.ts";
import type { Environment } from "../environment.ts";
import { type Standing, trimmedThrough } from "./frames.ts";

export interface WriterParts {
  readonly name: string;
  readonly logs: Logs;
  readonly claims: Claims;
  readonly environment: Pick<Environment, "after" | "token">;
  readonly credit: boolean;
  /** Asks a store that does not answer again. */
  ask<T>(what: string, call: () => Promise<T>): Promise<T>;
  /** What stands in the log, in order. */
  found(entry: Entry): void;
}

export interface Opened {
  readonly epoch: number;
  readonly log: string;
}

const entriesMax = 1_024;
const triesMax = 100;

/**
 * Opens the next epoch, and gives what stands before it. `last` is the own one, where it was open before: what stands
 * behind that is another's, but where `by` has claimed it in an attempt that failed.
 */
export async function openWriter(
  parts: WriterParts,
  last: number | undefined,
  by: string = parts.environment.token(),
): Promise<Opened> {
  const { name, logs, claims, credit, ask } = parts;
  for (let tries = 0; tries < triesMax; tries++) {
    const standing = await ask("look up its writer", () => claims.claimed(name));
    const stands = standing === undefined ? undefined : standingIn(name, standing.value);
    if (last !== undefined && (standing?.epoch ?? 0) > last && stands?.by !== by) throw overtaken(name);
    const epoch = (standing?.epoch ?? 0) + 1;
    const log = stands?.log ?? by;
    const value: Standing = { log, credit, by };
    const { held } = await ask("claim its log", () => claims.claim(name, epoch, JSON.stringify(value)));
    if (!held) continue;
    try {
      await ask("open its log", () => logs.append(name, epoch, []));
    } catch (error) {
      throw isShoalError(error, "Fenced") ? overtaken(name) : error;
    }
    if (standing !== undefined) await readAll(parts);
    return { epoch, log };
  }
  throw new ShoalError("Unavailable", `Cannot open ${name}: others were faster ${triesMax} times`);
}

function overtaken(name: string): ShoalError {
  return new ShoalError("Fenced", `Cannot write ${name}: its writer lives on in another process`);
}

async function readAll({ name, logs, ask, found }: WriterParts): Promise<void> {
  let after: Position | undefined;
  for (;;) {
    const from = after;
    let entries: readonly Entry[];
    try {
      entries = await ask("read its log", () => logs.read(name, from, { entriesMax, waitMs: 0 }));
    } catch (error) {
      const through = trimmedThrough(error);
      if (through === undefined) throw error;
      after = through;
      continue;
    }
    for (const entry of entries) found(entry);
    const last = entries.at(-1);
    if (last === undefined) return;
    after = { epoch: last.epoch, sequence: last.sequence };
  }
}

/** What a claim of a writer says. */
export function standingIn(name: string, value: string): Standing {
  try {
    const standing = JSON.parse(value) as Standing;
    if (typeof standing.log === "string") return standing;
  } catch {
    // Told below.
  }
  throw new ShoalError("Incompatible", `Cannot use ${name}: what claims it is no topic; use the shoal that wrote it`);
}
