// One client for all stores of this thread that go to the same servers in the same way: connections cost a broker more
// than requests do.
import { type Client, client, type ClientOptions } from "./client.ts";

interface Shared {
  readonly client: Client;
  users: number;
}

const all = new Map<string, Shared>();

export interface Lent {
  readonly client: Client;
  giveBack(): void;
}

/** A client, which ends when nobody needs it any more. `key` says all in which clients differ. */
export function lent(key: string, options: ClientOptions): Lent {
  const shared = all.get(key) ?? { client: client(options), users: 0 };
  all.set(key, shared);
  shared.users += 1;
  let isGiven = false;
  return {
    client: shared.client,
    giveBack() {
      if (isGiven) return;
      isGiven = true;
      shared.users -= 1;
      if (shared.users > 0) return;
      shared.client.close();
      if (all.get(key) === shared) all.delete(key);
    },
  };
}
