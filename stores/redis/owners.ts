// Who has a run open: a key for each opening, which the server drops by its own clock when nobody renews it. Opening and
// sweeping follow one rule: first say that you are there, then look who else is; so neither can miss the other.
import { ShoalError } from "../error.ts";
import type { Owner } from "../sweep.ts";
import type { StoreEnvironment } from "../store.ts";
import { type Identity, ownIdentity, presenceOf } from "../sweep/identity.ts";
import type { Keys } from "./keys.ts";
import { textOf } from "./replies.ts";
import { scanned } from "./scan.ts";
import type { Asked, Servers } from "./servers.ts";

export interface Ownership {
  /** Why what this opening had is not its own any more. */
  readonly lost: ShoalError | undefined;
  leave(): Promise<void>;
}

const beatMs = 15_000;
const keptMs = 60_000;
const enterAsked: Asked = { what: "open store", role: "control", writes: true };
const ownersAsked: Asked = { what: "look who is there", role: "control", writes: false };

export async function enter(
  servers: Servers,
  keys: Keys,
  writer: string,
  environment: StoreEnvironment,
): Promise<Ownership> {
  const key = keys.owner(writer);
  const text = JSON.stringify({ ...ownIdentity(), since: new Date().toISOString() });
  let lost: ShoalError | undefined;
  let isLeft = false;
  let cancelTimer = (): void => {};

  const isGone = async (): Promise<boolean> => await servers.call(ownersAsked, keys.going, "EXISTS", keys.going) === 1;

  async function beat(): Promise<void> {
    try {
      const isKnown = await servers.call(enterAsked, key, "SET", key, text, "XX", "PX", keptMs) !== null;
      if (isKnown || isLeft) return;
      // It was away for long: somebody may have taken it for dead.
      await servers.call(enterAsked, key, "SET", key, text, "PX", keptMs);
      const isThere = await servers.call(ownersAsked, keys.part, "EXISTS", keys.part) === 1;
      if (isThere && !await isGone()) return;
      lost = new ShoalError("Lost", "Cannot use store: its run was taken away, or the server has lost it");
    } catch {
      // The server is away: the next beat tries again.
    }
  }

  function arm(): void {
    cancelTimer = environment.after(beatMs, () => void beat().then(() => isLeft || arm()));
  }

  await servers.call(enterAsked, key, "SET", key, text, "PX", keptMs);
  if (await isGone()) {
    await servers.call(enterAsked, key, "UNLINK", key);
    throw new ShoalError(
      "Conflict",
      "Cannot open store: its run is being swept; wait for that, or run shoal store sweep",
    );
  }
  arm();
  return {
    get lost() {
      return lost;
    },
    async leave() {
      isLeft = true;
      cancelTimer();
      await servers.call(enterAsked, key, "UNLINK", key).catch(() => {});
    },
  };
}

/** All who say that they have a run open. */
export async function ownersOf(servers: Servers, keys: Keys): Promise<Owner[]> {
  const start = keys.owner("");
  const found: Owner[] = [];
  for await (const { key } of scanned(servers, ownersAsked, `${start}*`)) {
    const reply = await servers.call(ownersAsked, key, "GET", key);
    if (reply === null) continue;
    const identity = JSON.parse(textOf(reply)) as Identity & { readonly since: string };
    const { pid, host, since } = identity;
    found.push({ writer: key.slice(start.length), presence: presenceOf(identity), pid, host, since });
  }
  return found;
}
