// Leases in the arenas of those who are gone, whom nobody lets lapse: they are counted from when a sweep first found
// their owner gone, in the machine's own time since its start, which no clock that is set can move.
import { uptimeMs } from "../sweep/lapses.ts";
import { type Arena, marks } from "./arena.ts";
import { type Folders, idOf } from "./place.ts";
import { roster } from "./roster.ts";
import { arenasOf, isOwned } from "./sweep.ts";

export interface Lapsed {
  readonly id: string;
  readonly bytes: number;
}

export interface LapsingOptions {
  readonly folders: Folders;
  /** Says what it would take, and takes nothing. */
  readonly dryRun: boolean;
  /** The machine's time since its start; nothing where it cannot be read. */
  readonly now?: () => number | undefined;
}

const tickMs = 100;
/** Longer than two looks at the same clock differ. */
const graceMs = 1_000;

/** How long the owner of an arena is known to be gone; 0 where it was not known before. */
function goneMs(arena: Arena, nowMs: number, dryRun: boolean): number {
  // No machine finds somebody gone in its first moment; and where its time is less than that, it has been started anew.
  const ticks = Math.max(1, Math.floor(nowMs / tickMs));
  const { left } = arena;
  if (left > 0 && left <= ticks) return (ticks - left) * tickMs;
  if (!dryRun) arena.left = ticks;
  return 0;
}

/** Lets lapse what is over, and is pinned by nobody, and yields each. */
export function* lapsedIn({ folders, dryRun, now = uptimeMs }: LapsingOptions): Generator<Lapsed, void, undefined> {
  const nowMs = now();
  if (nowMs === undefined) return;
  for (const arena of arenasOf(folders, undefined)) {
    if (arena.ended || isOwned(arena)) continue;
    const sinceMs = goneMs(arena, nowMs, dryRun);
    const readers = roster(arena, undefined);
    try {
      for (const slot of arena.standing()) {
        const told = arena.told(slot);
        if (told === undefined || !("leaseMs" in told.lifetime)) continue;
        if (sinceMs < told.lifetime.leaseMs + graceMs || readers.isPinned(slot)) continue;
        if (!dryRun) arena.setMark(slot, marks.late);
        yield { id: idOf({ writer: arena.writer, slot, count: told.count }), bytes: told.bytes };
      }
    } finally {
      readers.close();
    }
  }
}
