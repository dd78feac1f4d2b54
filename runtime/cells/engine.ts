// The engine of one thread: it joins the parts that each know little (scheduler, mailboxes, lives, references, store)
// into what every actor shares, and keeps count.

import { ShoalError } from "../../stores/error.ts";
import type { Tensors } from "../../stores/store.ts";
import { Parcel } from "./call.ts";
import { Cell, type Home, Phase } from "./cell.ts";
import { decodeMessage, encodeMessage } from "../messages/codec.ts";
import { deadlines } from "../deadlines.ts";
import type { Environment } from "../environment.ts";
import { errorRecord, identity, unanswerable } from "./failure.ts";
import { type Letters, letters } from "./letters.ts";
import { type Lifecycle, lifecycle } from "./life.ts";
import { type LogSink, printLog } from "../log.ts";
import { copyMessage, type Passage } from "../messages/message.ts";
import type { Sender, Source, Target } from "../reference.ts";
import type { Fact, RunRecord } from "../run/records.ts";
import { scheduler, schedulerLimits } from "../scheduler.ts";
import { SendingReference } from "./sending.ts";
import { pump, streamed } from "../stream.ts";
import type { Ended, Limits } from "../system.ts";
import { mailroom } from "./mailroom.ts";
import type { Onlooker } from "./onlooker.ts";
import { pins } from "./pins.ts";
import type { Post } from "./post.ts";
import { Distant, PostedReference } from "./posted.ts";
import { nobody, type Terms } from "./terms.ts";
import { turn } from "./turn.ts";

export interface EngineOptions {
  readonly node: string;
  readonly environment: Environment;
  readonly store: Tensors;
  readonly limits: Limits;
  readonly strict: boolean;
  readonly record: ((record: RunRecord) => void) | undefined;
  /** A failure went up beyond the last actor that could have judged it. */
  readonly escalated: (cell: Cell, error: unknown) => void;
  readonly ground: Home["ground"];
  readonly onlooker: Onlooker<Cell> | undefined;
  readonly choose: ((ready: number) => number) | undefined;
  /** What carries mail between nodes; nothing for one that is alone. */
  readonly post: ((engine: Engine) => Post<Cell>) | undefined;
}

export interface Engine {
  readonly home: Home;
  readonly life: Lifecycle;
  readonly letters: Letters;
  readonly log: LogSink;
  readonly counts: { handled: number; crashes: number; restarts: number; spawned: number };
  /** The actors that have not ended, by their number. */
  readonly cells: Map<number, Cell>;
  readonly names: Map<string, Cell>;
  /** Those that have an address of their own. */
  readonly addresses: Map<string, Cell>;
  /** Sends on behalf of the program itself. */
  readonly program: Cell;
  make(terms: Terms<Home>, parent: Cell | undefined, input: unknown): Cell;
  /** Whom an address means: an actor of this node, or one that mail is carried to. */
  locate(id: string, className: string): Target;
}

/** Whether what goes to it, or comes from it, is carried. */
function isCarried(end: Target | Source): boolean {
  return end instanceof Cell ? end.terms.durable : end instanceof Distant;
}

const endsKeptMax = 1_000;
const delayMsMax = 2 ** 31 - 1;

