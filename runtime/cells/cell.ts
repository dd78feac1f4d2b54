// One actor at work: what waits for it, whose turn it is, and how each message ends.

import { ShoalError } from "../../stores/error.ts";
import type { TensorRef } from "../../stores/store.ts";
import type { Ground, Lives } from "../actor.ts";
import { Call, Parcel, type Ticket } from "./call.ts";
import type { Deadlines } from "../deadlines.ts";
import type { Environment } from "../environment.ts";
import type { Extras } from "./extras.ts";
import { handlerError, unanswerable } from "./failure.ts";
import type { Handler } from "./kind.ts";
import type { LogSink } from "../log.ts";
import type { Mailbox } from "../mailbox.ts";
import { isPrimitive, type Passage } from "../messages/message.ts";
import type { Reference, Sender, Source, Target } from "../reference.ts";
import type { Fact } from "../run/records.ts";
import type { Runnable, Scheduler } from "../scheduler.ts";
import { type Generating, isGenerator, streamed } from "../stream.ts";
import type { Limits } from "../system.ts";
import type { Mailroom } from "./mailroom.ts";
import type { Onlooker } from "./onlooker.ts";
import type { Post } from "./post.ts";
import type { Terms } from "./terms.ts";
import { turn } from "./turn.ts";

/** Where an actor stands: `waiting` for a restart, or `due` for it. From `draining` on nothing more is let in. */
export const Phase = { starting: 0, waiting: 1, due: 2, running: 3, draining: 4, stopping: 5, ended: 6 } as const;
export type Phase = (typeof Phase)[keyof typeof Phase];

/** What all actors of a system share. */
export interface Home {
  readonly node: string;
  readonly environment: Environment;
  readonly scheduler: Scheduler;
  readonly deadlines: Deadlines;
  readonly limits: Limits;
  readonly counts: { handled: number };
  readonly mailboxes: Mailroom;
  refer(target: Target, source: Source, life: number): Sender;
  /** A passage to the one who will hold what is sent. */
  passage(receiver: Source, life: number): Passage;
  /** A message on its way: checked, weighed and copied. */
  pass(message: unknown, passage: Passage): unknown;
  ground(cell: Cell, life: number): Ground;
  /** A handler has thrown. */
  failed(cell: Cell, error: unknown, during: string): void;
  start(cell: Cell): void;
  /** A generator is to be read, until it ends. */
  stream(cell: Cell, handler: Handler, generator: Generating, call: Call | undefined): Promise<typeof streamed>;
  /** An answer on its way back: as `pass`, for the one who asked. */
  passBack(value: unknown, call: Call): unknown;
  /** Pins tensors on behalf of one message; the answer names the holder. */
  hold(tensors: readonly TensorRef[]): string;
  /** A message is over: its tensors were read, or it was never handled. */
  over(parcel: Parcel, read: boolean): void;
  /** A handler has ended: what it got from the store is its own no longer. Answers what it did wrong with that. */
  endViews(cell: Cell): Error | undefined;
  /** And neither are the tensors of the answers that it got. */
  endReceived(cell: Cell): void;
  deadLetter(to: Target, from: Reference, method: string, reason: ShoalError): void;
  readonly log: LogSink;
  readonly onlooker: Onlooker<Cell> | undefined;
  record(fact: () => Fact): void;
  readonly post: Post<Cell> | undefined;
}

export class Cell implements Target, Source, Runnable, Lives {
  readonly serial: number;
  readonly terms: Terms<Home>;
  readonly parent: Cell | undefined;
  /** What it is constructed with in each life. */
  readonly input: unknown;
  actor: object | undefined = undefined;
  life = 1;
  phase: Phase = Phase.starting;
  /** Whether it stands in the queue of those that have work. */
  queued = false;
  /** Whether a handler is under way that has not returned yet. */
  busy = false;
  mailbox: Mailbox | undefined = undefined;
  /** What it is doing, and the message that it does it for where there is more to that than its sender. */
  handling: Handler | undefined = undefined;
  running: Parcel | undefined = undefined;
  extras: Extras<Cell> | undefined = undefined;

