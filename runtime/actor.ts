// What users extend: an actor's messages are its public methods, its state is its fields, and everything it may do to
// others goes through the few members here.

import type { Tensors } from "../stores/store.ts";
import type { Random } from "./random.ts";
import type { ActorRef, AnyActorRef, Asks, Message, Takes } from "./ref.ts";
import type { ActorClass, Ended, Pool, PoolOptions, Spawning, SpawnOptions, StopOptions } from "./system.ts";
import type { Topic, TopicOptions } from "./topic.ts";

/** Writes to the run's log, with who and when. */
export interface Log {
  debug(text: string, fields?: LogFields): void;
  info(text: string, fields?: LogFields): void;
  warn(text: string, fields?: LogFields): void;
  error(text: string, fields?: LogFields): void;
}

export type LogFields = { readonly [key: string]: unknown };

/** Something that will happen, unless it is cancelled. */
export interface Timer {
  cancel(): void;
}

/** What an actor stands on: made by the runtime for each of its lives. */
export interface Ground {
  readonly self: AnyActorRef;
  readonly store: Tensors;
  readonly log: Log;
  readonly random: Random;
  readonly signal: AbortSignal;
  now(): number;
  spawn<C extends ActorClass>(Class: C, input: unknown, options: SpawnOptions): Promise<ActorRef<InstanceType<C>>>;
  pool<C extends ActorClass>(Class: C, options: PoolOptions<C>): Promise<Pool<InstanceType<C>>>;
  find<C extends ActorClass>(Class: C, name: string): Promise<ActorRef<InstanceType<C>> | undefined>;
  topic(name: string, options: TopicOptions): Topic;
  timer(delayMs: number, repeat: boolean, method: string, message: unknown): Timer;
  watch(actor: AnyActorRef, method: string): void;
  stop(actor: AnyActorRef, options: StopOptions): Promise<Ended>;
}

/** Gives the ground of one life; asked when it is first needed, since most actors need little of it. */
export interface Lives {
  ground(life: number): Ground;
  readonly life: number;
}

let constructing: Lives | undefined;
/** Constructs an actor on its ground. */
export function construct<A>(lives: Lives, make: () => A): A {
  constructing = lives;
  try {
    return make();
  } finally {
    constructing = undefined;
  }
}

/**
 * Base of all actors: `class Wave extends Actor`. An actor that sends messages to itself, by timers or watches, names
 * itself: `class Ticker extends Actor<Ticker>`.
 */
export abstract class Actor<Self = unknown> {
  readonly #lives: Lives;
  readonly #life: number;
  #made: Ground | undefined;

  constructor() {
    if (constructing === undefined) {
      throw new TypeError(`Cannot construct ${new.target.name}: actors are spawned, system.spawn(${new.target.name})`);
    }
    this.#lives = constructing;
    this.#life = constructing.life;
    constructing = undefined;
  }

  get #ground(): Ground {
    // Made when the actor first needs it: most of those that are idle never do.
    return this.#made ??= this.#lives.ground(this.#life);
  }

  /** Runs before the first message, after construction; again in each new life. */
  started?(): void | Promise<void>;

  /** Runs after the last message, when the actor is stopped. */
  stopping?(): void | Promise<void>;

  /** This actor, as others see it. */
  get self(): unknown extends Self ? ActorRef<this> : ActorRef<Self> {
    return this.#ground.self as unknown extends Self ? ActorRef<this> : ActorRef<Self>;
  }

  /** Where tensors live. What is got here is valid until the handler ends, unless it is kept. */
  get store(): Tensors {
    return this.#ground.store;
  }

  get log(): Log {
    return this.#ground.log;
  }

  /** Random numbers that depend on the run's seed and on this actor only. */
  get random(): Random {
    return this.#ground.random;
  }

  /** The runtime's clock: milliseconds since 1970. */
  now(): number {
    return this.#ground.now();
  }

  /** Ends when the one who asked no longer waits: a handler that takes long looks at it. */
  get signal(): AbortSignal {
    return this.#ground.signal;
  }

  /** Starts an actor that ends with this one. */
  spawn<C extends ActorClass>(Class: C, ...rest: Spawning<C, SpawnOptions>): Promise<ActorRef<InstanceType<C>>> {
    const [input, options] = rest as [unknown?, SpawnOptions?];
    return this.#ground.spawn(Class, input, options ?? {});
  }

  /** Starts a pool that ends with this actor. */
  pool<C extends ActorClass>(Class: C, options: PoolOptions<C>): Promise<Pool<InstanceType<C>>> {
    return this.#ground.pool(Class, options);
  }

  /** The actor that has this name, if any. */
  find<C extends ActorClass>(Class: C, name: string): Promise<ActorRef<InstanceType<C>> | undefined> {
    return this.#ground.find(Class, name);
  }

  /** One log per publisher under one name: what this actor publishes there, any actor reads at its own pace. */
  topic<T>(name: string, options: TopicOptions = {}): Topic<T> {
    return this.#ground.topic(name, options) as Topic<T>;
  }

  /** Sends this actor one of its own messages after a while. */
  after<K extends Asks<Self>>(delayMs: number, method: K, ...message: Message<Self, K, never>): Timer {
    return this.#ground.timer(delayMs, false, method, message[0]);
  }

  /** Sends this actor one of its own messages again and again; a tick that it has not handled yet is not repeated. */
  every<K extends Asks<Self>>(periodMs: number, method: K, ...message: Message<Self, K, never>): Timer {
    return this.#ground.timer(periodMs, true, method, message[0]);
  }

  /** Sends this actor a message, with an `Ended`, when the other has ended; at once where it has already. */
  watch<K extends Takes<Self, Ended>>(actor: AnyActorRef, method: K): void {
    this.#ground.watch(actor, method);
  }

  /** Ends an actor, after what waits in its mailbox unless `now`; an actor may stop itself. */
  stop(actor: AnyActorRef, options: StopOptions = {}): Promise<Ended> {
    return this.#ground.stop(actor, options);
  }
}
