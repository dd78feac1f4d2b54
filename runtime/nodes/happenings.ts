// What has happened to a node since its core was told last. Tells that one actor has handled one after the other stand
// in one event: an event for each costs as much as handling it.

import type { Event } from "../delivery/events.ts";
import type { Input } from "../delivery/protocol.ts";

export interface Happenings {
  add(event: Event): void;
  /** A volatile actor has handled a tell, and has nothing to say of it. */
  applied(actor: string, input: Input): void;
  /** How much has happened: each tell counts. */
  count(): number;
  /** All of it, in order; what happens from here on is the next. */
  taken(): readonly Event[];
}

type Applied = { -readonly [K in keyof Run]: Run[K] };
type Run = Extract<Event, { type: "applied" }>;

export function happenings(): Happenings {
  let events: Event[] = [];
  let count = 0;
  /** The last event, where that is one of tells. */
  let run: Applied | undefined;

  return {
    add(event) {
      run = undefined;
      events.push(event);
      count += 1;
    },
    applied(actor, { source, epoch, sequence, bytes }) {
      count += 1;
      if (
        run !== undefined && run.through === sequence - 1 && run.source === source && run.epoch === epoch &&
        run.actor === actor
      ) {
        run.through = sequence;
        run.bytes += bytes;
        return;
      }
      run = { type: "applied", actor, source, epoch, after: sequence - 1, through: sequence, bytes };
      events.push(run);
    },
    count: () => count,
    taken() {
      const batch = events;
      events = [];
      count = 0;
      run = undefined;
      return batch;
    },
  };
}
