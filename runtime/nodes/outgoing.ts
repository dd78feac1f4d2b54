// What leaves a node: tells and asks on their way into the delivery core, and what becomes of them.

import { ShoalError } from "../../stores/error.ts";
import { type Call, Parcel } from "../cells/call.ts";
import { Cell } from "../cells/cell.ts";
import type { Engine } from "../cells/engine.ts";
import { faultOfSignal, faultOfWait } from "../cells/sending.ts";
import { nodeOf } from "../cells/posted.ts";
import { turn } from "../cells/turn.ts";
import type { Question } from "../delivery/events.ts";
import type { Refusal } from "../delivery/protocol.ts";
import { Parked } from "../mailbox.ts";
import { copyMessage } from "../messages/message.ts";
import type { AskOptions, TellOptions } from "../ref.ts";
import type { Reference } from "../reference.ts";
import { type Body, errorOf, openBody } from "./body.ts";
import { type Leaving, noInput, PostedCall, type PostedTell, Waiting } from "./calls.ts";
import { waitingFor } from "./circles.ts";
import { departures } from "./departures.ts";
import type { Driver, Order } from "./driver.ts";
import { postings } from "./postings.ts";
import { reasons } from "./reasons.ts";

export interface OutgoingParts {
  readonly engine: Engine;
  readonly driver: Pick<Driver, "happen" | "many" | "flush">;
  /** The core is to know this actor from here on. */
  known(cell: Cell): void;
  /** Whether the run has such a node. */
  readonly knows: ((node: string) => boolean) | undefined;
  /** A handler waits for this from here on. */
  watch(call: PostedCall): void;
  /** Tells a node that nobody waits for a call any more that it may have got. */
  cancel(target: string, source: string, number: number, code: ShoalError["code"]): void;
  /** A message that this actor told, and did not look after, was refused. */
  refused(cell: Cell, error: ShoalError): void;
}

export interface Outgoing {
  tell(from: Reference, method: string, message: unknown, options: TellOptions | undefined): PromiseLike<void>;
  ask(from: Reference, method: string, message: unknown, options: AskOptions | undefined): Promise<never>;
  /** Tells what nobody looks after: it is kept until it arrives, however long that takes. */
  send(from: Reference, method: string, message: unknown): void;
  /** Makes a call and posts it; `credit` as in `Body`. Nothing where it was refused, which `reject` has been told. */
  open(
    from: Reference,
    method: string,
    message: unknown,
    options: { readonly timeoutMs: number; readonly signal: AbortSignal | undefined; readonly credit: number },
    resolve: (value: never) => void,
    reject: (error: Error) => void,
  ): PostedCall | undefined;
  /** A call that left and has no answer. */
  posted(token: number): PostedCall | undefined;
  settle(order: Extract<Order, { type: "settle" }>): void;
  /** Tells have left. */
  left(tokens: readonly number[]): void;
  /** Calls are answered with values. */
  answered(tokens: readonly number[], bodies: readonly unknown[]): void;
  waitingFor(cell: Cell): readonly string[];
  /** What has no answer yet, or no room, begins to wait. */
  settled(): void;
  /** A node has said that this one is none of its run's. */
  strange(node: string, error: ShoalError): void;
  /** A node is gone, and nobody will be it again. */
  gone(node: string): void;
  /** Gives up what is asked: of what has not left it is known that it never will. */
  end(): void;
  /** Ends all that is under way. */
  stop(error: ShoalError): void;
}

