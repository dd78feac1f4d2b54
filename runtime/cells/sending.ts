// The sender's side of a message: may it be sent, is there room, who waits. What comes out is in the mailbox, or waits
// for room in order, or has settled with an error that says why.

import { ShoalError } from "../../stores/error.ts";
import type { TensorRef } from "../../stores/store.ts";
import { type Asked, Call, Parcel, type Ticket } from "./call.ts";
import { Cell, Phase } from "./cell.ts";
import { circle } from "./circle.ts";
import { Expiring } from "../deadlines.ts";
import type { Handler } from "./kind.ts";
import { Parked } from "../mailbox.ts";
import { isPrimitive } from "../messages/message.ts";
import type { AskOptions, StreamOptions, TellOptions } from "../ref.ts";
import { Reference } from "../reference.ts";
import { Flow, type FlowCall } from "../stream.ts";
import { turn } from "./turn.ts";

/** The answer to a tell that was let in at once. */
const accepted: PromiseLike<void> = Promise.resolve();
const noTensors: readonly TensorRef[] = [];
export const creditMaxDefault = 16;

/** A reference that sends: `ActorRef` for every class of actors, whose methods are names by the time they get here. */
export class SendingReference extends Reference {
  declare readonly target: Cell;
  declare readonly source: Cell;

  tell(method: string, message?: unknown, options?: TellOptions): PromiseLike<void> {
    const cell = this.target;
    let passed = message;
    let tensors: readonly TensorRef[] | undefined;
    if (!isPrimitive(message)) {
      try {
        const passage = cell.home.passage(cell, cell.life);
        passed = cell.home.pass(message, passage);
        tensors = passage.tensors;
      } catch (error) {
        return refuse(this, method, error, undefined);
      }
    }
    // After the passage: reading a message may run code of the sender's.
    const handler = cell.terms.kind.handler(method);
    if (handler === undefined || !cell.open || this.source.life !== this.life) {
      return refuse(this, method, whyNot(this, method), undefined);
    }
    const fault = options === undefined ? undefined : faultOfWait("timeoutMs", options.timeoutMs);
    if (fault !== undefined) {
      const text = `Cannot send ${method} to ${this.toString()}: ${fault}`;
      return refuse(this, method, new ShoalError("BadInput", text), undefined);
    }
    let ticket: Ticket = this;
    let weight = 0;
    if (tensors !== undefined) {
      try {
        const parcel = new Parcel(this, tensors, cell.home.hold(tensors));
        weight = parcel.weight;
        ticket = parcel;
      } catch (error) {
        return refuse(this, method, error, undefined);
      }
    }
    if (!cell.hasRoom(weight)) return park(this, handler, passed, ticket, weight, options?.timeoutMs);
    cell.push(handler, passed, ticket, weight);
    return accepted;
  }

  ask(method: string, message?: unknown, options?: AskOptions): Promise<never> {
    return new Promise((resolve, reject) => {
      const timeoutMs = options?.timeoutMs ?? this.target.home.limits.replyTimeoutMs;
      open(this, method, message, timeoutMs, options?.signal, resolve, reject, undefined);
    });
  }

  stream(method: string, message?: unknown, options: StreamOptions = {}): AsyncIterable<never> {
    return new Flow(options.creditMax ?? creditMaxDefault, (flow) => {
      const { signal } = options;
      return openStream(this, method, options, flow, (ended, failed) =>
        // The whole may take as long as it likes; what may not is the silence in between.
        open(this, method, message, Number.POSITIVE_INFINITY, signal, ended, failed, flow));
    });
  }
}

