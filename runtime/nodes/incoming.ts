// What comes to a node: messages into the mailboxes of their actors, and how each ended back into the delivery core.

import { ShoalError } from "../../stores/error.ts";
import type { TensorRef } from "../../stores/store.ts";
import { type Cell, Phase } from "../cells/cell.ts";
import type { Engine } from "../cells/engine.ts";
import type { Handler } from "../cells/kind.ts";
import type { Change, Entry, Input, Timer } from "../delivery/protocol.ts";
import type { Deliver } from "../delivery/events.ts";
import { copyMessage } from "../messages/message.ts";
import { Reference } from "../reference.ts";
import { streamed } from "../stream.ts";
import { type Body, bodyOfError, type Found, leavingBody, openBody, plain, plainBody } from "./body.ts";
import { Delivered, type Ends } from "./calls.ts";
import type { Driver } from "./driver.ts";
import { SingleReply } from "./singles.ts";

/** What a durable actor's step leaves behind, beside its answer. */
export interface Effect {
  readonly change: Change;
  readonly pins: readonly string[];
  readonly timersSet: readonly Timer[];
  readonly timersDone: readonly string[];
}

export interface IncomingParts {
  readonly engine: Engine;
  readonly driver: Pick<Driver, "happen" | "many" | "flush">;
  readonly durable: {
    /** A handler begins. */
    began(cell: Cell, input: Input, at: number): void;
    /** What it has done; throws where the actor's state cannot be kept. */
    effect(cell: Cell): Effect;
    /** Its end was told. */
    stepped(cell: Cell): void;
    crashed(cell: Cell): void;
    /** The timers that stand though the handler of this one threw. */
    repeats(cell: Cell, timer: string): readonly Timer[];
  };
  /** A caller reads partial results: gives the way for them. */
  flow(delivered: Delivered, credit: number): void;
}

export interface Incoming {
  /** What has been found wrong with it already is its `fault`. */
  deliver(cell: Cell | undefined, command: Deliver, handler?: Handler, message?: unknown, fault?: unknown): void;
  /** A call to a volatile actor that is no more than a value, opened already. */
  ask(cell: Cell, from: Reference, handler: Handler, message: unknown, epoch: number, entry: Entry): void;
  /** A call that came to this actor and whose handler has not ended. */
  underWay(cell: Cell | undefined, source: string, number: number): Delivered | undefined;
  /** The caller of this message waits no more. */
  cancelled(cell: Cell | undefined, source: string, number: number): void;
  /** A failure of this actor was judged. */
  judged(cell: Cell): void;
  ended(cell: Cell): void;
}

