// The tensors in a writer's files, read one head after the other, for who sweeps and who verifies.
import { type DiskFile, errnoOf, readAll, writeAll } from "../file/disk.ts";
import { isWriter, type Layout, type Place, placeOf } from "../file/layout.ts";
import { type Head, headBytesMax, idIn, type Mark, markBytes, markOffset, readHead } from "../file/record.ts";
import { tensorRef } from "../reference.ts";
import { isDtype, tensorBytes } from "../dtype.ts";
import type { TensorRef } from "../store.ts";
import { namesIn, type SweepDisk } from "./disk.ts";

export interface Standing {
  readonly id: string;
  readonly head: Head;
  readonly at: number;
}

/** The tensors of one file, up to where none begins; and whether that is its end. */
export interface Walked {
  readonly standing: readonly Standing[];
  readonly isWhole: boolean;
  readonly bytes: number;
}

const nothing: Walked = { standing: [], isWhole: false, bytes: 0 };

async function walk(file: DiskFile, kind: Place["kind"]): Promise<Walked> {
  const standing: Standing[] = [];
  const bytes = new Uint8Array(headBytesMax);
  const size = await file.size();
  let at = 0;
  while (at < size) {
    const head = readHead(bytes.subarray(0, await readAll(file, bytes, at)));
    if (head === undefined) break;
    standing.push({ id: idIn(head), head, at });
    at += head.recordBytes;
    // Behind a tensor that has a file of its own may lie what stood there before.
    if (kind === "file") return { standing, isWhole: true, bytes: size };
  }
  return { standing, isWhole: at >= size, bytes: size };
}

/** What stands in a file; nothing where it went meanwhile. */
export async function walked(disk: SweepDisk, path: string, kind: Place["kind"]): Promise<Walked> {
  try {
    const file = await disk.open(path, "read");
    try {
      return await walk(file, kind);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return nothing;
    throw error;
  }
}

/** Marks what stands in a file as gone for good, where it is not yet. */
export async function mark(disk: SweepDisk, path: string, at: number, as: Mark): Promise<void> {
  try {
    const file = await disk.open(path, "change");
    try {
      await writeAll(file, markBytes(as), at + markOffset);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
}

/** The writers that have made tensors. */
export async function writersIn(disk: SweepDisk, layout: Layout): Promise<string[]> {
  return (await namesIn(disk, layout.tensors, "folder")).filter(isWriter);
}

export interface WriterFile {
  readonly path: string;
  readonly kind: Place["kind"];
}

/** The files of a writer that hold tensors. */
export async function filesOf(disk: SweepDisk, layout: Layout, writer: string): Promise<WriterFile[]> {
  const { folder, segments } = layout.writer(writer);
  const found: WriterFile[] = [];
  for (const hh of await namesIn(disk, folder, "folder")) {
    if (!/^[0-9a-f]{2}$/.test(hh)) continue;
    for (const id of await namesIn(disk, `${folder}/${hh}`, "file")) {
      const place = placeOf(id);
      const path = `${folder}/${hh}/${id}`;
      if (place?.kind === "file" && layout.tensor(place) === path) found.push({ path, kind: "file" });
    }
  }
  for (const name of await namesIn(disk, segments, "file")) {
    if (/^[0-9a-z]+$/.test(name)) found.push({ path: `${segments}/${name}`, kind: "packed" });
  }
  return found;
}

/** The reference that a head stands for, or nothing where it says what no tensor is. */
export function refIn(head: Head, where: string): TensorRef | undefined {
  const [run = "", id = "", dtype = "", sizes = ""] = head.meta.split("\n");
  const shape = sizes === "" ? [] : sizes.split(",").map(Number);
  if (!isDtype(dtype)) return undefined;
  try {
    // Not the head's length: behind that of an adopted one stands only where its bytes are.
    return tensorRef({ run, id, dtype, shape, bytes: tensorBytes(dtype, shape), where });
  } catch {
    return undefined;
  }
}
