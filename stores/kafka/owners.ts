// Who has a run open: a record for each opening under its own key, said again while it lasts and taken back at its end.
// Whoever opens first says so, and then looks whether the run is being swept; who sweeps does it the other way round.
import { ShoalError } from "../error.ts";
import type { Owner } from "../sweep.ts";
import { identityFrom, ownIdentity, presenceOf } from "../sweep/identity.ts";
import type { Control } from "./control.ts";
import type { Head } from "./record.ts";

export interface Ownership {
  /** Why what this opening had is not its own any more. */
  readonly lost: ShoalError | undefined;
  leave(): Promise<void>;
}

export const ownerKey: string = "owner ";
/** Said once more at each opening: when that was. */
export const openedKey: string = "opened";
/** Stands while the run is taken away. */
export const goingKey: string = "going";
/** Stands for a place whose topics shoal has made, and not somebody else for it. */
export const madeKey: string = "made";

const beatMs = 60_000;
/** Another machine's process that has said nothing for so long is gone; clocks differ. */
const silentMsMax = 600_000;

export interface Entering {
  readonly control: Control;
  readonly writer: string;
  /** Whether the topics were made for this opening. */
  readonly isMade: boolean;
}

export async function enter({ control, writer, isMade }: Entering): Promise<Ownership> {
  const key = `${ownerKey}${writer}`;
  const since = new Date().toISOString();
  const record = (): Head => ({ k: "owner", ...ownIdentity(), since, at: Date.now() });
  let lost: ShoalError | undefined;
  let isLeft = false;

  async function beat(): Promise<void> {
    try {
      // Where somebody took it for dead, and the run away, its record is not there any more.
      const isKnown = await control.stands(key);
      if (isLeft) return;
      if (isKnown) return await control.say([[key, record()]]);
      lost = new ShoalError("Lost", "Cannot use store: its run was taken away");
    } catch {
      // The servers are away: the next beat tries again.
    }
  }

  const made: [string, Head][] = isMade ? [[`\n${madeKey}`, { k: "made" }]] : [];
  await control.say([[key, record()], [openedKey, { k: "opened", at: Date.now() }], ...made]);
  if (await control.stands(goingKey)) {
    await control.say([[key, undefined]]);
    throw new ShoalError(
      "Conflict",
      "Cannot open store: its run is being swept; wait for that, or run shoal store sweep",
    );
  }
  // By the machine's own clock, as is what was written: others compare that with theirs.
  const timer = setInterval(() => void (lost === undefined && beat()), beatMs);
  timer.unref();
  return {
    get lost() {
      return lost;
    },
    async leave() {
      isLeft = true;
      clearInterval(timer);
      await control.say([[key, undefined]]).catch(() => {});
    },
  };
}

/** What a record says of who wrote it. */
export function ownerOf(writer: string, head: Head): Owner | undefined {
  const identity = identityFrom(head);
  const { since, at } = head;
  if (identity === undefined || typeof since !== "string" || typeof at !== "number") return undefined;
  const presence = presenceOf(identity);
  const isSilent = presence === "elsewhere" && Date.now() - at > silentMsMax;
  return { writer, presence: isSilent ? "dead" : presence, pid: identity.pid, host: identity.host, since };
}
