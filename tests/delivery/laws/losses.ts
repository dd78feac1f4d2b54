// The half of L2 that is about stores which lose what they do not declare to keep: whoever was told that something is
// kept, and sends again to the one that has lost it, is told of the loss.

import type { ActorName, Epoch } from "../../../runtime/delivery/protocol.ts";
import type { Process } from "../process.ts";
import type { Must } from "./law.ts";

/** Something that a source was told is kept, and is not. */
export interface Loss {
  /** The source, in which process and under which epoch. */
  readonly name: ActorName;
  readonly process: number;
  readonly epoch: Epoch;
  readonly destination: ActorName;
  /** What it had sent by then. */
  readonly last: number;
}

export interface Losses {
  mustBeTold(loss: Loss): void;
  /** A source was told that something may be lost. */
  told(source: ActorName, destination: ActorName): void;
  /** Everything has come to rest; `isOut` is who has ended, or is gone. */
  judge(processes: readonly (Process | undefined)[], isOut: (actor: ActorName) => boolean): void;
}

export function losses(must: Must): Losses {
  let open: Loss[] = [];

  return {
    mustBeTold: (loss) => void open.push(loss),
    told(source, destination) {
      open = open.filter((loss) => loss.name !== source || loss.destination !== destination);
    },
    judge(processes, isOut) {
      for (const { name, process, destination, last } of open) {
        const core = processes.find((one) => one?.id === process)?.core;
        const out = core?.actors.get(name)?.outbounds.get(destination);
        // Whoever has begun another life, or has nothing more to do with it, cannot be told.
        if (out === undefined || out.last === last || isOut(name) || isOut(destination)) continue;
        must(
          false,
          "L2",
          () => `${destination} has lost what it acknowledged to ${name}, who sent again and was not told`,
        );
      }
    },
  };
}
