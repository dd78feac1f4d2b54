// What can be configured: every key with its kind, its default and a word on it. Files, environment and flags are
// checked against it, and editors get it as a JSON schema.

import { taskKinds } from "../../stores/open.ts";
import { defaultSupervision } from "../supervision.ts";
import type { Key, Schema } from "./keys.ts";
import { defaultLimits } from "./limits.ts";

export type { Key, Schema };

const limitsAbout: { readonly [K in keyof typeof defaultLimits]: string } = {
  mailboxMessagesMax: "messages that wait in one mailbox",
  mailboxBytesMax: "bytes that these reference",
  overflowMessagesMax: "tells of one sender that wait for room",
  messageBytesMax: "what one message weighs",
  sendTimeoutMs: "how long a tell waits for room",
  replyTimeoutMs: "when an ask is given up",
  streamIdleTimeoutMs: "when a stream whose reader has gone is given up",
  stopTimeoutMs: "how long draining and stopping may take",
  timersMax: "timers that are set at once",
  deadLettersMax: "dead letters that are kept",
  nameCharsMax: "the length of an actor's name",
  leaseMs: "how long a process may show no sign of life before another takes its place",
  joinTimeoutMs: "how long a process that was started may take to join the run",
  replaceTimeoutMs: "for how long nobody may come in a process's place before its actors move to others",
};

const limitKeys = Object.entries(limitsAbout).map(([name, about]): [string, Key] => {
  const usual = defaultLimits[name as keyof typeof defaultLimits];
  return [`limits.${name}`, { kind: name.endsWith("Ms") ? "number" : "whole", default: usual, about }];
});

const { on, beyond, restartsMax, windowMs, backoffMs, backoffMaxMs } = defaultSupervision;

const launchers = ["auto", "local", "slurm", "pbs", "ssh"];

/** The keys of each group of workers: `workers.1.nodes`, of the first. */
export const groupKeys: Schema = {
  "kinds": {
    kind: "words",
    default: undefined,
    about: "the kinds of task that it takes, and no others",
    words: taskKinds,
    least: 1,
  },
  "name": { kind: "text", default: undefined, about: "what it is called; its site's name unless said" },
  "launcher": { kind: "word", default: undefined, about: "who starts its processes", words: launchers },
  "site": { kind: "text", default: undefined, about: "the machine: a site's name, or the path of its file" },
  "hosts": {
    kind: "text",
    default: undefined,
    about: "with ssh: where they are started; those of its site unless said",
  },
  "nodes": { kind: "whole", default: undefined, about: "how many processes; one a host unless said", least: 1 },
  "threads": { kind: "whole", default: undefined, about: "threads of each that pools are spread over" },
  "gpus": { kind: "text", default: undefined, about: "GPUs of each of its hosts, as in 0,1,2,3" },
  "workerCommand": { kind: "text", default: undefined, about: "the words that start a worker there" },
};

/** What a job of a batch machine asks for. */
const batchKeys: Schema = {
  "batch.site": { kind: "text", default: undefined, about: "the machine: a site's name, or the path of its file" },
  "batch.hosts": { kind: "text", default: undefined, about: "with ssh: where processes are started, as in n[1-4]" },
  "batch.queue": { kind: "text", default: undefined, about: "the queue or partition" },
  "batch.account": { kind: "text", default: undefined, about: "who pays for the hours" },
  "batch.filesystems": { kind: "text", default: undefined, about: "the file systems that a job of PBS uses" },
  "batch.walltime": { kind: "text", default: undefined, about: "how long a job may take: HH:MM:SS, or 1h30m" },
  "batch.drainSeconds": {
    kind: "number",
    default: undefined,
    about: "so long before the walltime's end the run drains; 120, or a quarter of the walltime, unless set",
  },
  "batch.autoResume": { kind: "truth", default: false, about: "when the walltime ends, send the next job" },
  "batch.pack": {
    kind: "truth",
    default: true,
    about: "send shoal and the program to the nodes in one file, which each unpacks on its own disk",
  },
  "batch.jobsMax": { kind: "whole", default: 20, about: "jobs that a run may send altogether", least: 1 },
};