export function outgoing(parts: OutgoingParts): Outgoing {
  const { engine, driver, known, knows, watch, cancel, refused: refusedBy } = parts;
  const { home } = engine;
  const { limits } = home;
  const calls = departures<PostedCall>();
  const tells = departures<PostedTell>();
  const write = postings(home, () => stopped, knows);
  let stopped: ShoalError | undefined;

  function leave(item: PostedCall | PostedTell): void {
    const { source, target } = item.from;
    driver.happen({ type: "expired", actor: source.id, destination: target.id, token: item.token });
    // Of one whose asker is gone nobody hears how it ended, and the core may have forgotten it.
    if (item instanceof PostedCall && item.from.source.life !== item.from.life) {
      return settle({ type: "settle", token: item.token, ...unheard });
    }
    driver.flush();
  }

  function tell(
    from: Reference,
    method: string,
    message: unknown,
    options: TellOptions | undefined,
  ): PromiseLike<void> {
    const fault = options === undefined ? undefined : faultOfWait("timeoutMs", options.timeoutMs);
    const number = tells.next();
    let posted: PostedTell;
    try {
      if (fault !== undefined) {
        throw new ShoalError("BadInput", `Cannot send ${method} to ${from.toString()}: ${fault}`);
      }
      posted = write.tell(from, method, message, -number, options?.timeoutMs ?? limits.sendTimeoutMs);
    } catch (error) {
      return lost(from, method, error);
    }
    tells.add(number, posted);
    hand(from, posted);
    return posted;
  }

  function hand(from: Reference, posted: PostedTell): void {
    known(from.source as Cell);
    driver.many.told(from.source.id, write.nodeOf(from.id), from.id, posted);
  }

  function open(
    from: Reference,
    method: string,
    message: unknown,
    options: { readonly timeoutMs: number; readonly signal: AbortSignal | undefined; readonly credit: number },
    resolve: (value: never) => void,
    reject: (error: Error) => void,
  ): PostedCall | undefined {
    const { timeoutMs, signal, credit } = options;
    const source = from.source as Cell;
    const token = calls.next();
    const call = new PostedCall(from, method, timeoutMs, token, resolve, reject, leave);
    const fault = faultOfWait("timeoutMs", timeoutMs) ?? faultOfSignal(signal);
    let question: Question;
    try {
      if (fault !== undefined) throw new ShoalError("BadInput", `${call.what}: ${fault}`);
      question = write.ask(from, method, message, token, credit);
    } catch (error) {
      call.reject(error as Error);
      return undefined;
    }
    known(source);
    const isHandling = source.busy || turn.actor === source;
    if (isHandling) (source.extra.asking ??= new Set()).add(call);
    call.onSettled = settledCall;
    calls.add(token, call);
    if (isHandling) watch(call);
    const { durable } = source.terms;
    if (!durable && isHandling) {
      const chain = waitingFor(source);
      driver.happen({ type: "began", actor: source.id, input: noInput, chain });
    }
    driver.many.asked(source.id, write.nodeOf(from.id), from.id, question);
    if (signal !== undefined && !call.settled) call.listen(signal);
    return call;
  }

  function settledCall(call: Call): void {
    home.deadlines.remove(call);
    (call.from.source as Cell).extras?.asking?.delete(call);
  }

  function settle({ token, outcome, threw, code, body }: Extract<Order, { type: "settle" }>): void {
    if (token < 0) return refused(token, code, outcome);
    const item = calls.take(token);
    if (item === undefined) return;
    if (code !== undefined) return refuse(item, code, outcome, body);
    if (threw) item.reject(errorOf(body as Body));
    else resolve(item, body as Body);
  }

  function resolve(item: PostedCall, body: Body): void {
    try {
      item.resolve(receive(item, body));
    } catch (error) {
      item.reject(error as Error);
    }
  }

  /** A tell waits no more. */
  function over(token: number): PostedTell | undefined {
    const item = tells.take(-token);
    if (item?.waiting?.isOver() === true) home.deadlines.remove(item.waiting);
    return item;
  }

  function refused(token: number, code: Refusal | undefined, outcome: ShoalError["outcome"]): void {
    const item = over(token);
    if (item === undefined) return;
    if (code === undefined) return item.end();
    const text = `Cannot send ${item.method} to ${item.from.toString()}: ${reasons[code]}`;
    const error = new ShoalError(code, text, { outcome });
    home.deadLetter(item.from.target, item.from, item.method, error);
    item.end(error);
    // A step is whole, or is not: one that has told in vain and does not know has failed.
    if (!item.isAwaited) refusedBy(item.from.source as Cell, error);
  }

  function refuse(call: PostedCall, code: Refusal, outcome: ShoalError["outcome"], body: unknown): void {
    const { leaving } = call;
    if (leaving !== undefined) {
      const begun = outcome === "failed" ? "it had not left" : "it may have begun";
      const text = `${call.what}: ${leaving.why}; ${begun}`;
      call.reject(new ShoalError(leaving.code, text, { outcome, cause: leaving.cause }));
      if (outcome === "unknown") cancel(call.from.target.id, call.from.source.id, call.token, leaving.code);
      return;
    }
    const isCircle = code === "BadInput" && Array.isArray(body);
    const why = isCircle
      ? `each would wait for the next for ever, ${[...body, call.from.id].join(" → ")}`
      : reasons[code];
    call.reject(new ShoalError(code, `${call.what}: ${why}`, { outcome }));
  }

  /** An answer, made its asker's own. */
  function receive({ from }: PostedCall, body: Body): unknown {
    if (body.text === undefined && !body.special && !body.tensors) return body.json;
    const { source, life } = from;
    const value = openBody(body, (id, className) => home.refer(engine.locate(id, className), source, life));
    if (!body.tensors || !(source instanceof Cell) || source.life !== life || !source.busy) return value;
    const passage = home.passage(source, life);
    const passed = copyMessage(value, passage);
    const { tensors } = passage;
    if (tensors !== undefined) {
      const parcel = new Parcel(from, tensors, home.hold(tensors));
      parcel.countsRead = false;
      (source.extra.received ??= []).push(parcel);
    }
    return passed;
  }

  function abandon(code: Leaving["code"], why: string, concerns: (target: string) => boolean): void {
    for (const item of calls.all()) {
      if (concerns(item.from.target.id)) item.abandon(code, why);
    }
  }

  function lost(from: Reference, method: string, error: unknown): PromiseLike<void> {
    const reason = error instanceof ShoalError ? error : new ShoalError("BadInput", String(error), { cause: error });
    home.deadLetter(from.target, from, method, reason);
    return Parked.refused(reason);
  }

  return {
    tell,
    send(from, method, message) {
      // Of a node that has ended nobody expects anything any more.
      if (stopped === undefined) hand(from, write.tell(from, method, message, 0, 0));
    },
    ask: (from, method, message, options) =>
      new Promise((resolve, reject) => {
        const timeoutMs = options?.timeoutMs ?? limits.replyTimeoutMs;
        open(from, method, message, { timeoutMs, signal: options?.signal, credit: 0 }, resolve, reject);
      }),
    open,
    posted(token) {
      return calls.get(token);
    },
    settle,
    answered(tokens, bodies) {
      for (let i = 0; i < tokens.length; i++) {
        const item = calls.take(tokens[i]!);
        if (item !== undefined) resolve(item, bodies[i] as Body);
      }
    },
    left(tokens) {
      for (const token of tokens) over(token)?.end();
    },
    waitingFor,
    settled() {
      let now: number | undefined;
      let waiting: Waiting | undefined;
      for (const item of tells.fresh()) {
        if (waiting?.timeoutMs !== item.timeoutMs) {
          waiting = new Waiting(item.timeoutMs, leave);
          home.deadlines.add(waiting, item.timeoutMs, now ??= home.environment.now());
        }
        waiting.add(item);
      }
      for (const call of calls.fresh()) home.deadlines.add(call, call.timeoutMs, now ??= home.environment.now());
    },
    strange: (node, { code, message }) =>
      abandon(code as Leaving["code"], `node ${node} will have none of it: ${message}`, (to) => nodeOf(to) === node),
    gone: (node) => abandon("Ended", "its process has ended", (target) => nodeOf(target) === node),
    end: () => abandon("ShuttingDown", "the system was closed", () => true),
    stop(error) {
      stopped = error;
      const unknown = (): ShoalError => new ShoalError(error.code, error.message, { outcome: "unknown" });
      for (const item of tells.all()) item.end(unknown());
      for (const item of calls.all()) {
        calls.take(item.token);
        item.reject(unknown());
      }
    },
  };
}

const unheard = { outcome: "unknown", threw: false, code: "Ended", body: undefined } as const;
