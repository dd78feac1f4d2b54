// When a lease lapses whose owner is gone: it is counted from when a sweep first found it so, in the machine's own time
// since its start, which no clock that is set can move. On another machine, or after a new start, it counts anew.
import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import { isShoalError } from "../error.ts";
import { errnoOf } from "../file/disk.ts";
import type { Wholes } from "../file/whole.ts";
import { ownIdentity } from "./identity.ts";

export interface Lapses {
  /** How long the owner of a writer's tensors is known to be gone; 0 where it was not known before this call. */
  goneMs(owners: string, writer: string, dryRun: boolean): Promise<number>;
}

/** The machine's time since its start; nothing where it cannot be read. */
export function uptimeMs(): number | undefined {
  try {
    const seconds = Number(Buffer.from(readFileSync("/proc/uptime")).toString().split(" ")[0]);
    return Number.isFinite(seconds) ? seconds * 1_000 : undefined;
  } catch {
    return undefined;
  }
}

export const goneName = (writer: string, boot: string): string => `${writer}.gone-${boot}`;

export function lapses(wholes: Wholes, now: () => number | undefined = uptimeMs): Lapses {
  return {
    async goneMs(owners, writer, dryRun) {
      const { boot } = ownIdentity();
      const at = now();
      if (boot === "" || at === undefined) return 0;
      const name = goneName(writer, boot);
      let since: number;
      try {
        const noted = await wholes.read(owners, name);
        since = Number(noted ?? at);
        // Nobody is told that the run was used when it was only looked at.
        if (noted === undefined && !dryRun) await wholes.place(owners, name, `${at}`);
      } catch (error) {
        // Damaged, or no room for it: the lease is counted from a later sweep on.
        if (!isShoalError(error, "Corrupt") && !["ENOSPC", "EDQUOT"].includes(errnoOf(error))) throw error;
        return 0;
      }
      return Math.max(0, at - since);
    },
  };
}
