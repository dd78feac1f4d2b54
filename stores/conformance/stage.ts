// What one case of a law has: a place of its own, stores opened at it, and a world. All that it opened ends with it.
import type { Store } from "../store.ts";
import type { Capacity, Subject } from "./subject.ts";
import { realWorld, virtualWorld, type World } from "./world.ts";

export interface OpenAs {
  /** `run-1` unless said. */
  readonly run?: string;
  readonly capacity?: Capacity;
}

export interface Stage {
  readonly subject: Subject;
  readonly world: World;
  readonly place: string;
  /** Opens a store at this case's place. */
  open(as?: OpenAs): Promise<Store>;
  /** Notes what happened, for the verdict. */
  happened(what: string): void;
  /** Ends all stores that are open, and removes the place. */
  close(): Promise<void>;
}

let places = 0;
/** More than any store needs for one call. */
export const callMsMax = 60_000;

export function stage(subject: Subject, happened: (what: string) => void): Stage {
  const world = subject.clock === "real" ? realWorld() : virtualWorld();
  const place = `case-${process.pid}-${places++}`;
  const opened: Store[] = [];
  return {
    subject,
    world,
    place,
    async open({ run = "run-1", capacity } = {}) {
      const bounds = capacity === undefined ? {} : { capacity };
      const store = await subject.open({ run, environment: world, strict: true, thresholdBytes: 0, place, ...bounds });
      opened.push(store);
      return store;
    },
    happened,
    async close() {
      subject.faults?.disarm(place);
      for (const store of opened) await world.until(store.close(), callMsMax);
      await subject.remove?.(place);
    },
  };
}
