// Trims of a stream: first the mark, through which frame, and then the entries; so that a reader who finds something
// missing finds out why. The last id of a stream stays: a trim takes no fence away.
import { isAfter } from "../requests.ts";
import type { Position } from "../store.ts";
import { batchOf, idAt, idText } from "./entries.ts";
import type { StreamKeys } from "./heads.ts";
import { streamEntries } from "./replies.ts";
import { isShoalError } from "../error.ts";
import type { Asked, Servers } from "./servers.ts";
import { isBehind } from "./trouble.ts";

const entriesAtOnce = 8;

/** The last frame that stands at or before a position, and the id of its entry. */
async function lastThrough(
  servers: Servers,
  asked: Asked,
  stream: string,
  through: Position,
): Promise<{ readonly last: Position; readonly id: string } | undefined> {
  const isThrough = (position: Position): boolean => !isAfter(position, through);
  // Entries whose number is above the sequence of their frames may lie behind, too.
  for (let start = idAt(through);;) {
    const found = streamEntries(
      await servers.call(asked, stream, "XRANGE", stream, `(${start}`, "+", "COUNT", entriesAtOnce),
    );
    const batches = found.map(batchOf);
    const own = batches.findLast(({ epoch, first, frames }) =>
      frames.length > 0 && isThrough({ epoch, sequence: first })
    );
    const isEnd = batches.length < entriesAtOnce ||
      batches.some(({ epoch, first }) => !isThrough({ epoch, sequence: first }));
    if (own !== undefined && isEnd) {
      const sequence = own.epoch === through.epoch ? Math.min(own.last, through.sequence) : own.last;
      return { last: { epoch: own.epoch, sequence }, id: idText(own.epoch, own.number) };
    }
    if (isEnd) break;
    start = idText(batches.at(-1)!.epoch, batches.at(-1)!.number);
  }
  for (let end = idAt(through);;) {
    const found = streamEntries(
      await servers.call(asked, stream, "XREVRANGE", stream, end, "-", "COUNT", entriesAtOnce),
    );
    const batches = found.map(batchOf);
    const own = batches.find(({ frames }) => frames.length > 0);
    if (own !== undefined) {
      return { last: { epoch: own.epoch, sequence: own.last }, id: idText(own.epoch, own.number) };
    }
    if (batches.length < entriesAtOnce) return undefined;
    end = `(${idText(batches.at(-1)!.epoch, batches.at(-1)!.number)}`;
  }
}

export async function trim(
  servers: Servers,
  { stream, mark }: StreamKeys,
  name: string,
  through: Position,
): Promise<void> {
  const asked: Asked = { what: `trim ${name}`, role: "control", writes: true };
  const found = await lastThrough(servers, { ...asked, writes: false }, stream, through);
  if (found === undefined) return;
  const { last, id } = found;
  try {
    await servers.call(asked, stream, "XADD", mark, "MAXLEN", 1, idText(last.epoch, last.sequence), "t", "");
  } catch (error) {
    if (!isBehind(error)) {
      if (!isShoalError(error, "CapacityExceeded")) throw error;
      // No room for the mark, and room is what a trim makes. One entry stays, to show that those before it are gone.
      await servers.call(asked, stream, "XTRIM", stream, "MINID", id);
      return;
    }
  }
  await servers.call(asked, stream, "XTRIM", stream, "MINID", idText(last.epoch, last.sequence + 1));
}
