// Every record that a run leaves behind, in one versioned place. Types only: facts, in the past tense.
// The run directory keeps them a line each; status, report and resume read nothing else.

/** Raised by one when a record changes so that an older reader would misread it. */
export type RecordsVersion = 1;

/** What every record carries: when (milliseconds since 1970), and where it happened. */
interface Happened {
  readonly at: number;
  readonly node: string;
}

/** Who an actor is: its address within the run, its class, and its name where it has one. */
export interface ActorIdentity {
  readonly id: string;
  readonly class: string;
  readonly name?: string;
}

/** An error as a record keeps it: no stack of ours, no secrets. */
export interface ErrorRecord {
  readonly code: string;
  readonly message: string;
  readonly stack?: string;
}

export interface RunStarted extends Happened {
  readonly type: "RunStarted";
  readonly version: RecordsVersion;
  readonly run: string;
  readonly program: string;
  readonly seed: number;
  readonly machine: Machine;
  readonly configuration: { readonly [key: string]: Configured };
  /** Which head of the run this is, from 1. */
  readonly head?: number;
  /** How many bytes of each earlier head's records count: what one that was taken for dead still wrote does not. */
  readonly sealed?: { readonly [head: string]: number };
}

/** A configured value and where it came from. */
export interface Configured {
  readonly value: unknown;
  readonly origin: string;
}

export interface Machine {
  readonly host: string;
  readonly platform: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly runtime: string;
}

export interface RunEnded extends Happened {
  readonly type: "RunEnded";
  readonly state: "done" | "failed" | "interrupted";
  readonly error?: ErrorRecord;
}

export interface ActorSpawned extends Happened {
  readonly type: "ActorSpawned";
  readonly actor: ActorIdentity;
  readonly parent?: string;
}

export interface ActorCrashed extends Happened {
  readonly type: "ActorCrashed";
  readonly actor: ActorIdentity;
  readonly during: string;
  readonly error: ErrorRecord;
  readonly directive: "restart" | "resume" | "stop" | "escalate";
}

export interface ActorRestarted extends Happened {
  readonly type: "ActorRestarted";
  readonly actor: ActorIdentity;
  readonly incarnation: number;
}

export interface ActorEnded extends Happened {
  readonly type: "ActorEnded";
  readonly actor: ActorIdentity;
  readonly reason: EndReason;
  readonly error?: ErrorRecord;
}

/** Why an actor is no more. */
export type EndReason = "stopped" | "crashed" | "escalated" | "parent ended" | "system closed" | "lost";

/** A message that nobody will handle. */
export interface MessageDied extends Happened {
  readonly type: "MessageDied";
  readonly to: ActorIdentity;
  readonly from?: ActorIdentity;
  readonly method: string;
  readonly reason: string;
}

export interface MessageLogged extends Happened {
  readonly type: "MessageLogged";
  readonly level: "debug" | "info" | "warn" | "error";
  readonly text: string;
  readonly actor?: ActorIdentity;
  readonly during?: string;
  readonly fields?: { readonly [key: string]: unknown };
}

export interface TaskStarted extends Happened {
  readonly type: "TaskStarted";
  readonly task: string;
  readonly kind: string;
  readonly actor: ActorIdentity;
  readonly attempt: number;
}

/** So many tasks of a kind were asked for at once. */
export interface TasksPlanned extends Happened {
  readonly type: "TasksPlanned";
  readonly kind: string;
  /** Nothing where the inputs cannot be counted before they are there. */
  readonly tasks?: number;
}

/** Tasks without a name are counted, not recorded one by one: all since the head began. */
export interface TasksCounted extends Happened {
  readonly type: "TasksCounted";
  readonly kind: string;
  readonly begun: number;
  readonly done: number;
  readonly failed: number;
}

/** A task with a name has ended. */
export interface TaskFinished extends Happened {
  readonly type: "TaskFinished";
  readonly task: string;
  readonly kind: string;
  readonly outcome: "done" | "failed" | "unknown";
  readonly error?: ErrorRecord;
  readonly result?: KeptResult;
}

