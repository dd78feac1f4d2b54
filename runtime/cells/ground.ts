// What an actor stands on in one of its lives: what `this.store`, `this.spawn`, `this.after` and their like do.

import { ShoalError } from "../../stores/error.ts";
import type { TaskKind } from "../../stores/open.ts";
import type { Tensors } from "../../stores/store.ts";
import type { Ground, Timer } from "../actor.ts";
import { Call, Parcel } from "./call.ts";
import { type Cell, Phase } from "./cell.ts";
import type { Handler } from "./kind.ts";
import { identity } from "./failure.ts";
import { actorLog, type LogSink } from "../log.ts";
import type { Pooling, Work } from "../pool.ts";
import type { Random } from "../random.ts";
import type { AnyActorRef } from "../ref.ts";
import type { ActorClass, Ended, StopOptions } from "../system.ts";
import { Reference, type Sender } from "../reference.ts";
import type { Spawn } from "./spawning.ts";
import type { Topic, TopicOptions } from "../topic.ts";
import { heldTensors } from "./tensors.ts";

/** What the system does on an actor's behalf. */
export interface Doings {
  /** Where the tensors go of a kind of task, or of none. */
  store(task: TaskKind | undefined): Tensors;
  readonly log: LogSink;
  random(cell: Cell): Random;
  readonly spawn: Spawn;
  pool(by: Cell, life: number, Class: ActorClass, options: Pooling): Promise<Work>;
  find(by: Cell, Class: ActorClass, name: string): Promise<Sender | undefined>;
  topic(by: Cell, life: number, name: string, options: TopicOptions): Topic;
  watch(actor: AnyActorRef, watcher: (ended: Ended) => void): () => void;
  stop(actor: AnyActorRef, options: StopOptions): Promise<Ended>;
}

const never = new AbortController().signal;
const delayMsMax = 2 ** 31 - 1;
/** A shorter period would never let time pass. */
const periodMsMin = 1;

