// What users may write into options: the keys and values that mean something, and the nearest of them for those that
// do not.

import { nearest, ShoalError } from "../stores/error.ts";
import { faultOf, type Supervision } from "./supervision.ts";
import type { Limits } from "./system.ts";

/** Refuses a key that nobody would read. `what` says where it stands: "Cannot launch". */
export function checkKeys(what: string, given: object, known: readonly string[]): void {
  for (const key of Object.keys(given)) {
    if (known.includes(key)) continue;
    const near = nearest(key, known);
    const hint = near === undefined ? `known are ${known.join(", ")}` : `did you mean ${near}?`;
    throw new ShoalError("BadInput", `${what}: there is no option ${key}; ${hint}`);
  }
}

/** The limits that hold, from those that were given. */
export function limitsFrom(what: string, usual: Limits, given: Partial<Limits> | undefined): Limits {
  if (given === undefined) return usual;
  checkKeys(what, given, Object.keys(usual));
  for (const [name, value] of Object.entries(given)) {
    if (typeof value === "number" && value >= 0) continue;
    throw new ShoalError("BadInput", `${what}: limits.${name} is ${String(value)}, expected a number from 0`);
  }
  return { ...usual, ...given };
}

/** The policy that holds, from what was given. */
export function supervisionFrom(
  what: string,
  usual: Supervision,
  given: Partial<Supervision> | undefined,
): Supervision {
  if (given === undefined) return usual;
  checkKeys(what, given, Object.keys(usual));
  const policy = { ...usual, ...given };
  const fault = faultOf(policy);
  if (fault !== undefined) throw new ShoalError("BadInput", `${what}: supervision.${fault}`);
  return policy;
}