/** The reader's side of a stream; `open` makes the call behind it. */
export function openStream(
  from: Reference,
  method: string,
  options: StreamOptions,
  flow: Flow,
  open: (ended: () => void, failed: (error: Error) => void) => Asked | undefined,
): FlowCall {
  const source = from.source as Cell;
  const { deadlines, limits } = source.home;
  const { idleTimeoutMs } = options;
  const fault = faultOfWait("idleTimeoutMs", idleTimeoutMs);
  if (fault !== undefined) {
    flow.end(new ShoalError("BadInput", `Cannot stream ${method} of ${from.toString()}: ${fault}`));
    return { waits() {}, left() {} };
  }
  const waitMs = {
    // A simulation may compute for hours between two results; a reader that does not come back holds an actor.
    reader: idleTimeoutMs ?? limits.replyTimeoutMs,
    producer: idleTimeoutMs ?? limits.streamIdleTimeoutMs,
  };
  const silence = new Expiring();
  const failed = (error: Error): void => flow.end(error);
  const ended = (): void => flow.end();
  const call = open(ended, failed);
  // A reader may keep a stream from one handler to the next, but not beyond its life.
  const leaving = source.actor === undefined ? undefined : source.extra.leaving ??= new Set();
  const leave = (): void => void flow.return();
  leaving?.add(leave);
  return {
    waits(who) {
      deadlines.remove(silence);
      if (who === undefined) {
        if (call === undefined || call.settled) leaving?.delete(leave);
        return;
      }
      silence.expired = () => {
        const whom = who === "reader" ? "its next value" : "its reader";
        // What was yielded can still be read, for as long again.
        const why = `waited ${waitMs[who]} ms for ${whom}`;
        if (call !== undefined && !call.settled) call.abandon("Timeout", why);
        else flow.drop(new ShoalError("Timeout", `Cannot stream ${method} of ${from.toString()}: ${why}`));
      };
      deadlines.add(silence, waitMs[who]);
    },
    left() {
      deadlines.remove(silence);
      leaving?.delete(leave);
      call?.abandon("Cancelled", "its reader has left");
    },
  };
}

/** Makes a call of a message and lets it in; nothing where it was refused, which `reject` has been told. */
function open(
  from: SendingReference,
  method: string,
  message: unknown,
  timeoutMs: number,
  signal: AbortSignal | undefined,
  resolve: (value: never) => void,
  reject: (error: Error) => void,
  flow: Flow | undefined,
): Call | undefined {
  const cell = from.target;
  const home = cell.home;
  const fault = faultOfWait("timeoutMs", timeoutMs) ?? faultOfSignal(signal);
  if (fault !== undefined) {
    reject(new ShoalError("BadInput", `Cannot ask ${from.toString()} to ${method}: ${fault}`));
    return undefined;
  }
  let passed = message;
  let tensors = noTensors;
  if (!isPrimitive(message)) {
    try {
      const passage = home.passage(cell, cell.life);
      passed = home.pass(message, passage);
      tensors = passage.tensors ?? noTensors;
    } catch (error) {
      reject(error as Error);
      return undefined;
    }
  }
  const handler = cell.terms.kind.handler(method);
  if (handler === undefined || !cell.open || from.source.life !== from.life) {
    reject(whyNot(from, method));
    return undefined;
  }
  let holder = "";
  try {
    if (tensors !== noTensors) holder = home.hold(tensors);
  } catch (error) {
    reject(error as Error);
    return undefined;
  }
  const call = new Call(from, method, timeoutMs, tensors, holder, resolve, reject);
  call.flow = flow;
  const asker = from.source;
  // Only a handler that runs can be part of a circle; the program itself never is.
  if (asker.busy || turn.actor === asker) {
    const chain = circle(asker, cell)?.map((link) => `${link.className} ${link.id}`) ?? circleBeyond(asker, cell);
    if (chain !== undefined) {
      home.over(call, false);
      const names = chain.join(" → ");
      call.reject(new ShoalError("BadInput", `${call.what}: each would wait for the next for ever, ${names}`));
      return call;
    }
    (asker.extra.asking ??= new Set()).add(call);
  }
  call.onSettled = settled;
  home.deadlines.add(call, timeoutMs);
  if (signal !== undefined) call.listen(signal);
  if (call.settled) {
    home.over(call, false);
    return call;
  }
  const weight = tensors === noTensors ? 0 : call.weight;
  if (cell.hasRoom(weight)) cell.push(handler, passed, call, weight);
  else park(from, handler, passed, call, weight, undefined);
  return call;
}

