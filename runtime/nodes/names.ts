// Names that all nodes know: each is a claim in the store they share, so that one actor has it, wherever it lives.

import { ShoalError } from "../../stores/error.ts";
import type { Claims } from "../../stores/store.ts";
import type { Environment } from "../environment.ts";
import { persistently } from "./patience.ts";

/** Whom a name means. */
export interface Named {
  readonly id: string;
  /** Its class, as nodes call it. */
  readonly class: string;
  /** Its class, as people call it. */
  readonly className: string;
}

export interface ActorNames {
  /** Gives a name to an actor. Throws `Conflict` where another that lives has it. */
  take(name: string, named: Named): Promise<void>;
  find(name: string): Promise<Named | undefined>;
  release(name: string, id: string): Promise<void>;
}

/** `isGone` tells of an address whose process is known to be no more. */
export function actorNames(
  store: Claims,
  environment: Pick<Environment, "after">,
  isGone: (id: string) => Promise<boolean>,
): ActorNames {
  const keyOf = (name: string): string => `actor/${name}`;

  const claim = (name: string, epoch: number, value: string): Promise<{ readonly held: boolean }> =>
    persistently(environment, `claim the name ${name}`, () => store.claim(keyOf(name), epoch, value));

  async function standing(name: string): Promise<{ readonly epoch: number; readonly named: Named | undefined }> {
    const claimed = await persistently(environment, `look up the name ${name}`, () => store.claimed(keyOf(name)));
    if (claimed === undefined) return { epoch: 0, named: undefined };
    return { epoch: claimed.epoch, named: claimed.value === "" ? undefined : JSON.parse(claimed.value) as Named };
  }

  return {
    async take(name, named) {
      const value = JSON.stringify(named);
      while (true) {
        const { epoch, named: other } = await standing(name);
        if (other?.id === named.id) return;
        if (other !== undefined && !await isGone(other.id)) {
          throw new ShoalError(
            "Conflict",
            `Cannot name an actor ${name}: ${other.className} ${other.id} has that name`,
          );
        }
        // Whoever is faster has it; the other looks again.
        if ((await claim(name, epoch + 1, value)).held) return;
      }
    },
    async find(name) {
      const { named } = await standing(name);
      return named === undefined || await isGone(named.id) ? undefined : named;
    },
    async release(name, id) {
      const { epoch, named } = await standing(name);
      if (named?.id === id) await claim(name, epoch + 1, "");
    },
  };
}