/** All keys but those of programs, which stand under `programs.NAME`. */
export const schema: Schema = {
  "store": { kind: "text", default: "memory:", about: "where tensors live: a store's URL" },
  "stores.mail": {
    kind: "text",
    default: undefined,
    about: "where mail between processes goes, which all of them must reach; the store unless said",
  },
  "storeThresholdBytes": { kind: "whole", default: 10_000, about: "smaller tensors travel in their reference" },
  ...Object.fromEntries(taskKinds.flatMap((task): [string, Key][] => [
    [`stores.${task}`, { kind: "text", default: undefined, about: `where the tensors of ${task} tasks live` }],
    [
      `stores.${task}ThresholdBytes`,
      { kind: "whole", default: undefined, about: "smaller ones of these travel in their reference" },
    ],
  ])),
  "storeModules": {
    kind: "text",
    default: undefined,
    about: "files or folders, with commas between, of which module: may load stores from outside the working directory",
  },
  "runs": { kind: "text", default: "./runs", about: "where run directories are made" },
  "threads": { kind: "whole", default: undefined, about: "threads that pools are spread over; 0 keeps all in one" },
  "nodes": {
    kind: "whole",
    default: undefined,
    about: "processes that pools are spread over, the one that leads among them",
    least: 1,
  },
  "kinds": {
    kind: "words",
    default: undefined,
    about: "kinds of task that the processes of no group take; those of no group unless said",
    words: taskKinds,
  },
  "gpus": { kind: "text", default: undefined, about: "GPUs of each node, as in 0,1,2,3: its processes share them" },
  "link": {
    kind: "word",
    default: undefined,
    about: "log: mail between processes goes over the store's log, and by no socket",
    words: ["auto", "log"],
  },
  "workerCommand": {
    kind: "text",
    default: undefined,
    about: "the words that start a worker, as a shell reads them; as this process was started unless said",
  },
  "seed": { kind: "whole", default: undefined, about: "repeats a run's random numbers" },
  "strict": { kind: "truth", default: false, about: "encode every message, find writes to read-only tensors" },
  "recording.actors": {
    kind: "truth",
    default: false,
    about: "keep what each actor is given and does, for shoal replay",
  },
  "recording.bytesMax": { kind: "whole", default: 2 ** 30, about: "what one thread's record may take" },
  "recording.tensorBytesMax": {
    kind: "whole",
    default: 4 * 2 ** 30,
    about: "what tensors that one thread's actors were given may take beside it",
  },
  "launcher": {
    kind: "word",
    default: "auto",
    about: "who starts processes: auto is the job that shoal stands in, or this machine",
    words: launchers,
  },
  ...batchKeys,
  ...Object.fromEntries(limitKeys),
  "supervision.on": {
    kind: "word",
    default: String(on),
    about: "what a failure leads to",
    words: ["restart", "resume", "stop", "escalate"],
  },
  "supervision.restartsMax": { kind: "whole", default: restartsMax, about: "restarts within the window" },
  "supervision.windowMs": { kind: "number", default: windowMs, about: "the window in which restarts are counted" },
  "supervision.backoffMs": {
    kind: "number",
    default: backoffMs,
    about: "the wait before a restart; it doubles within a window",
  },
  "supervision.backoffMaxMs": { kind: "number", default: backoffMaxMs, about: "the longest wait before a restart" },
  "supervision.beyond": {
    kind: "word",
    default: beyond,
    about: "what a failure beyond the window leads to",
    words: ["stop", "escalate"],
  },
};

interface JsonSchema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly items?: JsonSchema;
  readonly required?: readonly string[];
  readonly minItems?: number;
  readonly properties?: { readonly [name: string]: JsonSchema };
  readonly additionalProperties?: boolean | JsonSchema;
}

function jsonKey(key: Key): JsonSchema {
  if (key.kind === "words") {
    const items = { type: "string", enum: key.words ?? [] };
    return { type: "array", description: key.about, items, minItems: key.least ?? 0 };
  }
  const type = { text: "string", word: "string", truth: "boolean", whole: "integer", number: "number" }[key.kind];
  return {
    type,
    description: key.about,
    ...(key.default === undefined ? {} : { default: key.default }),
    ...(key.words === undefined ? {} : { enum: key.words }),
    ...(key.kind === "whole" || key.kind === "number" ? { minimum: key.least ?? 0 } : {}),
  };
}

/** The schema for editors, with the settings of the programs that are known. */
export function jsonSchema(programs: { readonly [name: string]: Schema }): object {
  const sections: { [section: string]: { [name: string]: JsonSchema } } = {};
  const top: { [name: string]: JsonSchema } = {
    $schema: { type: "string", description: "the address of this schema" },
  };
  for (const [path, key] of Object.entries(schema)) {
    const [section = "", name] = path.split(".");
    if (name === undefined) top[section] = jsonKey(key);
    else (sections[section] ??= {})[name] = jsonKey(key);
  }
  for (const [section, properties] of Object.entries(sections)) {
    top[section] = { type: "object", properties, additionalProperties: false };
  }
  top["workers"] = {
    type: "array",
    description: "groups of workers, each for some kinds of task",
    items: {
      type: "object",
      properties: Object.fromEntries(Object.entries(groupKeys).map(([name, key]) => [name, jsonKey(key)])),
      required: ["kinds"],
      additionalProperties: false,
    },
  };
  const known = Object.entries(programs).map(([name, settings]): [string, JsonSchema] => {
    const properties = Object.fromEntries(Object.entries(settings).map(([setting, key]) => [setting, jsonKey(key)]));
    return [name, { type: "object", properties, additionalProperties: false }];
  });
  top["programs"] = {
    type: "object",
    description: "settings of programs, by the program's name",
    properties: Object.fromEntries(known),
    additionalProperties: { type: "object" },
  };
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "Configuration of shoal",
    type: "object",
    properties: top,
    additionalProperties: false,
  };
}