  constructor(serial: number, terms: Terms<Home>, parent: Cell | undefined, input: unknown) {
    this.serial = serial;
    this.terms = terms;
    this.parent = parent;
    this.input = input;
  }

  get home(): Home {
    return this.terms.home;
  }

  get id(): string {
    const { extras } = this;
    return extras?.address ?? extras?.posted ?? `${this.home.node}/${this.serial}`;
  }

  get className(): string {
    return this.terms.kind.name;
  }

  get extra(): Extras<Cell> {
    return this.extras ??= {};
  }

  /** How many of its own messages wait for room elsewhere. */
  get waitingElsewhere(): number {
    return this.extras?.waitingElsewhere ?? 0;
  }

  set waitingElsewhere(messages: number) {
    this.extra.waitingElsewhere = messages;
  }

  ground(life: number): Ground {
    return this.home.ground(this, life);
  }

  /** Whether it takes messages: also while it starts, or waits for a restart. */
  get open(): boolean {
    return this.phase === Phase.running || (this.phase < Phase.running && this.extras?.draining === undefined);
  }

  /** Whether a message that references so many bytes may come in now. One may always: none is too heavy for ever. */
  hasRoom(weight: number): boolean {
    const mailbox = this.mailbox;
    return mailbox === undefined || (mailbox.parkedLength === 0 && this.fits(mailbox, weight));
  }

  private fits(mailbox: Mailbox, weight: number): boolean {
    return mailbox.length === 0 || (mailbox.length < this.terms.mailboxMessagesMax &&
      (weight === 0 || mailbox.bytes + weight <= this.terms.mailboxBytesMax));
  }

  /** Lets a message in. The runtime's own mail (timers, ends of others) has room always. */
  push(handler: Handler, message: unknown, ticket: Ticket, weight: number): void {
    const mailbox = this.mailbox ??= this.home.mailboxes.take(this);
    mailbox.push(handler, message, ticket);
    if (weight !== 0) mailbox.bytes += weight;
    this.wake();
  }

  /** Queues the actor where it has work and can do it. */
  wake(): void {
    if (this.queued || this.busy || this.phase < Phase.running || this.phase > Phase.draining) return;
    if (this.mailbox === undefined) return;
    this.queued = true;
    this.home.scheduler.ready(this);
  }

  run(budget: number): number {
    this.queued = false;
    if (this.phase === Phase.due) this.home.start(this);
    let used = 0;
    while (used < budget && !this.busy && (this.phase === Phase.running || this.phase === Phase.draining)) {
      const mailbox = this.mailbox;
      if (mailbox === undefined) break;
      const { handler, message, ticket } = mailbox;
      mailbox.drop();
      if (ticket instanceof Parcel) mailbox.bytes -= ticket.weight;
      if (mailbox.parkedLength > 0) this.admit(mailbox);
      if (mailbox.length === 0) {
        this.mailbox = undefined;
        this.home.mailboxes.give(this, mailbox);
      }
      used++;
      this.handle(handler, message, ticket);
    }
    this.home.counts.handled += used;
    this.next();
    return used;
  }

  /** Lets in those that waited for room, as far as it goes. */
  admit(mailbox: Mailbox): void {
    for (let next = mailbox.firstParked; next !== undefined; next = mailbox.firstParked) {
      const { handler, message, ticket, weight } = next;
      if (!next.settled && handler !== undefined && ticket !== undefined) {
        if (!this.fits(mailbox, weight)) return;
        mailbox.push(handler, message, ticket);
        mailbox.bytes += weight;
        this.home.deadlines.remove(next);
        next.leave();
      }
      mailbox.unpark();
    }
  }

