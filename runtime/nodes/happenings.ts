// What has happened to a node since its core was told last. What one actor sends another, one message behind the other,
// stands in one event, and so does what it has handled: an event for each costs as much as handling it.

import type { Event, Letter, Question, Reply } from "../delivery/events.ts";

export interface Happenings {
  add(event: Event): void;
  /** An actor tells another something. */
  told(from: string, node: string, to: string, letter: Letter): void;
  /** An actor asks another something. */
  asked(from: string, node: string, to: string, question: Question): void;
  /** A volatile actor has handled a tell, and has nothing to say of it. */
  applied(actor: string, source: string, epoch: number, sequence: number, bytes: number): void;
  /** A volatile actor has answered a call with a value. */
  replied(actor: string, source: string, epoch: number, reply: Reply): void;
  /** How much has happened: each message counts. */
  count(): number;
  /** All of it, in order; what happens from here on is the next. */
  taken(): readonly Event[];
}

type EventOf<T extends Event["type"]> = Extract<Event, { type: T }>;
type Applied = { -readonly [K in keyof EventOf<"applied">]: EventOf<"applied">[K] };
type Growing<E, K extends keyof E, T> = Omit<E, K> & { readonly [key in K]: T[] };
type Run =
  | Growing<EventOf<"tells">, "letters", Letter>
  | Growing<EventOf<"asks">, "letters", Question>
  | Applied
  | Growing<EventOf<"replied">, "replies", Reply>;

/** `then` is told of each. */
export function happenings(then: () => void): Happenings {
  let events: Event[] = [];
  let count = 0;
  /** The last event, where that is one that may grow. */
  let run: Run | undefined;

  function begin(begun: Run): void {
    run = begun;
    events.push(begun);
  }

  function happened(): void {
    count += 1;
    then();
  }

  return {
    add(event) {
      run = undefined;
      events.push(event);
      happened();
    },
    told(from, node, to, letter) {
      if (run?.type === "tells" && run.to === to && run.from === from) run.letters.push(letter);
      else begin({ type: "tells", from, node, to, letters: [letter] });
      happened();
    },
    asked(from, node, to, question) {
      if (run?.type === "asks" && run.to === to && run.from === from) run.letters.push(question);
      else begin({ type: "asks", from, node, to, letters: [question] });
      happened();
    },
    applied(actor, source, epoch, sequence, bytes) {
      if (
        run?.type === "applied" && run.through === sequence - 1 && run.source === source && run.epoch === epoch &&
        run.actor === actor
      ) {
        run.through = sequence;
        run.bytes += bytes;
      } else begin({ type: "applied", actor, source, epoch, after: sequence - 1, through: sequence, bytes });
      happened();
    },
    replied(actor, source, epoch, reply) {
      if (run?.type === "replied" && run.source === source && run.epoch === epoch && run.actor === actor) {
        run.replies.push(reply);
      } else begin({ type: "replied", actor, source, epoch, replies: [reply] });
      happened();
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
