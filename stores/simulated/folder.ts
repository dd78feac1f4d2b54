// The real `file:` store on a disk that exists in memory: what a power cut leaves of it, POSIX decides and chance.
import { fileStore } from "../file.ts";
import { inlineStore } from "../inline.ts";
import type { Abilities, OpenOptions, StoreEnvironment } from "../store.ts";
import type { SimulatedBackend } from "./backend.ts";
import { type SimulatedDisk, simulatedDisk } from "./disk.ts";
import { direct } from "./way.ts";

export interface FolderOptions {
  /** From 0 to below 1: which writes are short, and what a power cut leaves. */
  readonly chance: () => number;
  /** `always` unless said: then what was acknowledged survives a power cut. */
  readonly fsync?: "always" | "never";
  readonly capacityBytes?: number;
  readonly full?: "wait" | "reject";
  readonly waitMs?: number;
}

export interface SimulatedFolder extends SimulatedBackend {
  readonly disk: SimulatedDisk;
}

const root = "/simulated";
const nobody: StoreEnvironment = { now: () => 0, after: () => () => {}, token: () => "0".repeat(16) };

/** A folder that has just been made, on a disk of its own. */
export async function simulatedFolder(
  { chance, fsync = "always", ...bounds }: FolderOptions,
): Promise<SimulatedFolder> {
  const disk = simulatedDisk({ chance });
  const probe = await fileStore({ root, run: "probe", environment: nobody, fsync, disk: simulatedDisk({ chance }) });
  const abilities: Abilities = probe.abilities;
  await probe.close();
  return {
    abilities,
    mishaps: ["unavailable", "full", "slow"],
    disk,
    async open(opening: OpenOptions, way = direct) {
      const { run, environment, strict } = opening;
      const store = await fileStore({ root, run, environment, strict, fsync, ...bounds, disk: disk.by(way) });
      return inlineStore(store, opening);
    },
    end: (level) => level === "power" ? disk.cut() : 0,
  };
}
