// What leaves a node: tells and asks on their way into the delivery core, and what becomes of them.

import { ShoalError } from "../../stores/error.ts";
import { askText } from "../cells/call.ts";
import type { Cell } from "../cells/cell.ts";
import type { Engine } from "../cells/engine.ts";
import { faultOfSignal, faultOfWait } from "../cells/sending.ts";
import { nodeOf } from "../cells/posted.ts";
import { turn } from "../cells/turn.ts";
import type { Question } from "../delivery/events.ts";
import type { Refusal } from "../delivery/protocol.ts";
import { Parked } from "../mailbox.ts";
import type { AskOptions, TellOptions } from "../ref.ts";
import type { Reference } from "../reference.ts";
import { isPlain, receive } from "./answers.ts";
import { type Body, errorOf } from "./body.ts";
import { noInput } from "./calls.ts";
import { waitingFor } from "./circles.ts";
import { departures } from "./departures.ts";
import type { Driver, Order } from "./driver.ts";
import { postings } from "./postings.ts";
import { reasons } from "./reasons.ts";
import { type Leaving, PostedCall, type PostedTell } from "./sent.ts";
import { waits } from "./waits.ts";

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
    timeoutMs: number,
    signal: AbortSignal | undefined,
    credit: number,
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
  /** Whether a durable actor has told anything since this was last asked. */
  hasTold(cell: Cell): boolean;
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
  const { deadlines, environment } = home;
  const waiting = waits({ deadlines, environment, calls, tells, leave });
  const tellers = new WeakSet<Cell>();
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
    const source = from.source as Cell;
    known(source);
    if (source.terms.durable) tellers.add(source);
    driver.many.told(from.source.id, write.nodeOf(from.id), from.id, posted);
  }

  function open(
    from: Reference,
    method: string,
    message: unknown,
    timeoutMs: number,
    signal: AbortSignal | undefined,
    credit: number,
    resolve: (value: never) => void,
    reject: (error: Error) => void,
  ): PostedCall | undefined {
    const source = from.source as Cell;
    const token = calls.next();
    const fault = faultOfWait("timeoutMs", timeoutMs) ?? faultOfSignal(signal);
    let question: Question;
    try {
      if (fault !== undefined) throw new ShoalError("BadInput", `${askText(from, method)}: ${fault}`);
      question = write.ask(from, method, message, token, credit);
    } catch (error) {
      reject(error as Error);
      return undefined;
    }
    const call = new PostedCall(from, method, timeoutMs, token, resolve, reject, settledCall, leave);
    known(source);
    calls.add(token, call);
    if (source.busy || turn.actor === source) {
      (source.extra.asking ??= new Set()).add(call);
      watch(call);
      if (!source.terms.durable) {
        driver.happen({ type: "began", actor: source.id, input: noInput, chain: waitingFor(source) });
      }
    }
    driver.many.asked(source.id, write.nodeOf(from.id), from.id, question);
    if (signal !== undefined && !call.settled) call.listen(signal);
    return call;
  }

  function settledCall(call: PostedCall): void {
    waiting.over(call);
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
      item.resolve(isPlain(body) ? body.json : receive(engine, item.from, body));
    } catch (error) {
      item.reject(error as Error);
    }
  }

  /** A tell waits no more. */
  function over(token: number): PostedTell | undefined {
    const item = tells.take(-token);
    if (item !== undefined) waiting.over(item);
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
    ask(from, method, message, options) {
      const promise = new Promise<never>(taken);
      const resolve = resolving;
      const reject = rejecting;
      try {
        open(from, method, message, options?.timeoutMs ?? limits.replyTimeoutMs, options?.signal, 0, resolve, reject);
      } catch (error) {
        reject(error as Error);
      }
      return promise;
    },
    open,
    posted: calls.get,
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
    hasTold: (cell) => tellers.delete(cell),
    settled: waiting.begin,
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

/** The ends of the promise that was made last: to make a closure for each costs as much as the promise. */
let resolving!: (value: never) => void;
let rejecting!: (error: Error) => void;

function taken(resolve: typeof resolving, reject: typeof rejecting): void {
  resolving = resolve;
  rejecting = reject;
}

const unheard = { outcome: "unknown", threw: false, code: "Ended", body: undefined } as const;
