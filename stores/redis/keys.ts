// What everything is called on the servers. A run's names begin with the run's, so that a right to them is a right to
// this run only; names of users come last, whatever is in them. What must lie together has one tag in braces.
import { crc32 } from "../checksum.ts";

/** `l` logs, `m` how far each was trimmed, `n` claims, `x` lists of names, `b` bells. */
export type Kind = "l" | "m" | "n" | "x" | "b";

export interface Keys {
  readonly prefix: string;
  tensor(id: string): string;
  chunk(id: string, index: number): string;
  /** What says that a server is a part of this run. */
  readonly part: string;
  /** What says that the run is being taken away. */
  readonly going: string;
  /** One opening of the run. */
  owner(writer: string): string;
  /** The lane of a stream or a claim: its keys lie on one server. */
  laneOf(name: string): number;
  lane(lane: number, kind: Kind, name: string): string;
}

export function keys(space: string, run: string, lanes: number): Keys {
  const prefix = `${space}:${run}:`;
  return {
    prefix,
    tensor: (id) => `${prefix}t:${id}`,
    chunk: (id, index) => `${prefix}c:${id}:${index}`,
    part: `${prefix}part`,
    going: `${prefix}going`,
    owner: (writer) => `${prefix}o:${writer}`,
    laneOf: (name) => lanes === 1 ? 0 : crc32(name) % lanes,
    lane: (lane, kind, name) => `${prefix}{${run}.${lane}}:${kind}:${name}`,
  };
}

/** The lane that a key is of, if any. */
export function laneIn(key: string): number | undefined {
  const [, lane] = /^[^{}]*\{[^{}]*\.(\d+)\}/.exec(key) ?? [];
  return lane === undefined ? undefined : Number(lane);
}
