// Where everything lies. No name that a user chose becomes a path: runs and writers are checked, streams and claims
// are hashed, and each such folder keeps the full name in a file. What is not of this layout is left alone.
import { createHash } from "node:crypto";

//   <root>/<run>/tensors/<writer>/<hh>/<id>          one tensor each, 256 folders
//   <root>/<run>/tensors/<writer>/segments/<n>       small tensors, one after the other, appended by one process
//   <root>/<run>/tensors/<writer>/temp/<id>          being written; nobody else looks here
//   <root>/<run>/logs/<hh>/<stream>/name             the stream's full name
//   <root>/<run>/logs/<hh>/<stream>/<n>.open         the nth opening: its epoch and its writer. Only one can create it
//   <root>/<run>/logs/<hh>/<stream>/<n>.cut          where the nth opening ends, since there is a next one
//   <root>/<run>/logs/<hh>/<stream>/<n>.<first>.log  its frames, named by the first sequence in it
//   <root>/<run>/logs/<hh>/<stream>/<position>.trim  nothing up to here is promised any more
//   <root>/<run>/claims/<hh>/<claim>/name            the claim's full name
//   <root>/<run>/claims/<hh>/<claim>/<epoch>.claim   the value that came first in an epoch
// A writer is one opening of the store: its token is new each time, so that no id and no path is used twice.

/** Where a tensor lies, told by its id alone. */
export type Place =
  | { readonly kind: "file"; readonly writer: string; readonly count: number }
  | { readonly kind: "packed"; readonly writer: string; readonly segment: number; readonly offset: number };

const filePattern = /^([0-9a-f]{16})-f([0-9a-z]{1,11})$/;
const packedPattern = /^([0-9a-f]{16})-s([0-9a-z]{1,11})\.([0-9a-z]{1,7})$/;

export const isWriter = (name: string): boolean => /^[0-9a-f]{16}$/.test(name);

export function idOf(place: Place): string {
  const { writer } = place;
  if (place.kind === "file") return `${writer}-f${place.count.toString(36)}`;
  return `${writer}-s${place.segment.toString(36)}.${place.offset.toString(36)}`;
}

/** The place that an id names, or nothing where this store never made such an id. */
export function placeOf(id: string): Place | undefined {
  const [, writer = "", count] = filePattern.exec(id) ?? [];
  if (count !== undefined) return same(id, { kind: "file", writer, count: parseInt(count, 36) });
  const [, owner = "", segment, offset] = packedPattern.exec(id) ?? [];
  if (segment === undefined || offset === undefined) return undefined;
  return same(id, { kind: "packed", writer: owner, segment: parseInt(segment, 36), offset: parseInt(offset, 36) });
}

/** One tensor has one id: leading zeros would give it more. */
const same = (id: string, place: Place): Place | undefined => idOf(place) === id ? place : undefined;

export const fanOut = (count: number): string => (count % 256).toString(16).padStart(2, "0");
const digits = 16;
const padded = (value: number): string => value.toString().padStart(digits, "0");

export interface Layout {
  readonly run: string;
  readonly tensors: string;
  readonly logs: string;
  readonly claims: string;
  writer(writer: string): { readonly temp: string; readonly segments: string; readonly folder: string };
  tensor(place: Place): string;
  stream(name: string): string;
  claim(name: string): string;
}

export function layout(root: string, run: string): Layout {
  const base = `${root}/${run}`;
  const hashed = (kind: string, name: string): string => {
    const hash = createHash("sha256").update(name).digest("hex").slice(0, 40);
    return `${base}/${kind}/${hash.slice(0, 2)}/${hash}`;
  };
  const writer = (name: string): { temp: string; segments: string; folder: string } => {
    const folder = `${base}/tensors/${name}`;
    return { folder, temp: `${folder}/temp`, segments: `${folder}/segments` };
  };
  return {
    run: base,
    tensors: `${base}/tensors`,
    logs: `${base}/logs`,
    claims: `${base}/claims`,
    writer,
    tensor(place) {
      const { folder, segments } = writer(place.writer);
      if (place.kind === "packed") return `${segments}/${place.segment.toString(36)}`;
      return `${folder}/${fanOut(place.count)}/${idOf(place)}`;
    },
    stream: (name) => hashed("logs", name),
    claim: (name) => hashed("claims", name),
  };
}

/** The numbers in the names of a kind of file, in ascending order of the names. */
export function numbered(names: readonly string[], ending: string, parts: number): number[][] {
  const pattern = new RegExp(`^\\d{${digits}}(?:\\.\\d{${digits}}){${parts - 1}}\\.${ending}$`);
  return names.filter((name) => pattern.test(name)).sort()
    .map((name) => name.split(".").slice(0, parts).map(Number));
}

export const numberedName = (ending: string, ...numbers: number[]): string =>
  `${numbers.map((number) => padded(number)).join(".")}.${ending}`;
