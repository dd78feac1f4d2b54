// Where everything lies. No name that a user chose becomes a path: runs and writers are checked, streams and claims
// are hashed, and each such folder keeps the full name in a file. What is not of this layout is left alone.
import { createHash } from "node:crypto";

//   <root>/<run>/layout                              which layout this is, for a shoal that knows another
//   <root>/<run>/owners/<writer>                     who has the run open, and a beat beside it: sweep/owners.ts
//   <root>/<run>/sweepers/<writer>                   the same of who is about to take the run away
//   <root>/<run>/usage/<writer>                      what a writer takes of the run's capacity: usage.ts
//   <root>/.swept-<token>                            a run that a sweep took away, being removed
//   <root>/<run>/tensors/<writer>/<hh>/<id>          one tensor each, or what is recorded of an adopted one; 256 folders
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
  | { readonly kind: "file"; readonly writer: string; readonly count: number; readonly isAdopted: boolean }
  | { readonly kind: "packed"; readonly writer: string; readonly segment: number; readonly offset: number };

// One tensor has one id: leading zeros would give it more.
const filePattern = /^([0-9a-f]{16})-([fa])(0|[1-9a-z][0-9a-z]{0,9})$/;
const packedPattern = /^([0-9a-f]{16})-s(0|[1-9a-z][0-9a-z]{0,9})\.(0|[1-9a-z][0-9a-z]{0,6})$/;

export const folderOf = (path: string): string => path.slice(0, path.lastIndexOf("/"));

export const isWriter = (name: string): boolean => /^[0-9a-f]{16}$/.test(name);

export function idOf(place: Place): string {
  const { writer } = place;
  if (place.kind === "file") return `${writer}-${place.isAdopted ? "a" : "f"}${place.count.toString(36)}`;
  return `${writer}-s${place.segment.toString(36)}.${place.offset.toString(36)}`;
}

/** The place that an id names, or nothing where this store never made such an id. */
export function placeOf(id: string): Place | undefined {
  const file = filePattern.exec(id);
  if (file !== null) {
    const [, writer = "", kind, count = ""] = file;
    return { kind: "file", writer, count: parseInt(count, 36), isAdopted: kind === "a" };
  }
  const [, writer = "", segment, offset] = packedPattern.exec(id) ?? [];
  if (segment === undefined || offset === undefined) return undefined;
  return { kind: "packed", writer, segment: parseInt(segment, 36), offset: parseInt(offset, 36) };
}

/** Whether an id is that of a tensor whose bytes lie in a file of somebody else's. */
export const isAdoptedId = (id: string): boolean => id.startsWith("-a", 16);

const fanOutMax = 256;
const togetherMax = 256;
/** One folder is filled before the next is made, and after the last the first again: small stores need few. */
export const fanOut = (count: number): number => Math.floor(count / togetherMax) % fanOutMax;
const digits = 16;
const padded = (value: number): string => value.toString().padStart(digits, "0");

export interface Layout {
  readonly run: string;
  readonly tensors: string;
  readonly logs: string;
  readonly claims: string;
  readonly usage: string;
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
    usage: `${base}/usage`,
    writer,
    tensor(place) {
      const { folder, segments } = writer(place.writer);
      if (place.kind === "packed") return `${segments}/${place.segment.toString(36)}`;
      return `${folder}/${fanOut(place.count).toString(16).padStart(2, "0")}/${idOf(place)}`;
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
