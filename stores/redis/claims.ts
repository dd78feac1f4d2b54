// Claims as streams that keep one entry: its id is the epoch, and Redis takes an id only if it is above the last. So
// the first value of an epoch holds, a late one of an older epoch is refused, and nothing needs a script.
import { ShoalError } from "../error.ts";
import { checkName } from "../names.ts";
import { checkClaim } from "../requests.ts";
import type { Claimed, Claims } from "../store.ts";
import type { Keys } from "./keys.ts";
import type { Names } from "./names.ts";
import { streamEntries } from "./replies.ts";
import type { Servers } from "./servers.ts";
import { isBehind } from "./trouble.ts";

export interface RedisClaimsOptions {
  readonly servers: Servers;
  readonly keys: Keys;
  readonly names: Names;
  readonly throwIfClosed: () => void;
}

export function redisClaims({ servers, keys, names, throwIfClosed }: RedisClaimsOptions): Claims {
  const keyOf = (name: string): string => keys.lane(keys.laneOf(name), "n", name);

  async function standing(name: string): Promise<Claimed | undefined> {
    const key = keyOf(name);
    const asked = { what: `read claim ${name}`, role: "control", writes: false } as const;
    const [entry] = streamEntries(await servers.call(asked, key, "XREVRANGE", key, "+", "-", "COUNT", 1));
    if (entry === undefined) return undefined;
    // As JSON, because a lone surrogate would not come back from UTF-8 as it went.
    const value: unknown = JSON.parse(entry.fields[1]!.toString());
    if (typeof value !== "string") throw new ShoalError("Corrupt", "Cannot read claim: its value is no text");
    return { epoch: entry.major - 1, value };
  }

  return {
    async claim(name, epoch, value) {
      throwIfClosed();
      checkClaim(name, epoch, value);
      const key = keyOf(name);
      const asked = { what: `claim ${name}`, role: "control", writes: true } as const;
      await names.enter(name);
      try {
        await servers.call(asked, key, "XADD", key, "MAXLEN", 1, `${epoch + 1}-1`, "v", JSON.stringify(value));
        return { held: true, epoch, value };
      } catch (error) {
        if (!isBehind(error)) throw error;
      }
      const found = await standing(name);
      // It was refused by something that stood: a server that forgot that has lost what it had acknowledged.
      if (found === undefined) throw new ShoalError("Unavailable", `Cannot claim ${name}: the server has lost it`);
      return { held: found.epoch === epoch && found.value === value, ...found };
    },
    async claimed(name) {
      throwIfClosed();
      checkName("claim", name);
      return await standing(name);
    },
    async claims(prefix) {
      throwIfClosed();
      return await names.list(prefix);
    },
  };
}