/** A circle that goes through other nodes. */
function circleBeyond(asker: Cell, asked: Cell): readonly string[] | undefined {
  const waiting = asker.home.post?.waitingFor(asker);
  return waiting?.includes(asked.id) === true ? [...waiting, asker.id, asked.id] : undefined;
}

function settled(call: Call): void {
  const asker = call.from.source;
  if (!(asker instanceof Cell)) return;
  asker.home.deadlines.remove(call);
  asker.extras?.asking?.delete(call);
}

/** Waits for room behind those who wait already. */
function park(
  from: SendingReference,
  handler: Handler,
  message: unknown,
  ticket: Ticket,
  weight: number,
  timeoutMs: number | undefined,
): PromiseLike<void> {
  const cell = from.target;
  const home = cell.home;
  const sender = from.source;
  const what = `Cannot send ${handler.name} to ${cell.className} ${cell.id}`;
  if (sender.waitingElsewhere >= home.limits.overflowMessagesMax) {
    const text = `${what}: its mailbox is full and ${sender.waitingElsewhere} messages of this sender wait for room; ` +
      `await a tell now and then`;
    return refuse(from, handler.name, new ShoalError("CapacityExceeded", text), ticket);
  }
  const parked = new Parked(handler, message, ticket, weight);
  sender.waitingElsewhere++;
  parked.onLeft = (_, error) => {
    sender.waitingElsewhere--;
    home.deadlines.remove(parked);
    if (error === undefined) return;
    cell.mailbox?.gaveUp();
    refuse(from, handler.name, error, ticket);
  };
  if (ticket instanceof Call) {
    // A call has a deadline of its own; when that is over it leaves the queue too.
    const before = ticket.onSettled;
    ticket.onSettled = (call) => {
      before?.(call);
      if (!parked.settled && !call.running) parked.leave(new ShoalError("Cancelled", `${what}: its caller has left`));
    };
  } else {
    const waitMs = timeoutMs ?? home.limits.sendTimeoutMs;
    parked.expired = () => parked.leave(new ShoalError("Timeout", `${what}: its mailbox had no room for ${waitMs} ms`));
    home.deadlines.add(parked, waitMs);
  }
  (cell.mailbox ??= home.mailboxes.take(cell)).park(parked);
  return parked;
}

/** Ends a message that nobody will handle: its caller is told, and of a tell a dead letter is kept. */
export function refuse(from: Reference, method: string, error: unknown, ticket: Ticket | undefined): PromiseLike<void> {
  const cell = from.target as Cell;
  const reason = error instanceof ShoalError ? error : new ShoalError("BadInput", String(error), { cause: error });
  if (ticket instanceof Parcel) cell.home.over(ticket, false);
  if (ticket instanceof Call) ticket.reject(reason);
  else cell.home.deadLetter(cell, from, method, reason);
  return Parked.refused(reason);
}

function whyNot(from: SendingReference, method: string): ShoalError {
  const cell = from.target;
  const what = `Cannot send ${String(method)} to ${from.toString()}`;
  if (from.source.life !== from.life) {
    return new ShoalError("Fenced", `${what}: its sender ${from.source.id} has ended its life ${from.life}`);
  }
  if (!cell.open) {
    return new ShoalError("Ended", `${what}: it ${cell.phase === Phase.ended ? "has ended" : "is being stopped"}`);
  }
  return cell.terms.kind.unknown(method);
}

/** Forever is a wait; what is no number is none. */
export function faultOfWait(name: string, waitMs: number | undefined): string | undefined {
  if (waitMs === undefined || (typeof waitMs === "number" && waitMs >= 0)) return undefined;
  return `${name} is ${String(waitMs)}, expected a number from 0`;
}

export function faultOfSignal(signal: AbortSignal | undefined): string | undefined {
  return signal === undefined || signal instanceof AbortSignal ? undefined : "signal is no AbortSignal";
}