/** The ground of one life of an actor. What an ended life asks of it is refused. */
export function groundOf(cell: Cell, life: number, doings: Doings, timers: { count: number }): Ground {
  const { home } = cell;
  const self = home.refer(cell, cell, life);
  let random: Random | undefined;

  function alive(what: string): void {
    if (cell.life === life && cell.phase < Phase.ended) return;
    throw new ShoalError("Fenced", `Cannot ${what}: ${cell.className} ${cell.id} has ended its life ${life}`);
  }

  function leaving(call: () => void): void {
    (cell.extra.leaving ??= new Set()).add(call);
  }

  /** The runtime's own mail: it has room always. What an earlier life asked for, a later one does not get. */
  function post(handler: Handler, message: unknown): void {
    if (cell.life !== life || !cell.open) return;
    if (cell.terms.durable) return home.post?.mail(cell, handler.name, message);
    // Each message is the receiver's own, also one that is sent again and again.
    const passage = home.passage(cell, life);
    const passed = home.pass(message, passage);
    const ticket = passage.tensors === undefined ? self : new Parcel(self, passage.tensors, home.hold(passage.tensors));
    cell.push(handler, passed, ticket, ticket instanceof Parcel ? ticket.weight : 0);
  }

  /** A handler for one's own mail, which means nothing to a later life, or once it is not wanted any more. */
  function own(handler: Handler, isWanted: () => boolean): Handler {
    return {
      name: handler.name,
      run(this: object, value) {
        return cell.life === life && isWanted() ? handler.run.call(this, value) : undefined;
      },
    };
  }

  const ground: Ground = {
    self,
    store: heldTensors(doings.store(cell.terms.task), {
      alive,
      hold: (view) => (cell.extra.views ??= new Set()).add(view),
      keep(view) {
        cell.extras?.views?.delete(view);
        (cell.extra.kept ??= new Set()).add(view);
      },
      drop(view) {
        cell.extras?.views?.delete(view);
        cell.extras?.kept?.delete(view);
      },
    }),
    log: actorLog(doings.log, () => identity(cell), () => cell.life === life ? cell.handling?.name : undefined),
    get random() {
      return home.post?.step(cell)?.random ?? (random ??= doings.random(cell));
    },
    get signal() {
      if (cell.life !== life) return AbortSignal.abort();
      return cell.running instanceof Call ? cell.running.signal : never;
    },
    now: () => home.post?.step(cell)?.now ?? home.environment.date(),
    async spawn(Class, input, options) {
      alive(`spawn ${Class.name}`);
      return await doings.spawn(cell, life, Class, input, options);
    },
    async pool(Class, options) {
      alive(`make a pool of ${Class.name}`);
      const pool = await doings.pool(cell, life, Class, options);
      leaving(() => void pool.stop({ now: true }));
      return pool;
    },
    async find(Class, name) {
      alive(`find ${name}`);
      return await doings.find(cell, Class, name);
    },
    topic(name, options) {
      alive(`use topic ${name}`);
      return doings.topic(cell, life, name, options);
    },
    timer(delayMs, repeat, method, message) {
      alive(`set a timer for ${method}`);
      return startTimer(delayMs, repeat, method, message);
    },
    watch(actor, method) {
      alive(`watch ${actor.id}`);
      const handler = cell.terms.kind.handler(method);
      if (handler === undefined) throw cell.terms.kind.unknown(method);
      if (actor instanceof Reference && home.post?.watches(cell, actor.id, method) === true) return;
      leaving(doings.watch(actor, (ended) => post(own(handler, () => true), ended)));
    },
    async stop(actor, options) {
      alive(`stop ${actor.id}`);
      const stopped = doings.stop(actor, options);
      // One that waited for its own end would wait for itself, and so would one that waited for its parent's.
      for (let above: Cell | undefined = cell; above !== undefined; above = above.parent) {
        if (actor.id === above.id) return { id: actor.id, reason: "stopped" };
      }
      return await stopped;
    },
  };
  return home.onlooker?.ground?.(cell, life, ground) ?? ground;

  function startTimer(delayMs: number, repeat: boolean, method: string, message: unknown): Timer {
    const least = repeat ? periodMsMin : 0;
    if (typeof delayMs !== "number" || !(delayMs >= least) || delayMs > delayMsMax) {
      throw new ShoalError(
        "BadInput",
        `Cannot set a timer: ${String(delayMs)} ms is not between ${least} and ${delayMsMax}`,
      );
    }
    const handler = cell.terms.kind.handler(method);
    if (handler === undefined) throw cell.terms.kind.unknown(method);
    if (timers.count >= home.limits.timersMax) {
      throw new ShoalError("CapacityExceeded", `Cannot set a timer: ${timers.count} are set, the most that may be`);
    }
    if (cell.terms.durable) {
      const kept = home.post?.timer(cell, delayMs, repeat, method, message);
      if (kept !== undefined) return kept;
    }
    const passage = home.passage(cell, life);
    const passed = home.pass(message, passage);
    const kept = passage.tensors === undefined
      ? undefined
      : new Parcel(self, passage.tensors, home.hold(passage.tensors));
    let isSet = true;
    let isWanted = true;
    let pending = false;
    const ticking = own(handler, () => {
      pending = false;
      return isWanted;
    });
    let due = home.environment.now() + delayMs;
    timers.count++;

    function unset(): void {
      if (!isSet) return;
      isSet = false;
      stop();
      timers.count--;
      if (kept !== undefined) home.over(kept, false);
      cell.extras?.leaving?.delete(cancel);
    }

    function cancel(): void {
      isWanted = false;
      unset();
    }

    function tick(): void {
      if (repeat) {
        // Behind by more than a period means that ticks were missed; they are not made up for.
        due = Math.max(due + delayMs, home.environment.now());
        stop = home.environment.after(due - home.environment.now(), tick);
        if (pending) return;
      }
      pending = true;
      post(ticking, passed);
      if (!repeat) unset();
    }

    let stop = home.environment.after(delayMs, tick);
    leaving(cancel);
    return { cancel };
  }
}
