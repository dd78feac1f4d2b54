// What a program holds: a system of actors, and what it can ask of it. Types only; `launch` makes one.

import type { TaskKind, TaskStores } from "../stores/open.ts";
import type { Tensors } from "../stores/store.ts";
import type { EndReason, ErrorRecord, RunRecord } from "./run/records.ts";
import type { ActorRef, AnyActorRef, AskOptions, Asks, Message, Reply, Sendable } from "./ref.ts";
import type { Supervision } from "./supervision.ts";
import type { Topic, TopicOptions, TopicReading, TopicSharing } from "./topic.ts";

/** A class of actors: what it is constructed with is one value that can be sent, or nothing. */
export type ActorClass<A = object> = new (...input: never[]) => A;

/** What follows the class when it is spawned: its constructor's one value, where it takes one, and options. */
export type Spawning<C extends ActorClass, Options> = ConstructorParameters<C> extends infer P
  ? P extends [] ? [input?: undefined, options?: Options]
  : P extends [infer I] ? [input: Sendable<I>, options?: Options]
  : P extends [(infer I)?] ? [input?: Sendable<I>, options?: Options]
  : never
  : never;

/** What an actor needs of its machine. */
export interface Resources {
  /** Of the host that its process runs on, which that host's processes share. */
  readonly cores?: number;
  readonly memoryBytes?: number;
  /** Of those that its process is shown: see `gpus` of `launch`. */
  readonly gpus?: number;
}

export interface SpawnOptions {
  /** Others find it under this name; only one actor of a run can have it. */
  readonly name?: string;
  /** The node that it lives on; the spawner's own unless said. */
  readonly node?: string;
  /** `threads`: it lives in one of the process's other threads; `processes`: in one of the run's other processes. */
  readonly on?: "threads" | "processes";
  /** What it works on: its tensors go to the store for this kind of task, where there is one. */
  readonly task?: TaskKind;
  /** What it needs of its machine: it lives where that is free, and has it until it ends. */
  readonly resources?: Resources;
  readonly supervision?: Partial<Supervision>;
  readonly limits?: Partial<Pick<Limits, "mailboxMessagesMax" | "mailboxBytesMax">>;
}

/** What each member of a pool is constructed with, where the class takes something. */
type PoolInput<C extends ActorClass> = [] extends ConstructorParameters<C> ? { readonly input?: Spawning<C, never>[0] }
  : { readonly input: Spawning<C, never>[0] };

export type PoolOptions<C extends ActorClass> = PoolInput<C> & Omit<SpawnOptions, "name" | "node"> & {
  readonly size: number;
  /** The nodes that its members live on, in turn; the maker's own unless said. */
  readonly nodes?: readonly string[];
  /** How often a task may begin when the members that had it ended. */
  readonly attemptsMax?: number;
};

/** Everything has a limit. What a limit means is said where it is enforced. */
export interface Limits {
  readonly mailboxMessagesMax: number;
  readonly mailboxBytesMax: number;
  readonly overflowMessagesMax: number;
  readonly messageBytesMax: number;
  readonly sendTimeoutMs: number;
  readonly replyTimeoutMs: number;
  readonly streamIdleTimeoutMs: number;
  readonly stopTimeoutMs: number;
  readonly timersMax: number;
  readonly deadLettersMax: number;
  readonly nameCharsMax: number;
  /** How long a process may show no sign of life before another takes its place. */
  readonly leaseMs: number;
  /** How long a process that was started may take to join. */
  readonly joinTimeoutMs: number;
  /** For how long nobody may come in the place of a process before its nodes move to others. */
  readonly replaceTimeoutMs: number;
}

/** How an actor ended. */
export interface Ended {
  readonly id: string;
  readonly reason: EndReason;
  readonly error?: ErrorRecord;
}

/** A message that nobody will handle, and why. */
export interface DeadLetter {
  readonly at: number;
  readonly to: string;
  readonly class: string;
  readonly from: string;
  readonly method: string;
  readonly reason: string;
}

export interface StopOptions {
  /** Do not drain: what waits in the mailbox is settled as failed, what runs as unknown. */
  readonly now?: boolean;
  readonly timeoutMs?: number;
}

export interface SystemStatistics {
  readonly actors: number;
  readonly spawned: number;
  readonly handled: number;
  readonly crashes: number;
  readonly restarts: number;
  readonly deadLetters: number;
}

export interface TaskOptions extends AskOptions {
  /**
   * What tasks of this name have answered is recorded in the run directory, by their inputs: a resumed run takes it from
   * there, and runs the rest.
   */
  readonly name?: string;
}

/** Actors of one class that take tasks as they become idle. */
export interface Pool<A> {
  readonly size: number;
  ask<K extends Asks<A>>(method: K, ...message: Message<A, K, TaskOptions>): Promise<Reply<A, K>>;
  /** One task an input; the answers in the order of the inputs. The first failure fails it and starts no more tasks. */
  map<K extends Asks<A>>(
    method: K,
    inputs: Iterable<Message<A, K, TaskOptions>[0]>,
    options?: TaskOptions,
  ): Promise<Reply<A, K>[]>;
  /** As `map`, but each answer as it comes, with the index of its input, and each failure as a value. */
  results<K extends Asks<A>>(
    method: K,
    inputs: Iterable<Message<A, K, TaskOptions>[0]>,
    options?: TaskOptions,
  ): AsyncIterable<Result<Reply<A, K>>>;
  /** Gives each entry of a topic to one member. It goes on as its results are read, and ends with the reading. */
  share<K extends Asks<A>>(
    method: K,
    reading: TopicReading<Message<A, K, TaskOptions>[0]>,
    options?: TaskOptions,
  ): TopicSharing<Reply<A, K>>;
  stop(options?: StopOptions): Promise<void>;
}

