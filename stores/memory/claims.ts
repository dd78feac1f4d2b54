// Claims in a map. One thread does one thing at a time, so that comparing and setting are one step.
import { ShoalError } from "../error.ts";
import { checkName, isEpoch } from "../names.ts";
import type { Claimed, Claims } from "../store.ts";

const valueCharactersMax = 65_536;
const namesMax = 1_000_000;

export function memoryClaims(throwIfClosed: () => void): Claims {
  const claimed = new Map<string, Claimed>();
  return {
    async claim(name, epoch, value) {
      throwIfClosed();
      checkName("claim", name);
      if (!isEpoch(epoch)) throw new ShoalError("BadInput", `Cannot claim ${name}: epoch ${epoch} is not one`);
      if (typeof value !== "string") throw new ShoalError("BadInput", `Cannot claim ${name}: its value is no text`);
      if (value.length > valueCharactersMax) {
        const sizes = `${value.length} of at most ${valueCharactersMax} characters`;
        throw new ShoalError("TooLarge", `Cannot claim ${name}: its value has ${sizes}`);
      }
      const standing = claimed.get(name);
      if (standing === undefined || epoch > standing.epoch) {
        if (standing === undefined && claimed.size >= namesMax) {
          throw new ShoalError("CapacityExceeded", `Cannot claim ${name}: store holds ${namesMax} names`);
        }
        claimed.set(name, { epoch, value });
        return { held: true, epoch, value };
      }
      return { held: standing.epoch === epoch && standing.value === value, ...standing };
    },
    async claimed(name) {
      throwIfClosed();
      checkName("claim", name);
      const standing = claimed.get(name);
      return standing === undefined ? undefined : { ...standing };
    },
    async claims(prefix) {
      throwIfClosed();
      return [...claimed.keys()].filter((name) => name.startsWith(prefix)).sort();
    },
  };
}