  private handle(handler: Handler, message: unknown, ticket: Ticket): void {
    let call: Call | undefined;
    if (ticket instanceof Parcel) {
      if (ticket instanceof Call) {
        // Its deadline may have passed while another handler kept the timers waiting.
        if (!ticket.settled && ticket.isLate(this.home.environment)) ticket.expired();
        if (ticket.settled) return this.home.over(ticket, false);
        ticket.running = true;
        call = ticket;
      }
      this.running = ticket;
    }
    this.handling = handler;
    const look = this.home.onlooker;
    let result: unknown, pending: Promise<unknown> | undefined;
    turn.actor = this;
    try {
      result = look === undefined ? handler.run.call(this.actor!, message) : look.handle(this, handler, message);
      if (typeof result === "object" && result !== null) pending = this.pending(handler, result, call);
    } catch (error) {
      turn.actor = undefined;
      return this.threw(handler, ticket, error);
    }
    turn.actor = undefined;
    if (pending !== undefined) this.follow(handler, ticket, pending);
    else this.finish(handler, ticket, result);
  }

  /** What there is to wait for, where a handler has returned too early. */
  private pending(handler: Handler, result: object, call: Call | undefined): Promise<unknown> | undefined {
    if (result instanceof Promise) return result;
    if ("then" in result && typeof result.then === "function") return Promise.resolve(result);
    return isGenerator(result) ? this.home.stream(this, handler, result, call) : undefined;
  }

  /** Waits for a handler that has not returned yet. In a later life its end means nothing any more. */
  private follow(handler: Handler, ticket: Ticket, result: Promise<unknown>): void {
    const life = this.life;
    this.busy = true;
    const settled = (end: () => void): void => {
      if (life !== this.life || this.phase >= Phase.stopping) return;
      this.busy = false;
      end();
      this.next();
    };
    result.then(
      (value) => settled(() => this.finish(handler, ticket, value)),
      (error: unknown) => settled(() => this.threw(handler, ticket, error)),
    );
  }

  /** What comes after a turn, or after a life began: the next message, or the end of one that was to be drained. */
  next(): void {
    if (this.mailbox !== undefined || this.busy) return this.wake();
    if (this.extras?.idle !== undefined) { for (const call of this.extras.idle.splice(0)) call(); }
    if (this.phase === Phase.draining) this.extras?.draining?.drained();
  }

  private finish(handler: Handler, ticket: Ticket, result: unknown): void {
    this.handling = undefined;
    const { extras, home } = this;
    if (extras?.views !== undefined) {
      const fault = home.endViews(this);
      if (fault !== undefined) return this.threw(handler, ticket, fault);
    }
    if (ticket instanceof Parcel) {
      const { running } = this;
      this.running = undefined;
      if (ticket instanceof Call) this.answer(ticket, result);
      // Else it was ended with its actor, by what its handler did.
      if (running === ticket) home.over(ticket, true);
    }
    if (extras !== undefined) {
      extras.asking?.clear();
      extras.waitsFor?.clear();
      if (extras.received !== undefined) home.endReceived(this);
    }
  }

  private threw(handler: Handler, ticket: Ticket, error: unknown): void {
    if (ticket instanceof Parcel) {
      const { running } = this;
      this.running = undefined;
      if (ticket instanceof Call) ticket.reject(handlerError(`${ticket.what}: its handler threw`, error));
      if (running === ticket) this.home.over(ticket, true);
    }
    this.home.endViews(this);
    this.home.endReceived(this);
    this.extras?.asking?.clear();
    this.extras?.waitsFor?.clear();
    this.home.failed(this, error, handler.name);
  }

  private answer(call: Call, value: unknown): void {
    if (call.settled) return;
    if (call.flow !== undefined && value !== streamed) {
      const text = `Cannot stream ${call.method} of ${this.className} ${this.id}: it is no generator, ask it`;
      return call.reject(new ShoalError("BadInput", text, { outcome: "done" }));
    }
    if (value === streamed || isPrimitive(value)) return call.resolve(value);
    try {
      call.resolve(this.home.passBack(value, call));
    } catch (error) {
      call.reject(unanswerable(call, error));
    }
  }
}