export type Result<T> =
  | { readonly index: number; readonly value: T; readonly error?: undefined }
  | { readonly index: number; readonly error: Error };

/** A running system of actors. */
export interface System extends AsyncDisposable {
  readonly run: string;
  readonly seed: number;
  readonly store: Tensors;
  /** Where the tensors of a kind of task live: what its actors are to find, wherever they are, is put there. */
  storeOf(task: TaskKind): Tensors;
  spawn<C extends ActorClass>(Class: C, ...rest: Spawning<C, SpawnOptions>): Promise<ActorRef<InstanceType<C>>>;
  pool<C extends ActorClass>(Class: C, options: PoolOptions<C>): Promise<Pool<InstanceType<C>>>;
  /** The actor that has this name, if any; of another class it is `Incompatible`. */
  find<C extends ActorClass>(Class: C, name: string): Promise<ActorRef<InstanceType<C>> | undefined>;
  /** One log per publisher under one name: any actor publishes to it, and reads it at its own pace. */
  topic<T>(name: string, options?: TopicOptions): Topic<T>;
  /** Settles when the actor has ended; at once where it has already. */
  watch(actor: AnyActorRef): Promise<Ended>;
  /** Ends an actor, after what waits in its mailbox unless `now`. */
  stop(actor: AnyActorRef, options?: StopOptions): Promise<Ended>;
  deadLetters(): readonly DeadLetter[];
  statistics(): SystemStatistics;
  /** Settles when the system has ended; rejects with what escalated beyond its last supervisor. */
  readonly ended: Promise<void>;
  close(options?: StopOptions): Promise<void>;
}

/** Workers that take some kinds of task and no others, started alike. */
export interface WorkerGroup {
  readonly kinds: readonly TaskKind[];
  /** What people call it; its site's name unless said, or the number of the group. */
  readonly name?: string;
  /** How many processes; one for each of its hosts unless said. */
  readonly nodes?: number;
  readonly launcher?: "auto" | "local" | "slurm" | "pbs" | "ssh";
  /** The machine: a site's name, or the path of its file. */
  readonly site?: string;
  /** With ssh: where its processes are started; those of its site unless said. */
  readonly hosts?: string;
  /** In each of its processes. */
  readonly threads?: number;
  /** The GPUs of each of its hosts. */
  readonly gpus?: string;
  readonly workerCommand?: string | readonly string[];
}

export interface LaunchOptions {
  /** Where tensors, logs and claims live. */
  readonly store?: string;
  readonly storeThresholdBytes?: number;
  /** Stores for the tensors of some kinds of tasks, and thresholds of their own. */
  readonly stores?: TaskStores;
  /** Files, or folders, of which `module:` may load stores, beside what lies below the working directory. */
  readonly storeModules?: readonly string[];
  /**
   * The run's name: a later launch with the same one goes on with it, so that the store keeps what it holds. A run
   * without one ends when its system closes, and its tensors with it.
   */
  readonly name?: string;
  readonly seed?: number;
  /** Every message is encoded and decoded, released tensors are overwritten, writes to read-only ones are found. */
  readonly strict?: boolean;
  readonly limits?: Partial<Limits>;
  readonly supervision?: Partial<Supervision>;
  /** Files of configuration, from left to right; what else is said here wins over them. */
  readonly config?: string | readonly string[];
  /** How many threads take actors beside the main one; as many as the machine has cores unless said. */
  readonly threads?: number;
  /** Groups of workers, each for some kinds of task; `shoal run` also starts them by ssh or on nodes of its job. */
  readonly workers?: readonly WorkerGroup[];
  /** The kinds of task that this process takes, and its `nodes`; those of no group unless said. */
  readonly kinds?: readonly TaskKind[];
  /**
   * How many processes run actors, this one among them: `main`, `n2`, `n3` and so on. They meet in a store that all of
   * them reach; where none is named, in files.
   */
  readonly nodes?: number;
  /** The GPUs of each node, as in `0,1,2,3`: each process there is shown its part of them, and nothing else. */
  readonly gpus?: string;
  /** `log`: mail between processes goes over the store's log, and not by sockets within a host. */
  readonly link?: "auto" | "log";
  /** The words that start a worker, as a list or as a shell reads them; as this process was started unless said. */
  readonly workerCommand?: string | readonly string[];
  /** What each of these may have on its heap before it is ended, where the runtime can end it alone (Node can). */
  readonly threadHeapBytesMax?: number;
  /** Packages, paths in them, or classes, whose actors other threads and nodes may be asked for by name. */
  readonly allow?: readonly string[];
  /** Is told each fact as it happens. */
  readonly record?: (record: RunRecord) => void;
}
