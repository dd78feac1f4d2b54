// How an opening of the store comes, beside those who take runs away, and what goes with it when the run is over.
import { mkdirSync } from "node:fs";
import { isShoalError, ShoalError } from "../error.ts";
import { troubleOf } from "../file/trouble.ts";
import { type Arena, createArena } from "./arena.ts";
import type { Native } from "./native.ts";
import { type Folders, removeArena } from "./place.ts";
import { isWelcome, sweepOrphans, takeRun } from "./sweep.ts";
import { type Usage, usage } from "./usage.ts";

const openTriesMax = 3;
/** Room for what is lost where tensors of many sizes come and go; it costs nothing until it is used. */
const slackBytes = 2 ** 26;

/** Makes the arena of an opening, and its seat among the others. Throws Unavailable where its run is being taken away. */
export function openArenaOf(
  folders: Folders,
  writer: string,
  capacityBytes: number,
  native: Native | undefined,
  url: string,
): { readonly arena: Arena; readonly usage: Usage } {
  const dataBytes = Math.ceil(capacityBytes * 1.5 / 2 ** 20) * 2 ** 20 + slackBytes;
  let arena: Arena | undefined;
  try {
    for (let tries = 0; tries < openTriesMax; tries++) {
      mkdirSync(folders.run, { recursive: true, mode: 0o700 });
      sweepOrphans(folders, undefined);
      arena = createArena(folders, writer, dataBytes, native);
      if (isWelcome(folders, writer)) return { arena, usage: usage({ folders, writer, capacityBytes, native }) };
      leave(folders, arena);
      arena = undefined;
    }
  } catch (error) {
    if (arena !== undefined) leave(folders, arena);
    throw troubleOf(error, `open store ${url}`);
  }
  throw new ShoalError("Unavailable", `Cannot open store ${url}: the run is being taken away; try again`);
}

function leave(folders: Folders, arena: Arena): void {
  arena.ended = true;
  arena.close();
  removeArena(folders, arena.writer);
}

/** A run that is over goes, unless somebody still has it open: then it goes with him. */
export function takeOver(folders: Folders, run: string, token: string): void {
  try {
    takeRun(folders, run, token);
  } catch (error) {
    if (!isShoalError(error, "Conflict")) throw error;
  }
}
