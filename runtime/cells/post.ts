// How an engine's actors reach those that mail must be carried to: on other nodes, or durable. Types only.

import type { Survives } from "../../stores/store.ts";
import type { Timer } from "../actor.ts";
import type { Random } from "../random.ts";
import type { AskOptions, StreamOptions, TellOptions } from "../ref.ts";
import type { Reference, Sender } from "../reference.ts";
import type { Allotted, Wanted } from "../resources.ts";
import type { ActorClass, Ended, SpawnOptions, StopOptions } from "../system.ts";
import type { TopicOptions } from "../topic.ts";
import type { Item } from "../topics/publishing.ts";
import type { KeptReadings, StepTopics } from "../topics/steps.ts";

/** What becomes of topics between the steps of durable actors. */
export interface Carrying<Cell> {
  /** Settles when the log has it. */
  publish(cell: Cell, topic: string, options: TopicOptions, item: Item): PromiseLike<void>;
  readings(cell: Cell): KeptReadings;
  read(cell: Cell, committed: KeptReadings): void;
}

export interface Post<Cell> {
  tell(from: Reference, method: string, message: unknown, options: TellOptions | undefined): PromiseLike<void>;
  ask(from: Reference, method: string, message: unknown, options: AskOptions | undefined): Promise<never>;
  stream(from: Reference, method: string, message: unknown, options: StreamOptions): AsyncIterable<never>;
  /** The actors, on whatever node, whose handlers wait for what this one does now. */
  waitingFor(cell: Cell): readonly string[];
  /** The runtime's own mail to a durable actor: it is carried as all else is. */
  mail(cell: Cell, method: string, message: unknown): void;
  /** Sets a timer as part of a durable actor's running step; nothing where none runs. */
  timer(cell: Cell, delayMs: number, repeat: boolean, method: string, message: unknown): Timer | undefined;
  /** What takes what a durable actor's running step publishes; nothing where none runs. */
  publishes(cell: Cell): Pick<StepTopics, "publish"> | undefined;
  /** Watches an actor as part of a durable actor's running step; false where none runs. */
  watches(cell: Cell, address: string, method: string): boolean;
  /** What a durable actor's running step draws and reads from the clock: the same, however often it runs. */
  step(cell: Cell): { readonly random: Random; readonly now: number } | undefined;
  /** A failure of this actor was judged: it goes on, begins a new life, or ends. */
  judged(cell: Cell): void;
  ended(cell: Cell): void;
  /** Puts into a new life of a durable actor what it has committed; settles when that is done. */
  restore(cell: Cell, actor: object): Promise<void> | undefined;
}

/** What a system does beyond its own node. */
export interface Elsewhere<Cell> extends Post<Cell> {
  /** What its store does. */
  readonly survives: Survives;
  /** Starts an actor on another node. */
  spawn(by: Cell, lived: number, Class: ActorClass, input: unknown, options: SpawnOptions): Promise<Sender>;
  /** Reserves what an actor needs, where there is room. */
  allot(wanted: Wanted): Promise<Allotted>;
  /** What was reserved is free again. */
  freed(lease: number): void;
  /** Who carries what durable actors have published when it is committed. */
  carries(topics: Carrying<Cell>): void;
  /** Makes a name one that all nodes know, or throws `Conflict`. */
  name(cell: Cell, name: string): Promise<void>;
  find(by: Cell, Class: ActorClass, name: string): Promise<Sender | undefined>;
  watch(id: string, watcher: (ended: Ended) => void): () => void;
  stop(id: string, options: StopOptions): Promise<Ended>;
  /** A durable actor is about to begin. Throws where no other process could make it again. */
  conceive(cell: Cell, options: SpawnOptions): void;
  /** It has begun: settles when that is committed. */
  born(cell: Cell): Promise<void>;
  /** A durable actor of this name that was there before this process, until the program asks for it. */
  found(name: string): Cell | undefined;
  close(): Promise<void>;
}
