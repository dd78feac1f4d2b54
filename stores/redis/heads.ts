// Where streams end, and how far they were trimmed, as the server has it.
import { isAfter } from "../requests.ts";
import type { Position } from "../store.ts";
import { batchOf, type Head, nowhere } from "./entries.ts";
import type { Keys } from "./keys.ts";
import { idOf, pairs, streamEntries, textOf } from "./replies.ts";
import type { Reply } from "./client.ts";
import type { Asked, Servers } from "./servers.ts";

export interface StreamKeys {
  readonly stream: string;
  /** A stream of one entry, whose id is the position through which the other was trimmed: it only ever grows. */
  readonly mark: string;
}

export function streamKeys(keys: Keys, name: string): StreamKeys {
  const lane = keys.laneOf(name);
  return { stream: keys.lane(lane, "l", name), mark: keys.lane(lane, "m", name) };
}

/** What asks for the mark. */
export const markCommand = (
  mark: string,
): [string, ...(string | number)[]] => ["XREVRANGE", mark, "+", "-", "COUNT", 1];

export function markOf(reply: Reply | undefined): Position | undefined {
  const [entry] = streamEntries(reply);
  return entry && { epoch: entry.major - 1, sequence: entry.minor };
}

/** The last of a stream, whether it still stands or was trimmed; nothing where the stream was never opened. */
export async function headOf(servers: Servers, asked: Asked, { stream, mark }: StreamKeys): Promise<Head | undefined> {
  const [there, newest, marked] = await servers.calls(asked, stream, [
    ["EXISTS", stream],
    ["XREVRANGE", stream, "+", "-", "COUNT", 1],
    markCommand(mark),
  ]);
  if (there !== 1) return undefined;
  const [entry] = streamEntries(newest);
  const batch = entry && batchOf(entry);
  const trimmed = markOf(marked);
  if (
    batch !== undefined && (trimmed === undefined || isAfter({ epoch: batch.epoch, sequence: batch.last }, trimmed))
  ) {
    return { epoch: batch.epoch, sequence: batch.last, number: batch.number };
  }
  // Emptied by trims: the server still knows the last id that there was.
  const info = pairs(await servers.call(asked, stream, "XINFO", "STREAM", stream));
  const { major, minor } = idOf(textOf(info.get("last-generated-id")));
  const epoch = major - 1;
  if (epoch < 0) return nowhere;
  return { epoch, sequence: trimmed?.epoch === epoch ? trimmed.sequence : minor, number: minor };
}
