// What stands in the arenas of others, for a sweeper, and for whoever wants to see. Garbage is passed over.
import { isShoalError } from "../error.ts";
import type { TensorEntry } from "../store.ts";
import { type Arena, marks } from "./arena.ts";
import type { Guests } from "./guests.ts";
import { type Folders, idOf, isWriter, namesIn } from "./place.ts";
import { states } from "./record.ts";

function arenaAt(guests: Guests, writer: string): Arena | undefined {
  try {
    return guests.arena(writer);
  } catch (error) {
    if (isShoalError(error)) return undefined;
    throw error;
  }
}

export function* listed(
  folders: Folders,
  guests: Guests,
  own: string,
  run: string,
): Generator<TensorEntry, void, undefined> {
  for (const writer of namesIn(folders.arenas)) {
    const arena = isWriter(writer) && writer !== own ? arenaAt(guests, writer) : undefined;
    if (arena === undefined) continue;
    // All at once: between two of them the arena may be left.
    const entries: TensorEntry[] = [];
    for (const slot of arena.standing()) {
      const told = arena.told(slot);
      // Released, and perhaps another by now, while it was read.
      if (told === undefined || arena.state(slot) !== states.sealed || arena.mark(slot) !== marks.none) continue;
      entries.push({ id: idOf({ writer, slot, count: told.count }), run, bytes: told.bytes, state: "sealed" });
    }
    yield* entries;
  }
}
