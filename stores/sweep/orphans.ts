// What writers that are gone have left in a run that goes on: half-made files, tensors whose lease is over, and what
// was released but could not be removed. Everything else is the run's own until it ends.
import { ifThere } from "../file/disk.ts";
import { type Layout, placeOf } from "../file/layout.ts";
import type { Orphan } from "../sweep.ts";
import { bytesIn, namesIn, removeIfEmpty, type SweepDisk } from "./disk.ts";
import { filesOf, mark, type Standing, walked, type WriterFile } from "./heads.ts";
import { goneName, type Lapses } from "./lapses.ts";
import { beatOf, type Claimant, ownersOf, sweepersOf } from "./owners.ts";
import { ownIdentity } from "./identity.ts";

export interface Scene {
  readonly disk: SweepDisk;
  readonly layout: Layout;
  readonly run: string;
  /** Who made tensors here, listed before the claimants were: whoever came later is not among them. */
  readonly writers: readonly string[];
  readonly claimants: readonly Claimant[];
  readonly lapses: Lapses;
  readonly dryRun: boolean;
}

/** Longer than the finest clock and the slowest write differ. */
const graceMs = 1_000;
const temporary = /^([0-9a-f]{16})-[0-9a-z]+\.temp$/;

/** Yields each orphan of a run as it is taken. */
export async function* orphansOf(scene: Scene): AsyncGenerator<Orphan, void, undefined> {
  const { writers, claimants, layout, disk } = scene;
  const byWriter = new Map(claimants.map((claimant) => [claimant.writer, claimant]));
  const dead = claimants.filter(({ isProvenDead }) => isProvenDead);
  yield* unlinked(scene, new Set(dead.map(({ writer }) => writer)));
  const leasing = new Set<string>();
  for (const writer of writers) {
    const claimant = byWriter.get(writer);
    if (claimant !== undefined && claimant.presence !== "dead") continue;
    // Who only showed no sign may wake up: what it may still append to stays.
    const isSure = claimant === undefined || claimant.isProvenDead;
    if (yield* ofWriter(scene, writer, isSure)) leasing.add(writer);
    if (!scene.dryRun && isSure) await tidy(disk, layout, writer, leasing.has(writer));
  }
  if (scene.dryRun) return;
  for (const { writer, folder } of dead) {
    await ifThere(disk.remove(`${layout.usage}/${writer}`));
    if (!leasing.has(writer)) await forget(disk, folder, writer);
  }
}

/** Answers whether tensors on a lease are left. */
async function* ofWriter(scene: Scene, writer: string, isSure: boolean): AsyncGenerator<Orphan, boolean, undefined> {
  const { disk, layout, run, dryRun } = scene;
  const { temp } = layout.writer(writer);
  for (const name of await namesIn(disk, temp, "file")) {
    if (placeOf(name) === undefined) continue;
    yield await taken(scene, `${temp}/${name}`, "half-made", "its writer is gone");
  }
  let goneMs: number | undefined;
  let isLeasing = false;
  for (const file of await filesOf(disk, layout, writer)) {
    const { standing, isWhole } = await walked(disk, file.path, file.kind);
    const live: Standing[] = [];
    for (const one of standing) {
      if (one.head.mark !== "live") continue;
      if (!("leaseMs" in one.head.lifetime)) {
        live.push(one);
        continue;
      }
      goneMs ??= await scene.lapses.goneMs(ownersOf(layout.run), writer, dryRun);
      if (goneMs < one.head.lifetime.leaseMs + graceMs) {
        isLeasing = true;
        live.push(one);
        continue;
      }
      if (!dryRun) await mark(disk, file.path, one.at, "late");
      yield { run, kind: "lapsed", what: one.id, bytes: one.head.bytes, why: "its lease is over" };
    }
    const isEmpty = isWhole && standing.length > 0 && live.length === 0;
    if (isEmpty && (isSure || file.kind === "file")) yield* emptied(scene, file, standing);
  }
  return isLeasing;
}

/** A file in which nothing stands any more. What lapsed just now was told already. */
async function* emptied(
  scene: Scene,
  { path }: WriterFile,
  standing: readonly Standing[],
): AsyncGenerator<Orphan, void, undefined> {
  const orphan = await taken(scene, path, "released", "all in it was released");
  if (!standing.some(({ head }) => head.mark === "live")) yield orphan;
}

async function taken(scene: Scene, path: string, kind: Orphan["kind"], why: string): Promise<Orphan> {
  const { disk, layout, run, dryRun } = scene;
  const bytes = await bytesIn(disk, path);
  if (!dryRun) await ifThere(disk.remove(path));
  return { run, kind, what: path.slice(layout.run.length + 1), bytes, why };
}

/** Small files that were written aside and never linked to their name. */
async function* unlinked(scene: Scene, dead: ReadonlySet<string>): AsyncGenerator<Orphan, void, undefined> {
  if (dead.size === 0) return;
  const { disk, layout } = scene;
  const folders = [layout.run, layout.usage, ownersOf(layout.run), sweepersOf(layout.run)];
  for (const base of [layout.logs, layout.claims]) {
    for (const hh of await namesIn(disk, base, "folder")) {
      for (const hash of await namesIn(disk, `${base}/${hh}`, "folder")) folders.push(`${base}/${hh}/${hash}`);
    }
  }
  for (const folder of folders) {
    for (const name of await namesIn(disk, folder, "file")) {
      const [, token = ""] = temporary.exec(name) ?? [];
      if (dead.has(token)) yield await taken(scene, `${folder}/${name}`, "half-made", "its writer is gone");
    }
  }
}

/** Folders that nothing is in, of a writer that will make nothing any more. */
async function tidy(disk: SweepDisk, layout: Layout, writer: string, isLeasing: boolean): Promise<void> {
  const { folder } = layout.writer(writer);
  const note = `${ownersOf(layout.run)}/${goneName(writer, ownIdentity().boot)}`;
  if (!isLeasing) await ifThere(disk.remove(note));
  for (const name of await namesIn(disk, folder, "folder")) await removeIfEmpty(disk, `${folder}/${name}`);
  await removeIfEmpty(disk, folder);
}

/** The record last: until then whoever comes after knows that it is dead. */
async function forget(disk: SweepDisk, folder: string, writer: string): Promise<void> {
  await ifThere(disk.remove(beatOf(folder, writer)));
  await ifThere(disk.remove(`${folder}/${writer}`));
}
