// The names that streams and claims were given, read back from the folders that stand for them.
import { isShoalError } from "../error.ts";
import { type Disk, errnoOf, ifThere } from "./disk.ts";
import { numbered } from "./layout.ts";
import { troubleOf } from "./trouble.ts";
import type { Wholes } from "./whole.ts";

/** The names below a folder that have a first file of their kind, in order. */
export async function namesBelow(
  disk: Disk,
  wholes: Wholes,
  base: string,
  prefix: string,
  ending: string,
): Promise<string[]> {
  const found: string[] = [];
  const entries = async (path: string): Promise<string[]> => {
    try {
      return await ifThere(disk.list(path)) ?? [];
    } catch (error) {
      // A file that somebody put here is not ours.
      if (errnoOf(error) === "ENOTDIR") return [];
      throw error;
    }
  };
  try {
    for (const hh of await entries(base)) {
      if (!/^[0-9a-f]{2}$/.test(hh)) continue;
      for (const hash of await entries(`${base}/${hh}`)) {
        if (!/^[0-9a-f]{40}$/.test(hash)) continue;
        const folder = `${base}/${hh}/${hash}`;
        const names = await entries(folder);
        if (numbered(names, ending, 1).length === 0) continue;
        const name = await nameOf(wholes, folder);
        if (name?.startsWith(prefix)) found.push(name);
      }
    }
  } catch (error) {
    throw troubleOf(error, "list names");
  }
  return found.sort();
}

async function nameOf(wholes: Wholes, folder: string): Promise<string | undefined> {
  try {
    return await wholes.read(folder, "name");
  } catch (error) {
    if (isShoalError(error, "Corrupt")) return undefined;
    throw error;
  }
}