export function incoming({ engine, driver, durable, flow }: IncomingParts): Incoming {
  const { home } = engine;
  /** What came when its actor took nothing more: it ends after what came before. */
  const late = new Map<Cell, Delivered[]>();
  /** A durable actor's handler that threw: what becomes of that is judged first. */
  const thrown = new Map<Cell, { readonly delivered: Delivered; readonly error: Error; readonly life: number }>();

  let latest: Reference | undefined;

  function deliver(
    cell: Cell | undefined,
    { input, entry }: Deliver,
    timed?: Handler,
    timedMessage?: unknown,
    found?: unknown,
  ): void {
    // One that has ended since: the core is told so on its way here.
    if (cell === undefined) return;
    const body = entry?.body as Body | undefined;
    const from = sentBy(input.source, cell);
    const method = timed?.name ?? body?.method ?? "";
    let message = timedMessage;
    let tensors = noTensors;
    let fault = found;
    if (body !== undefined && fault === undefined) {
      try {
        message = openBody(body, (id, className) => home.refer(engine.locate(id, className), cell, cell.life));
        if (body.tensors) [message, tensors] = withTensors(cell, message);
      } catch (error) {
        fault = error;
      }
    }
    let holder = "";
    try {
      if (tensors !== noTensors) holder = home.hold(tensors);
    } catch (error) {
      fault ??= error;
    }
    const number = body?.call ?? 0;
    const delivered = new Delivered(from, method, tensors, holder, input, entry, number, ends);
    const handler = timed ?? cell.terms.kind.handler(method);
    if (!cell.open) {
      const list = late.get(cell);
      if (list === undefined) late.set(cell, [delivered]);
      else list.push(delivered);
      return;
    }
    if (handler === undefined) fault ??= cell.terms.kind.unknown(method);
    if (body !== undefined && body.credit > 0) flow(delivered, body.credit);
    const way = fault === undefined
      ? wrapped(cell, handler!, delivered, body?.at ?? 0)
      : refusing(cell, method, delivered, fault);
    cell.push(way, message, delivered, tensors === noTensors ? 0 : delivered.weight);
  }

  /** Most messages come from where the one before came from. */
  function sentBy(id: string, cell: Cell): Reference {
    if (latest === undefined || latest.target !== cell || latest.source.id !== id) {
      latest = new Reference(cell, { id, life: 0 }, 0);
    }
    return latest;
  }

  function withTensors(cell: Cell, message: unknown): [unknown, readonly TensorRef[]] {
    const passage = home.passage(cell, cell.life);
    const passed = copyMessage(message, passage);
    return [passed, passage.tensors ?? noTensors];
  }

  /** The handler, with what the core must hear before it begins. */
  function wrapped(cell: Cell, handler: Handler, delivered: Delivered, at: number): Handler {
    if (!cell.terms.durable) return handler;
    return {
      name: handler.name,
      run(this: object, message) {
        const { input, chain } = delivered;
        delivered.life = cell.life;
        driver.happen({ type: "began", actor: cell.id, input, chain });
        durable.began(cell, input, at);
        return handler.run.call(this, message);
      },
    };
  }

  /** In its turn, and without the actor's doing: it comes after what came before it. */
  function refusing(cell: Cell, name: string, delivered: Delivered, fault: unknown): Handler {
    return {
      name,
      run() {
        delivered.life = cell.life;
        delivered.reject(fault as Error);
      },
    };
  }

  const ends: Ends = {
    answered(delivered, value) {
      delivered.flow?.end();
      const answer = value === streamed ? undefined : value;
      if (!delivered.isCall) finish(delivered, false, undefined);
      else reply(delivered, answer, delivered.passage ?? plain(answer));
    },
    rejected(delivered, error) {
      delivered.flow?.end(error);
      const cell = delivered.from.target as Cell;
      const isThrown = error instanceof ShoalError && error.code === "HandlerError";
      if (cell.terms.durable) {
        if (isThrown) return void thrown.set(cell, { delivered, error, life: cell.life });
        // One whose handler was given up comes again, to the next life.
        const isLost = delivered.running && delivered.life !== cell.life;
        if (isLost || (cell.phase !== Phase.running && cell.phase !== Phase.draining)) return;
      } else if (!isThrown && !delivered.isCall) {
        home.deadLetter(cell, delivered.from, delivered.method, error as ShoalError);
      }
      finish(delivered, true, delivered.isCall ? bodyOfError(error) : undefined);
    },
  };

  /** Few are looked for: a list of all that are under way would cost each of them more. */
  function underWay(cell: Cell | undefined, source: string, number: number): Delivered | undefined {
    const isIt = (ticket: unknown): ticket is Delivered =>
      ticket instanceof Delivered && ticket.number === number && ticket.input.source === source;
    if (cell === undefined) return undefined;
    if (isIt(cell.running)) return cell.running;
    return cell.mailbox?.find(isIt) as Delivered | undefined ?? late.get(cell)?.find(isIt);
  }

  function reply(delivered: Delivered, value: unknown, found: Found): void {
    const { from, input, isKept } = delivered;
    const cell = from.target as Cell;
    // What stays here, or in a journal, may be opened more than once.
    if (cell.terms.durable) return finish(delivered, false, plainBody(value, found));
    const { source, epoch, sequence, bytes } = input;
    if (isKept || found.special || found.tensors !== undefined) {
      const body = isKept ? plainBody(value, found) : leavingBody("", value, found, 0, 0);
      driver.many.replied(cell.id, source, epoch, { sequence, bytes, body });
    } else driver.many.replied(cell.id, source, epoch, new SingleReply(sequence, bytes, value));
  }

  function finish(delivered: Delivered, threw: boolean, body: Body | undefined): void {
    const { from, input } = delivered;
    const cell = from.target as Cell;
    const base = { type: "finished", actor: cell.id, input, threw, body, discard: false } as const;
    if (!cell.terms.durable) return driver.happen(base);
    let effect: Effect;
    try {
      effect = durable.effect(cell);
    } catch (error) {
      giveUp(delivered, body === undefined ? undefined : bodyOfError(error));
      return home.failed(cell, error, "snapshot");
    }
    driver.happen({ ...base, ...effect });
    durable.stepped(cell);
  }

  /** Its input is passed, and nothing that its handler did stands. */
  function giveUp({ from, input }: Delivered, body: Body | undefined): void {
    const cell = from.target as Cell;
    const timersAgain = durable.repeats(cell, input.timer);
    driver.happen({ type: "finished", actor: cell.id, input, threw: true, body, discard: true, timersAgain });
  }

  return {
    deliver,
    ask(cell, from, handler, message, epoch, entry) {
      const { sequence, bytes } = entry;
      const { call } = entry.body as Body;
      const input = { source: from.source.id, epoch, sequence, identity: "", bytes, timer: "" };
      cell.push(handler, message, new Delivered(from, handler.name, noTensors, "", input, entry, call, ends), 0);
    },
    underWay,
    cancelled(cell, source, number) {
      const delivered = underWay(cell, source, number);
      if (delivered === undefined) return;
      delivered.cancel(new ShoalError("Cancelled", `${delivered.what}: its caller waits no more`));
    },
    judged(cell) {
      if (!cell.terms.durable) return;
      const failure = thrown.get(cell);
      thrown.delete(cell);
      const isSame = failure !== undefined && failure.life === cell.life && cell.phase === Phase.running;
      if (failure !== undefined) {
        const { delivered, error } = failure;
        const body = delivered.isCall ? bodyOfError(error) : undefined;
        // A policy that resumes keeps what the handler had done when it threw; all others give it up.
        if (isSame) return finish(delivered, true, body);
        giveUp(delivered, body);
      }
      if (cell.phase === Phase.waiting || cell.phase === Phase.due) {
        // What has come is in the mailbox before that is emptied, and what comes from here on is for the next life.
        driver.flush();
        empty(cell);
        durable.crashed(cell);
        driver.happen({ type: "crashed", actor: cell.id });
        driver.flush();
      }
    },
    ended(cell) {
      const ended = new ShoalError("Ended", `Cannot send to ${cell.className} ${cell.id}: it has ended`);
      for (const delivered of late.get(cell) ?? []) {
        home.over(delivered, false);
        delivered.reject(ended);
      }
      late.delete(cell);
      thrown.delete(cell);
      // Their answers leave before the word that nobody is there any more.
      driver.flush();
      // What a durable actor has committed is ended by a stop alone. One that crashes too often, or cannot begin, may
      // do better in the next process.
      const here = cell.terms.durable && cell.extras?.end?.reason !== "stopped";
      driver.happen({ type: "ended", actor: cell.id, here });
    },
  };

  /** What waits for a durable actor that begins a new life comes again from its senders. */
  function empty(cell: Cell): void {
    for (let mailbox = cell.mailbox; mailbox !== undefined && mailbox.length > 0; mailbox = cell.mailbox) {
      const { ticket } = mailbox;
      mailbox.drop();
      if (ticket instanceof Delivered) {
        ticket.settled = true;
        home.over(ticket, false);
      }
      if (mailbox.length === 0) cell.mailbox = undefined;
    }
  }
}

const noTensors: readonly TensorRef[] = [];
