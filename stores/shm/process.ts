// Which process somebody is, as it stands in the head of a file, and whether he still lives. Where that cannot be told
// he lives: what is swept from under a living process is worse than what is left behind.
import { Buffer } from "node:buffer";
import { type Identity, identityFrom, ownIdentity, presenceOf } from "../sweep/identity.ts";

export interface Member {
  readonly identity: Identity;
  /** Which of its openings, where it is one: the writer of that. */
  readonly opening: string;
  /** When it came, in ISO form. */
  readonly since: string;
}

export const memberBytesMax = 512;

/** This process, now: padded, so that what was there before does not show. */
export function ownMember(opening: string = ""): Uint8Array {
  const bytes = Buffer.alloc(memberBytesMax);
  bytes.write(JSON.stringify({ identity: ownIdentity(), opening, since: new Date().toISOString() }));
  return bytes;
}

/** Reads it back, or nothing where none stands. */
export function memberFrom(bytes: Uint8Array): Member | undefined {
  const end = bytes.indexOf(0);
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes.subarray(0, end < 0 ? bytes.length : end)).toString());
    if (typeof value !== "object" || value === null || !("identity" in value) || !("since" in value)) return undefined;
    const identity = identityFrom(value.identity);
    if (identity === undefined || typeof value.since !== "string") return undefined;
    const opening = "opening" in value && typeof value.opening === "string" ? value.opening : "";
    return { identity, opening, since: value.since };
  } catch {
    return undefined;
  }
}

/** Whether a process of this host has not ended. */
export function isAlive({ identity }: Member): boolean {
  const { boot } = ownIdentity();
  // This memory is one machine's own: who was there before it started is not there now.
  if (identity.boot !== "" && boot !== "" && identity.boot !== boot) return false;
  return presenceOf(identity) !== "dead";
}

/** Whether a process of a number lives; another may have it by now. */
export function isNumberAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !(typeof error === "object" && error !== null && "code" in error && error.code === "ESRCH");
  }
}
