// What stands in a stream after a position, and what that says of what no longer does: trimmed, or lost by the server.
import { ShoalError } from "../error.ts";
import { isAfter, lost } from "../requests.ts";
import type { Entry, Position } from "../store.ts";
import { type Batch, batchOf, framesAfter, goesOn, idAt, idText } from "./entries.ts";
import { markCommand, markOf, type StreamKeys } from "./heads.ts";
import { streamEntries, type StreamEntry } from "./replies.ts";
import type { Servers } from "./servers.ts";

export interface Found {
  readonly entries: readonly Entry[];
  /** The id up to which the stream has been looked through. */
  readonly reached: string;
}

/** So many entries of the server's at once: each may hold many frames. */
const batchesAtOnce = 128;

function gap(name: string, after: Position, { epoch, first }: Batch): ShoalError {
  const through = { epoch, sequence: first - 1 };
  const what = `Cannot read ${name}: what stood up to ${epoch}-${
    first - 1
  } is not there any more; the server has lost it`;
  return new ShoalError("Lost", what, { cause: { after, through } });
}

/** The frames of a row of entries, where each goes on from the one before; `after` moves along. */
export function inRow(name: string, from: Position, found: readonly StreamEntry[], entriesMax: number): Entry[] {
  const entries: Entry[] = [];
  let after = from;
  for (const entry of found) {
    const batch = batchOf(entry);
    const last = { epoch: batch.epoch, sequence: batch.last };
    if (!isAfter(last, after) && batch.epoch <= after.epoch) continue;
    if (!goesOn(batch, after)) {
      // What goes before the gap is whole.
      if (entries.length > 0) break;
      throw gap(name, from, batch);
    }
    entries.push(...framesAfter(batch, after));
    if (entries.length >= entriesMax) return entries.slice(0, entriesMax);
    after = last;
  }
  return entries;
}

export async function readFrom(
  servers: Servers,
  { stream, mark }: StreamKeys,
  name: string,
  from: Position,
  entriesMax: number,
): Promise<Found> {
  const asked = { what: `read ${name}`, role: "control", writes: false } as const;
  const count = Math.min(entriesMax, batchesAtOnce);
  for (let start = idAt(from);;) {
    // In this order: a trim sets its mark first, so that whoever finds something missing finds the mark, too.
    const [range, marked] = await servers.calls(asked, stream, [
      ["XRANGE", stream, `(${start}`, "+", "COUNT", count],
      markCommand(mark),
    ]);
    const trimmed = markOf(marked);
    if (trimmed !== undefined && isAfter(trimmed, from)) throw lost(name, from, trimmed);
    const found = streamEntries(range);
    const last = found.at(-1);
    const entries = inRow(name, from, found, entriesMax);
    const reached = last === undefined ? start : idText(last.major - 1, last.minor);
    // Where all that was found is older than it looks, what is wanted comes behind it.
    if (entries.length > 0 || found.length < count) return { entries, reached };
    start = reached;
  }
}
