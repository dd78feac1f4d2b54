// Reads all that stands in a run and says what is not as it was written. It reads as a program does, through the store,
// and beside that looks for what a program would never be told of: damage that hides what lies behind it.
import { Buffer } from "node:buffer";
import { isShoalError } from "../error.ts";
import { fileStore } from "../file.ts";
import { readAll } from "../file/disk.ts";
import { type Layout, layout as fileLayout, placeOf } from "../file/layout.ts";
import { readHead } from "../file/record.ts";
import { wholes as fileWholes } from "../file/whole.ts";
import type { Position, Store } from "../store.ts";
import type { PlaceOptions, Verified } from "../sweep.ts";
import { namesIn, type SweepDisk } from "./disk.ts";
import { filesOf, refIn, type Standing, walked, type WriterFile, writersIn } from "./heads.ts";

export interface VerifyOptions {
  readonly disk: SweepDisk;
  readonly root: string;
  readonly run: string;
  readonly environment: PlaceOptions["environment"];
}

const magic = Buffer.from("shoalT1\n");
const windowBytes = 2 ** 20;

export async function* verifyRun(options: VerifyOptions): AsyncGenerator<Verified, void, undefined> {
  const { disk, root, run, environment } = options;
  let store: Store;
  try {
    store = await fileStore({ root, run, environment });
  } catch (error) {
    if (!isShoalError(error, "Incompatible") && !isShoalError(error, "Corrupt")) throw error;
    return yield { run, kind: "run", name: run, bytes: 0, trouble: error.message };
  }
  try {
    const layout = fileLayout(root, run);
    for (const writer of await writersIn(disk, layout)) {
      for (const file of await filesOf(disk, layout, writer)) yield* tensorsOf(options, store, layout, file);
    }
    yield* named(options, layout, "stream", layout.logs, (name) => readStream(store, name));
    yield* named(options, layout, "claim", layout.claims, async (name) => {
      const claim = await store.claims.claimed(name);
      return claim === undefined ? 0 : Buffer.byteLength(claim.value);
    });
  } finally {
    await store.close();
  }
}

async function* tensorsOf(
  { disk, run }: VerifyOptions,
  store: Store,
  layout: Layout,
  { path, kind }: WriterFile,
): AsyncGenerator<Verified, void, undefined> {
  const short = path.slice(layout.tensors.length + 1);
  const { standing, isWhole, bytes } = await walked(disk, path, kind);
  for (const one of standing) {
    if (one.head.mark === "gone" || one.head.mark === "late") continue;
    const verified = { run, kind: "tensor", name: one.id, bytes: one.head.bytes } as const;
    const trouble = await troubleOf(disk, store, layout, path, one);
    yield trouble === undefined ? verified : { ...verified, trouble };
  }
  const last = standing.at(-1);
  const end = last === undefined ? 0 : last.at + last.head.recordBytes;
  // A torn tail is what a crash leaves of what was never acknowledged. A tensor behind it was.
  const isHidden = !isWhole && (kind === "file" ? bytes > 0 : await standsBehind(disk, layout, path, end));
  if (isHidden) yield { run, kind: "tensor", name: short, bytes: bytes - end, trouble: `damaged from byte ${end} on` };
}

async function troubleOf(
  disk: SweepDisk,
  store: Store,
  layout: Layout,
  path: string,
  one: Standing,
): Promise<string | undefined> {
  const place = placeOf(one.id);
  const isHome = place !== undefined && layout.tensor(place) === path &&
    (place.kind === "file" || place.offset === one.at);
  if (!isHome) return "it is another's: it says that it belongs elsewhere";
  const ref = refIn(one.head, `${store.url}`);
  if (ref === undefined) return "its head is not one";
  try {
    (await store.tensors.get(ref)).done();
  } catch (error) {
    const isGone = isShoalError(error, "Missing") || isShoalError(error, "Expired");
    // Released, or lapsed, while it was looked at; unless it still says that it stands, and what it stands for is gone.
    const { standing } = await walked(disk, path, place.kind);
    if (isGone && !standing.some(({ id, head }) => id === one.id && head.mark === "live")) return undefined;
    return error instanceof Error ? error.message : String(error);
  }
  return undefined;
}

/** Whether a tensor that knows its place stands somewhere behind the end of those that can be read in a row. */
async function standsBehind(disk: SweepDisk, layout: Layout, path: string, end: number): Promise<boolean> {
  const file = await disk.open(path, "read");
  try {
    const window = Buffer.alloc(windowBytes);
    for (let start = end;; start += windowBytes / 2) {
      const length = await readAll(file, window, start);
      for (let at = window.indexOf(magic); at >= 0 && at < length; at = window.indexOf(magic, at + 1)) {
        const head = readHead(window.subarray(at, length));
        const place = head && placeOf(head.meta.split("\n")[1] ?? "");
        if (place?.kind === "packed" && place.offset === start + at && layout.tensor(place) === path) return true;
      }
      if (length < windowBytes) return false;
    }
  } finally {
    await file.close();
  }
}

async function readStream(store: Store, name: string): Promise<number> {
  let bytes = 0;
  let after: Position | undefined;
  for (;;) {
    let entries;
    try {
      entries = await store.logs.read(name, after);
    } catch (error) {
      const through = isShoalError(error, "Lost") ? throughOf(error.cause) : undefined;
      if (through === undefined) throw error;
      after = through;
      continue;
    }
    for (const { frame } of entries) bytes += frame.byteLength;
    const last = entries.at(-1);
    if (last === undefined) return bytes;
    after = { epoch: last.epoch, sequence: last.sequence };
  }
}

/** Where a stream was trimmed to, as the error of who came too late says. */
function throughOf(cause: unknown): Position | undefined {
  if (typeof cause !== "object" || cause === null || !("through" in cause)) return undefined;
  const { through } = cause;
  if (typeof through !== "object" || through === null || !("epoch" in through) || !("sequence" in through)) {
    return undefined;
  }
  const { epoch, sequence } = through;
  return typeof epoch === "number" && typeof sequence === "number" ? { epoch, sequence } : undefined;
}

async function* named(
  { disk, run }: VerifyOptions,
  layout: Layout,
  kind: "stream" | "claim",
  base: string,
  read: (name: string) => Promise<number>,
): AsyncGenerator<Verified, void, undefined> {
  const wholes = fileWholes(disk, false, "");
  for (const hh of await namesIn(disk, base, "folder")) {
    for (const hash of await namesIn(disk, `${base}/${hh}`, "folder")) {
      const folder = `${base}/${hh}/${hash}`;
      let shown = hash;
      let bytes = 0;
      let trouble: string | undefined;
      try {
        const name = await wholes.read(folder, "name");
        // Begun by somebody who was cut off before it stood for anything.
        if (name === undefined) continue;
        shown = name;
        if (layout[kind](name) !== folder) trouble = "it stands in the place of another name";
        else bytes = await read(name);
      } catch (error) {
        trouble = error instanceof Error ? error.message : String(error);
      }
      yield trouble === undefined ? { run, kind, name: shown, bytes } : { run, kind, name: shown, bytes, trouble };
    }
  }
}
