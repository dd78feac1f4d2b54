// What users may write into options: the keys and values that mean something, and the nearest of them for those that
// do not.

import { nearest, ShoalError } from "../stores/error.ts";
import { faultOf, type Supervision } from "./supervision.ts";
import type { Limits, StopOptions } from "./system.ts";

/** Refuses a key that nobody would read. `what` says where it stands: "Cannot launch". */
export function checkKeys(what: string, given: object, known: readonly string[]): void {
  for (const key of Object.keys(given)) {
    if (known.includes(key)) continue;
    const near = nearest(key, known);
    const hint = near === undefined ? `known are ${known.join(", ")}` : `did you mean ${near}?`;
    throw new ShoalError("BadInput", `${what}: there is no option ${key}; ${hint}`);
  }
}

/** Refuses what is no object of options. */
function checkObject(what: string, name: string, given: unknown): void {
  if (typeof given === "object" && given !== null && !Array.isArray(given)) return;
  throw new ShoalError("BadInput", `${what}: ${name} is ${String(given)}, expected an object`);
}

/** The limits that hold, from those that were given. */
export function limitsFrom(what: string, usual: Limits, given: Partial<Limits> | undefined): Limits {
  if (given === undefined) return usual;
  checkObject(what, "limits", given);
  checkKeys(what, given, Object.keys(usual));
  for (const [name, value] of Object.entries(given)) {
    const isNumber = typeof value === "number" && value >= 0;
    // Times may be fractions; what is counted is whole, or without end.
    if (isNumber && (name.endsWith("Ms") || Number.isInteger(value) || value === Number.POSITIVE_INFINITY)) continue;
    const expected = name.endsWith("Ms") ? "a number from 0" : "a whole number from 0";
    throw new ShoalError("BadInput", `${what}: limits.${name} is ${String(value)}, expected ${expected}`);
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
  checkObject(what, "supervision", given);
  checkKeys(what, given, Object.keys(usual));
  const policy = { ...usual, ...given };
  const fault = faultOf(policy);
  if (fault !== undefined) throw new ShoalError("BadInput", `${what}: supervision.${fault}`);
  return policy;
}

/** What a value must be, by the name of its option. */
export type Kinds = { readonly [name: string]: "string" | "boolean" | "function" | "natural" };

/** Refuses a value that is not of the kind its option has. */
export function checkKinds(what: string, given: object, kinds: Kinds): void {
  for (const [name, value] of Object.entries(given)) {
    const kind = kinds[name];
    if (value === undefined || kind === undefined) continue;
    if (kind === "natural" ? Number.isSafeInteger(value) && value >= 0 : typeof value === kind) continue;
    const expected = kind === "natural" ? "a whole number from 0" : `a ${kind}`;
    throw new ShoalError("BadInput", `${what}: ${name} is ${String(value)}, expected ${expected}`);
  }
}

/** Refuses options of a stop that mean nothing, before anything is stopped. */
export function checkStop(what: string, options: StopOptions): void {
  checkKeys(what, options, ["now", "timeoutMs"]);
  const { now, timeoutMs } = options;
  if (now !== undefined && typeof now !== "boolean") {
    throw new ShoalError("BadInput", `${what}: now is ${String(now)}, expected a boolean`);
  }
  if (timeoutMs !== undefined && !(typeof timeoutMs === "number" && timeoutMs >= 0)) {
    throw new ShoalError("BadInput", `${what}: timeoutMs is ${String(timeoutMs)}, expected a number from 0`);
  }
}
