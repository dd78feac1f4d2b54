// Whether a run is over: a claim, so that it stands on every store, and only what was said last counts.
import { ShoalError } from "../error.ts";
import type { Claims } from "../store.ts";

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
export const endRun = (store: { readonly claims: Claims }): Promise<void> => say(store.claims, "ended");

/** Says that a run that had ended goes on. */
export const resumeRun = (store: { readonly claims: Claims }): Promise<void> => say(store.claims, "resumed");

export async function hasEnded(claims: Claims): Promise<boolean> {
  return (await claims.claimed(name))?.value === "ended";
}
