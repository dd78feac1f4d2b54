// What streams and claims may be called, and what numbers their epochs. The same for every store: a name that one
// store would take and the next would mistake for another is refused by all.
import { ShoalError } from "./error.ts";

const nameCharactersMax = 1_024;
/** A lone surrogate: in UTF-8 all of them are one and the same replacement character. */
const illFormed = /\p{Surrogate}/u;

export function checkName(kind: string, name: string): void {
  if (typeof name !== "string" || name === "") throw new ShoalError("BadInput", `Cannot use ${kind}: it has no name`);
  if (name.length > nameCharactersMax) {
    const sizes = `${name.length} of at most ${nameCharactersMax} characters`;
    throw new ShoalError("BadInput", `Cannot use ${kind}: its name has ${sizes}`);
  }
  if (illFormed.test(name)) throw new ShoalError("BadInput", `Cannot use ${kind}: its name is not well-formed text`);
}

/** A whole number from 0 to 2^53 - 1. */
export const isEpoch = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;
