// What tensors stand on the disk, of all writers: for a sweeper, and for whoever wants to see. Garbage is passed over.
import type { TensorEntry } from "../store.ts";
import { type Disk, errnoOf, readAll } from "./disk.ts";
import { isWriter, type Layout, placeOf } from "./layout.ts";
import { type Head, headBytesMax, idIn, readHead } from "./record.ts";
import { troubleOf } from "./trouble.ts";

/** What is not a folder, or is not there any more, holds nothing. */
async function namesIn(disk: Disk, path: string): Promise<string[]> {
  try {
    return (await disk.list(path)).sort();
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return [];
    throw troubleOf(error, "list tensors");
  }
}

async function* headsOf(disk: Disk, path: string): AsyncGenerator<{ readonly head: Head; readonly at: number }> {
  try {
    const file = await disk.open(path, "read");
    try {
      const bytes = new Uint8Array(headBytesMax);
      for (let at = 0;;) {
        const length = await readAll(file, bytes, at);
        const head = readHead(bytes.subarray(0, length));
        if (head === undefined) return;
        yield { head, at };
        at += head.recordBytes;
      }
    } finally {
      await file.close();
    }
  } catch (error) {
    // Released, or put here by somebody else, while the listing ran.
    if (!["ENOENT", "EISDIR", "EACCES"].includes(errnoOf(error))) throw troubleOf(error, "list tensors");
  }
}

/** A writer's tensors that stand; of an adopted one, the bytes of what is recorded of it. */
export async function* standingOf(
  disk: Disk,
  layout: Layout,
  writer: string,
): AsyncGenerator<{ readonly id: string; readonly bytes: number }, void, undefined> {
  const { folder, segments } = layout.writer(writer);
  for (const hh of await namesIn(disk, folder)) {
    if (!/^[0-9a-f]{2}$/.test(hh)) continue;
    for (const id of await namesIn(disk, `${folder}/${hh}`)) {
      const place = placeOf(id);
      if (place?.kind !== "file" || layout.tensor(place) !== `${folder}/${hh}/${id}`) continue;
      for await (const { head } of headsOf(disk, `${folder}/${hh}/${id}`)) {
        if (idIn(head) === id && head.mark === "live") yield { id, bytes: head.bytes };
        break;
      }
    }
  }
  for (const segment of await namesIn(disk, segments)) {
    for await (const { head, at } of headsOf(disk, `${segments}/${segment}`)) {
      const id = idIn(head);
      const place = placeOf(id);
      if (place?.kind !== "packed" || place.offset !== at || layout.tensor(place) !== `${segments}/${segment}`) break;
      if (head.mark === "live") yield { id, bytes: head.bytes };
    }
  }
}

/** What all who make tensors are called. */
export async function writersOf(disk: Disk, layout: Layout): Promise<string[]> {
  return (await namesIn(disk, layout.tensors)).filter(isWriter);
}

export async function* listed(disk: Disk, layout: Layout, run: string): AsyncGenerator<TensorEntry, void, undefined> {
  for (const writer of await writersOf(disk, layout)) {
    for await (const { id, bytes } of standingOf(disk, layout, writer)) yield { id, run, bytes, state: "sealed" };
  }
}
