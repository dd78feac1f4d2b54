// What waits for an actor: a ring of those that were let in, and behind it, in order, those whose senders wait for room.

import type { ShoalError } from "../stores/error.ts";
import type { Ticket } from "./cells/call.ts";
import { Expiring } from "./deadlines.ts";
import type { Handler } from "./cells/kind.ts";

/** A message whose sender waits for room, and what its tell answered. Nobody needs to look at that answer. */
export class Parked extends Expiring implements PromiseLike<void> {
  declare readonly handler: Handler | undefined;
  declare message: unknown;
  declare readonly ticket: Ticket | undefined;
  declare readonly weight: number;
  /** Called once when its wait is over: it was let in, or given up with an error. */
  declare onLeft: ((parked: Parked, error: ShoalError | undefined) => void) | undefined;
  declare settled: boolean;
  declare gaveUp: boolean;
  declare private error: ShoalError | undefined;
  declare private promise: Promise<void> | undefined;
  declare private settle: (() => void) | undefined;

  constructor(handler: Handler | undefined, message: unknown, ticket: Ticket | undefined, weight: number) {
    super();
    this.handler = handler;
    this.message = message;
    this.ticket = ticket;
    this.weight = weight;
    this.onLeft = undefined;
    this.settled = false;
    this.gaveUp = false;
    this.error = undefined;
    this.promise = undefined;
    this.settle = undefined;
  }

  /** What a tell answers that was refused at once. */
  static refused(error: ShoalError): Parked {
    const parked = new Parked(undefined, undefined, undefined, 0);
    parked.leave(error);
    return parked;
  }

  /** Ends the wait: it goes in, or is given up with an error. */
  leave(error?: ShoalError): void {
    if (this.settled) return;
    this.settled = true;
    this.gaveUp = error !== undefined;
    this.error = error;
    this.onLeft?.(this, error);
    this.settle?.();
  }

  // A promise is made only when somebody waits: one that is rejected and that nobody looks at would end the process.
  // oxlint-disable-next-line no-thenable
  then<A = void, B = never>(
    resolved?: ((value: void) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.promise ??= new Promise((resolve, reject) => {
      this.settle = () => this.error === undefined ? resolve() : reject(this.error);
      if (this.settled) this.settle();
    });
    return this.promise.then(resolved, rejected);
  }
}

/** Most actors have one message at a time. */
const smallest = 2;
const nobodyWaits: Parked[] = [];

/** A ring that grows by doubling: handler, message and ticket of each stand side by side. */
export class Mailbox {
  length = 0;
  /** What the messages in the ring reference. */
  bytes = 0;
  #slots: unknown[] = new Array(smallest * 3);
  #mask: number = smallest - 1;
  #head = 0;
  #parked: Parked[] = nobodyWaits;
  #parkedHead = 0;
  #gone = 0;

  push(handler: Handler, message: unknown, ticket: Ticket): void {
    if (this.length > this.#mask) this.#grow();
    const at = ((this.#head + this.length) & this.#mask) * 3;
    const slots = this.#slots;
    slots[at] = handler;
    slots[at + 1] = message;
    slots[at + 2] = ticket;
    this.length++;
  }

  get handler(): Handler {
    return this.#slots[this.#head * 3] as Handler;
  }

  get message(): unknown {
    return this.#slots[this.#head * 3 + 1];
  }

  get ticket(): Ticket {
    return this.#slots[this.#head * 3 + 2] as Ticket;
  }

  /** Makes other messages of those that wait, in their places. */
  renew(message: (old: unknown) => unknown): void {
    for (let i = 0; i < this.length; i++) {
      const at = ((this.#head + i) & this.#mask) * 3 + 1;
      this.#slots[at] = message(this.#slots[at]);
    }
    for (const parked of this.#parked.slice(this.#parkedHead)) parked.message = message(parked.message);
  }

  /** The ticket of one that waits in the ring, as somebody knows it. */
  find(isIt: (ticket: Ticket) => boolean): Ticket | undefined {
    for (let i = 0; i < this.length; i++) {
      const ticket = this.#slots[((this.#head + i) & this.#mask) * 3 + 2] as Ticket;
      if (isIt(ticket)) return ticket;
    }
    return undefined;
  }

  /** Drops the first, which was read by the three getters. */
  drop(): void {
    const at = this.#head * 3;
    const slots = this.#slots;
    slots[at] = slots[at + 1] = slots[at + 2] = undefined;
    this.#head = (this.#head + 1) & this.#mask;
    this.length--;
  }

  /** Those who wait for room. */
  get parkedLength(): number {
    return this.#parked.length - this.#parkedHead;
  }

  park(parked: Parked): void {
    if (this.#parked === nobodyWaits) this.#parked = [];
    this.#parked.push(parked);
  }

  /** The one who waits longest. */
  get firstParked(): Parked | undefined {
    return this.#parked[this.#parkedHead];
  }

  /** One of those who wait has given up. They are not kept until the actor has time. */
  gaveUp(): void {
    this.#gone++;
    if (this.#gone < 64 || this.#gone * 2 < this.parkedLength) return;
    this.#parked = this.#parked.slice(this.#parkedHead).filter((parked) => !parked.settled);
    this.#parkedHead = 0;
    this.#gone = 0;
  }

  unpark(): void {
    const parked = this.#parked;
    if (this.#gone > 0 && parked[this.#parkedHead]?.gaveUp === true) this.#gone--;
    this.#parkedHead++;
    // Those that went in are not kept: at the end all go, and during a long wait those in front at times.
    if (this.#parkedHead === parked.length) {
      this.#parked = nobodyWaits;
      this.#parkedHead = 0;
    } else if (this.#parkedHead >= 64 && this.#parkedHead * 2 >= parked.length) {
      parked.splice(0, this.#parkedHead);
      this.#parkedHead = 0;
    }
  }

  /** As small as when it was made: the next actor can have it. One that has grown is worth keeping where it is. */
  get isSmall(): boolean {
    return this.#mask === smallest - 1;
  }

  #grow(): void {
    const capacity = this.#mask + 1;
    const larger: unknown[] = new Array(capacity * 2 * 3);
    for (let i = 0; i < this.length; i++) {
      const from = ((this.#head + i) & this.#mask) * 3;
      for (let k = 0; k < 3; k++) larger[i * 3 + k] = this.#slots[from + k];
    }
    this.#slots = larger;
    this.#mask = capacity * 2 - 1;
    this.#head = 0;
  }
}