/** What a task answered, as a message is written, with a sum over it; or why it cannot be kept. */
export type KeptResult =
  | { readonly json: unknown; readonly sum: string }
  | { readonly frame: string; readonly sum: string }
  | { readonly notKept: string };

export interface CheckpointWritten extends Happened {
  readonly type: "CheckpointWritten";
  readonly actor: ActorIdentity;
  readonly version: number;
  readonly reference: unknown;
}

export interface FigureDrawn extends Happened {
  readonly type: "FigureDrawn";
  readonly figure: string;
  readonly kind: "line" | "scatter" | "image" | "table" | "svg";
  readonly data: unknown;
}

export interface JobChanged extends Happened {
  readonly type: "JobChanged";
  readonly job: string;
  readonly scheduler: string;
  readonly state: string;
}

/** A process has joined the run as a node: the first of that name, or one in the place of another. */
export interface NodeJoined extends Happened {
  readonly type: "NodeJoined";
  readonly epoch: number;
  readonly pid: number;
  readonly machine: Machine;
  /** The group of workers that it belongs to. */
  readonly group?: string;
}

/** A process of the run has ended, or shows no sign of life; another may take its place. */
export interface NodeLost extends Happened {
  readonly type: "NodeLost";
  readonly epoch: number;
  readonly why: string;
}

/** One line of a run. */
export type RunRecord =
  | RunStarted
  | RunEnded
  | ActorSpawned
  | ActorCrashed
  | ActorRestarted
  | ActorEnded
  | MessageDied
  | MessageLogged
  | TaskStarted
  | TasksPlanned
  | TasksCounted
  | TaskFinished
  | CheckpointWritten
  | FigureDrawn
  | JobChanged
  | NodeJoined
  | NodeLost;

/** A record before the runtime adds when and where. */
export type Fact = RunRecord extends infer R ? (R extends RunRecord ? Omit<R, "at" | "node"> : never) : never;

/** Raised by one when recordings change so that an older reader would misread them. */
export type RecordingVersion = 1;

/** A value as text: see `simulator/written.ts`. */
export type Written = string;

/** What comes to an actor (`begins`, `restores`, `gets`, `resumes`, `learns`), and what comes of it. */
export type LineType = "begins" | "restores" | "gets" | "resumes" | "learns" | "does" | "yields" | "ends";

/** One thing that an actor was given, or did. */
export interface Line {
  readonly step: number;
  readonly timeMs: number;
  /** In which of its lives. */
  readonly life: number;
  readonly type: LineType;
  /** Which turn begins, yields or ends; which of the actor's own doings it learns of. */
  readonly number: number;
  readonly what: string;
  readonly value: Written;
  /** What it learned at once. */
  readonly answer?: Written;
  /** What was learned, or what a turn came to, is an error. */
  readonly isError?: boolean;
  /** What the actor was when its turn had ended, where it was looked at; of a long one its sum. */
  readonly state?: Written;
}

/** The recording of one thread under one head of a run begins. */
export interface RecordingBegun {
  readonly type: "RecordingBegun";
  readonly version: RecordingVersion;
  readonly at: number;
  readonly run: string;
  readonly head: number;
  readonly node: string;
  readonly runtime: string;
  readonly shoal: string;
}

/** Whose lines those of this address are. */
export interface ActorIntroduced {
  readonly type: "ActorIntroduced";
  readonly actor: string;
  /** As other nodes find it. */
  readonly class: string;
  readonly name?: string;
  readonly file?: { readonly path: string; readonly digest: string };
}

/** Nothing more was recorded there: it is all, or there was no room for more. */
export interface RecordingEnded {
  readonly type: "RecordingEnded";
  readonly at: number;
  readonly lacks?: string;
}

/** One line of a recording. */
export type RecordingRecord = RecordingBegun | ActorIntroduced | RecordingEnded | Line & { readonly actor: string };