export function engine(options: EngineOptions): Engine {
  const { node, store, limits, strict } = options;
  // Timers of the platform take what is longer than this for no delay at all.
  const environment: Environment = {
    ...options.environment,
    after: (delayMs, call) => options.environment.after(Math.min(delayMs, delayMsMax), call),
  };
  const counts = { handled: 0, crashes: 0, restarts: 0, spawned: 0 };
  const cells = new Map<number, Cell>();
  const names = new Map<string, Cell>();
  const addresses = new Map<string, Cell>();
  const ends = new Map<string, Ended>();
  const dead = letters(limits.deadLettersMax);
  const waits = deadlines(environment);
  let recordingFailed = false;
  let serials = 0;

  function record(fact: () => Fact): void {
    if (options.record === undefined || recordingFailed) return;
    try {
      options.record({ at: environment.date(), node, ...fact() });
    } catch (error) {
      // Whoever keeps the records has failed; the actors have not.
      recordingFailed = true;
      const { message } = errorRecord(error);
      printLog({ type: "MessageLogged", level: "error", text: `no more is recorded, the recorder threw: ${message}` });
    }
  }

  const log: LogSink = options.record === undefined ? printLog : (said) => record(() => said);

  const life = lifecycle({
    counts,
    escalated: options.escalated,
    ended(cell) {
      const name = cell.extras?.name;
      if (name !== undefined && names.get(name) === cell) names.delete(name);
      cells.delete(cell.serial);
      const address = cell.extras?.address;
      if (address !== undefined) addresses.delete(address);
      if (cell.extras?.isPosted === true) home.post?.ended(cell);
      // Whoever asks late how it ended is told, as long as not too many have ended since.
      if (cell.extras?.end !== undefined) ends.set(cell.id, cell.extras.end);
      if (ends.size > endsKeptMax) ends.delete(ends.keys().next().value!);
      cell.parent?.extras?.children?.delete(cell);
    },
  });

  function refer(target: Target, source: Source, lived: number): Sender {
    const { post } = home;
    const sender = post !== undefined && (isCarried(target) || isCarried(source))
      ? new PostedReference(target, source, lived, post)
      : new SendingReference(target, source, lived);
    return options.onlooker?.refer?.(sender) ?? sender;
  }

  function passageTo(receiver: Source, lived: number): Passage {
    return {
      bytes: 0,
      tensors: undefined,
      special: false,
      bytesMax: limits.messageBytesMax,
      bind({ target }) {
        const isKnown = target instanceof Cell ? target.home === home : home.post !== undefined;
        return isKnown ? refer(target, receiver, lived) : undefined;
      },
    };
  }

  /** One that is gone still has an address, which refuses everything. */
  function locate(id: string, className: string): Target {
    const addressed = addresses.get(id);
    if (addressed !== undefined) return addressed;
    const at = id.indexOf("/");
    const isOwn = id.slice(0, at) === node;
    const cell = isOwn ? cells.get(Number(id.slice(at + 1))) : undefined;
    if (cell !== undefined) return cell;
    if (home.post !== undefined && (!isOwn || id[at + 1] === "@")) return new Distant(id, className);
    const gone = new Cell(Number(id.slice(at + 1)), nobody(home, className), undefined, undefined);
    gone.phase = Phase.ended;
    gone.extra.end = ends.get(id) ?? { id, reason: "stopped" };
    return gone;
  }

  /** In strict mode every message takes the way that it would take between nodes. */
  function passStrictly(message: unknown, passage: Passage): unknown {
    const frame = encodeMessage(copyMessage(message, passage), passage.special);
    return decodeMessage(frame, (id, className) => passage.bind(refer(locate(id, className), program, program.life)));
  }

  const { hold, over } = pins(store, node, log);

  const pass: Home["pass"] = strict ? passStrictly : copyMessage;

  const queue = scheduler(environment, schedulerLimits, options.choose);

  /** Waits for a turn as an actor with a full mailbox would. */
  function takeTurn(): Promise<void> {
    return new Promise((resolve) =>
      queue.ready({
        run(budget) {
          resolve();
          return budget;
        },
      })
    );
  }

  const home: Home = {
    node,
    environment,
    scheduler: queue,
    deadlines: waits,
    limits,
    counts,
    mailboxes: mailroom(),
    refer,
    passage: passageTo,
    pass,
    passBack(value, call) {
      const { source, life: lived } = call.from;
      const passage = passageTo(source, lived);
      const passed = pass(value, passage);
      if (!(source instanceof Cell)) call.passage = passage;
      else if (passage.tensors !== undefined && source.life === lived && source.busy) {
        // The asker's handler goes on with them; they are its until it ends.
        (source.extra.received ??= []).push(new Parcel(call.from, passage.tensors, hold(passage.tensors)));
      }
      return passed;
    },
    hold,
    over,
    ground: options.ground,
    failed(cell, error, during) {
      life.failed(cell, error, during);
      if (cell.extras?.isPosted === true) home.post?.judged(cell);
    },
    start: life.again,
    async stream(cell, handler, generator, call) {
      if (call?.flow === undefined) {
        void generator.return?.(undefined);
        const what = call?.what ?? `Cannot send ${handler.name} to ${cell.className} ${cell.id}`;
        const error = new ShoalError("BadInput", `${what}: it is a generator, and is read with stream`);
        if (call === undefined) {
          log({ type: "MessageLogged", level: "error", text: error.message, actor: identity(cell) });
        } else call.reject(error);
        return streamed;
      }
      const { from } = call;
      await pump(generator, {
        flow: call.flow,
        turn: takeTurn,
        resume() {
          turn.actor = cell;
          try {
            return generator.next();
          } finally {
            turn.actor = undefined;
          }
        },
        pass(value) {
          try {
            const passage = passageTo(from.source, from.life);
            const passed = pass(value, passage);
            if (passage.tensors === undefined) return { value: passed, done() {} };
            const parcel = new Parcel(from, passage.tensors, hold(passage.tensors));
            return { value: passed, done: () => over(parcel, true) };
          } catch (error) {
            // As an answer that cannot be sent: the caller is told, the actor lives on.
            call.reject(unanswerable(call, error));
            return { value: undefined, done() {} };
          }
        },
      });
      return streamed;
    },
    endViews(cell) {
      const views = cell.extras?.views;
      if (views === undefined) return undefined;
      cell.extra.views = undefined;
      let fault: Error | undefined;
      for (const view of views) {
        try {
          view.done();
        } catch (error) {
          fault ??= error as Error;
        }
      }
      return fault;
    },
    endReceived(cell) {
      const received = cell.extras?.received;
      if (received === undefined) return;
      cell.extra.received = undefined;
      for (const parcel of received) over(parcel, true);
    },
    deadLetter(to, from, method, reason) {
      const { id, className } = to;
      dead.add({
        at: environment.date(),
        to: id,
        class: className,
        from: from.source.id,
        method,
        reason: reason.message,
      });
      const who = to instanceof Cell ? identity(to) : { id, class: className };
      record(() => ({ type: "MessageDied", to: who, method, reason: reason.message }));
    },
    log,
    record,
    onlooker: options.onlooker,
    post: undefined,
  };

  const program = new Cell(0, nobody(home, "Program"), undefined, undefined);

  function make(terms: Terms<Home>, parent: Cell | undefined, input: unknown): Cell {
    const cell = new Cell(++serials, terms, parent, input);
    counts.spawned++;
    cells.set(cell.serial, cell);
    if (parent !== undefined) (parent.extra.children ??= new Set()).add(cell);
    return cell;
  }

  const engine: Engine = { home, life, letters: dead, log, counts, cells, names, addresses, program, make, locate };
  Object.assign(home, { post: options.post?.(engine) });
  return engine;
}
