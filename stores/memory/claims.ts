// Claims in a map. One thread does one thing at a time, so that comparing and setting are one step.
import { ShoalError } from "../error.ts";
import { checkName } from "../names.ts";
import { checkClaim } from "../requests.ts";
import type { Claimed, Claims } from "../store.ts";

const namesMax = 1_000_000;

export function memoryClaims(throwIfClosed: () => void): Claims {
  const claimed = new Map<string, Claimed>();
  return {
    async claim(name, epoch, value) {
      throwIfClosed();
      checkClaim(name, epoch, value);
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
