// Who refers to whom: the part of a reference that can be sent, printed and bound anew. Sending is in `sending.ts`.

import type { AskOptions, StreamOptions, TellOptions } from "./ref.ts";

/** The one who holds a reference and sends: an actor in one of its lives, or the program. */
export interface Source {
  readonly id: string;
  /** Counts lives: what an earlier one sends is refused. */
  readonly life: number;
}

/** The one who is referred to. */
export interface Target {
  readonly id: string;
  readonly className: string;
}

export class Reference {
  declare readonly target: Target;
  declare readonly source: Source;
  declare readonly life: number;

  constructor(target: Target, source: Source, life: number) {
    this.target = target;
    this.source = source;
    this.life = life;
  }

  get ref(): "actor" {
    return "actor";
  }

  get id(): string {
    return this.target.id;
  }

  toString(): string {
    return `${this.target.className} ${this.target.id}`;
  }

  toJSON(): { ref: "actor"; id: string; class: string } {
    return { ref: "actor", id: this.target.id, class: this.target.className };
  }
}

// Printed as one line, not as the system of actors that hangs on it.
Object.defineProperty(Reference.prototype, Symbol.for("nodejs.util.inspect.custom"), {
  value(this: Reference): string {
    return `ActorRef(${this.toString()})`;
  },
});

/** A reference that sends: `ActorRef` for every class of actors, whose methods are names by the time they get here. */
export interface Sender extends Reference {
  tell(method: string, message?: unknown, options?: TellOptions): PromiseLike<void>;
  ask(method: string, message?: unknown, options?: AskOptions): Promise<never>;
  stream(method: string, message?: unknown, options?: StreamOptions): AsyncIterable<never>;
}
