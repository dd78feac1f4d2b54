// What is left of caches whose processes were all killed, and of those who ended while others go on: away with it. A
// cache holds copies, so that nobody misses them.
import { lstatSync } from "node:fs";
import { type Folders, foldersOf, namesIn, removeArena } from "../shm/place.ts";
import { arenasOf, isOwned, takeRun } from "../shm/sweep.ts";
import { tensorRef } from "../reference.ts";
import type { Lying, Shelf } from "./shelf.ts";
import type { Store, TensorRef } from "../store.ts";

/** The cache as one opening has it. */
export interface Ground {
  readonly store: Store;
  readonly folders: Folders;
  readonly writer: string;
  readonly run: string;
  readonly shelf: Shelf;
}

const youngMs = 60_000;

/** Takes away the caches of others that nobody has open. */
export function abandoned(root: string, own: string): void {
  for (const name of namesIn(root)) {
    if (name === own || !/^cache-[0-9a-f]{16}$/.test(name)) continue;
    try {
      // One that is younger may be about to be opened.
      if (Date.now() - lstatSync(`${root}/${name}`).mtimeMs > youngMs) takeRun(foldersOf(root, name), name, own);
    } catch {
      // Somebody has it open, or takes it away himself: then it is not for us to do.
    }
  }
}

/** The reference of what lies in an arena. */
export const refOf = ({ run }: Ground, { id, bytes }: Lying): TensorRef<"uint8"> =>
  tensorRef({ run, id, dtype: "uint8", shape: [bytes], bytes, where: "shm:" });

/** Gives back what those left who have ended; answers whether there was anything. */
export function reclaimed({ folders, shelf, writer }: Ground): boolean {
  const ended = new Set<string>();
  for (const arena of arenasOf(folders, writer)) {
    if (isOwned(arena)) continue;
    ended.add(arena.writer);
    // Nobody finds anything in it from here on; who looks at something there goes on looking.
    arena.ended = true;
    removeArena(folders, arena.writer);
  }
  for (const { id, lying } of shelf.oldest()) if (ended.has(lying.writer)) shelf.remove(id, lying);
  return ended.size > 0;
}
