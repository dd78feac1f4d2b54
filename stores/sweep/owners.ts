// Who has opened a run in a folder: a record for each opening, linked whole, and beside it a beat that changes while
// its process lives. On one machine the process itself is looked at; of another only the beat is known.
import { Buffer } from "node:buffer";
import { isShoalError } from "../error.ts";
import { type Disk, errnoOf, ifThere, readAll } from "../file/disk.ts";
import { isWriter } from "../file/layout.ts";
import { wholes as fileWholes } from "../file/whole.ts";
import type { Owner, PlaceOptions } from "../sweep.ts";
import { type Identity, identityFrom, presenceOf } from "./identity.ts";

/** A store that uses the run, or a sweeper that wants it for itself. */
export type Role = "store" | "sweep";

export interface Claimant extends Owner {
  readonly role: Role;
  /** The folder of its record. */
  readonly folder: string;
  /** Its process was looked for on this machine and is not there: more than that no sign of it was seen. */
  readonly isProvenDead: boolean;
}

/** Apart, since of a thousand who open a run none is to look at all others for the one who sweeps. */
export const ownersOf = (runFolder: string): string => `${runFolder}/owners`;
export const sweepersOf = (runFolder: string): string => `${runFolder}/sweepers`;
export const beatOf = (folder: string, writer: string): string => `${folder}/${writer}.beat`;
export const leaseMsUnlessSaid = 60_000;

export interface Record {
  readonly role: Role;
  readonly since: string;
  readonly identity: Identity;
}

export const recordText = (record: Record): string => JSON.stringify(record);

function recordFrom(text: string): Record | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { role, since, identity }: { readonly [Key in keyof Record]?: unknown } = value;
  const who = identityFrom(identity);
  if (who === undefined || typeof since !== "string" || (role !== "store" && role !== "sweep")) return undefined;
  return { role, since, identity: who };
}

const nobody: Identity = { pid: 0, began: "", boot: "", space: "", host: "" };

/** All records of a run, of both kinds. */
export const everybody = async (disk: Disk, runFolder: string): Promise<Claimant[]> => [
  ...await claimants(disk, ownersOf(runFolder)),
  ...await claimants(disk, sweepersOf(runFolder)),
];

/** Those in a folder, each as far as it can be told at once: those elsewhere may be live or dead. */
export async function claimants(disk: Disk, folder: string): Promise<Claimant[]> {
  const wholes = fileWholes(disk, false, "");
  const found: Claimant[] = [];
  for (const writer of (await ifThere(disk.list(folder)) ?? []).sort()) {
    if (!isWriter(writer)) continue;
    let text: string | undefined;
    try {
      text = await wholes.read(folder, writer);
    } catch (error) {
      // Damaged: whether anybody is behind it, only its beat can tell.
      if (!isShoalError(error, "Corrupt")) throw error;
      text = "";
    }
    // It has just left.
    if (text === undefined) continue;
    const { role, since, identity } = recordFrom(text) ?? { role: "store", since: "", identity: nobody };
    const presence = presenceOf(identity);
    const { pid, host } = identity;
    found.push({ writer, role, folder, since, pid, host, presence, isProvenDead: presence === "dead" });
  }
  return found;
}

async function beatOfClaimant(disk: Disk, { folder, writer }: Claimant): Promise<string> {
  const file = await ifThere(disk.open(beatOf(folder, writer), "read"));
  if (file === undefined) return "";
  try {
    const bytes = Buffer.alloc(64);
    return bytes.toString("latin1", 0, await readAll(file, bytes, 0));
  } finally {
    await file.close();
  }
}

/** Watches those elsewhere for a lease, all at once: whose beat has not changed by then is dead. */
export async function watched(
  disk: Disk,
  all: readonly Claimant[],
  { environment, leaseMs = leaseMsUnlessSaid }: PlaceOptions,
): Promise<Claimant[]> {
  const beats = (): Promise<string[]> =>
    Promise.all(all.map(async (claimant) => {
      try {
        return await beatOfClaimant(disk, claimant);
      } catch (error) {
        // A folder that cannot be read now is no sign of death.
        return `${errnoOf(error)} ${environment.now()}`;
      }
    }));
  if (!all.some(({ presence }) => presence === "elsewhere")) return [...all];
  const before = await beats();
  await new Promise<void>((resolve) => environment.after(leaseMs, resolve));
  const after = await beats();
  return all.map((claimant, index) => {
    if (claimant.presence !== "elsewhere") return claimant;
    return { ...claimant, presence: before[index] === after[index] ? "dead" : "live" };
  });
}
