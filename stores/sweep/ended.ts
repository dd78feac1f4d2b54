// Whether a run is over: a claim, so that it stands on every store, and only what was said last counts.
import { ShoalError } from "../error.ts";
import type { Claims, Store } from "../store.ts";

/** The claim that says so. */
export const endedName = "shoal/run";
const name: string = endedName;
const triesMax = 100;

async function say(claims: Claims, value: "ended" | "resumed"): Promise<void> {
  for (let tries = 0; tries < triesMax; tries++) {
    const standing = await claims.claimed(name);
    if (standing?.value === value || (standing === undefined && value === "resumed")) return;
    const { held } = await claims.claim(name, (standing?.epoch ?? 0) + 1, value);
    if (held) return;
  }
  throw new ShoalError("Unavailable", `Cannot say that the run has ${value}: others say otherwise each time`);
}

/**
 * Says that a run has ended: nobody will resume it, and a sweep may free all it holds once nobody uses it any more.
 * What is only interrupted keeps everything.
 */
export async function endRun({ claims, others = [] }: Told): Promise<void> {
  // Home first: while it has not said so, a resume may want what the others hold.
  await say(claims, "ended");
  for (const other of others) await say(other.claims, "ended");
}

/** Says that a run that had ended goes on. */
export async function resumeRun({ claims, others = [] }: Told): Promise<void> {
  for (const other of others) await say(other.claims, "resumed");
  await say(claims, "resumed");
}

/** A store, and those that it is made of beside its home. */
type Told = Pick<Store, "claims" | "others">;

export async function hasEnded(claims: Claims): Promise<boolean> {
  return (await claims.claimed(name))?.value === "ended";
}
