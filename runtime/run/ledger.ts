// What is known of tasks beyond one life of the head: each with a name is recorded when it ends, before its answer is
// handed on, and found again by its input after a resume. Those without a name are counted.

import { createHash } from "node:crypto";
import { ShoalError } from "../../stores/error.ts";
import type { TensorRef } from "../../stores/store.ts";
import type { Environment } from "../environment.ts";
import { decodeMessage, encodeMessage } from "../messages/codec.ts";
import { Reference } from "../reference.ts";
import { digestOf } from "./digest.ts";
import type { ActorIdentity, ErrorRecord, Fact, KeptResult } from "./records.ts";

/** A task as the ledger knows it. */
export interface LedgerTask {
  /** What an earlier head recorded as its answer. */
  readonly recorded: { readonly value: unknown } | undefined;
  began(actor: ActorIdentity, attempt: number): void;
  /** Calls `settle` once what was answered is recorded. */
  ended(error: Error | undefined, value: unknown, settle: (error: Error | undefined, value: unknown) => void): void;
}

export interface Ledger {
  /** So many tasks are asked for at once; nothing where nobody knows how many. */
  plan(kind: string, tasks: number | undefined): void;
  /** A task is asked for. The same input under the same name, once more, is another task. */
  enter(name: string | undefined, className: string, method: string, message: unknown): LedgerTask;
  /** Records what was only counted so far. */
  close(): void;
}

export interface LedgerOptions {
  readonly environment: Environment;
  /** What earlier heads recorded, by task. */
  readonly kept: Map<string, KeptResult>;
  record(fact: Fact): void;
  /** Settles when all that was recorded so far will be found after a crash. */
  written(): Promise<void>;
}

const nameCharsMax = 200;
const countMs = 1_000;

interface Counts {
  begun: number;
  done: number;
  failed: number;
}

export function runLedger({ environment, kept, record, written }: LedgerOptions): Ledger {
  const counted = new Map<string, { readonly counts: Counts; readonly task: LedgerTask }>();
  const occurrences = new Map<string, number>();
  let due: (() => void) | undefined;

  function count(): void {
    due = undefined;
    for (const [kind, { counts }] of counted) record({ type: "TasksCounted", kind, ...counts });
  }

  /** One for all tasks of a kind: they cost three additions each. */
  function unnamed(kind: string): LedgerTask {
    const known = counted.get(kind);
    if (known !== undefined) return known.task;
    const counts: Counts = { begun: 0, done: 0, failed: 0 };
    const changed = (): void => {
      due ??= environment.after(countMs, count);
    };
    const task: LedgerTask = {
      recorded: undefined,
      began() {
        counts.begun++;
        changed();
      },
      ended(error, value, settle) {
        if (error === undefined) counts.done++;
        else counts.failed++;
        changed();
        settle(error, value);
      },
    };
    counted.set(kind, { counts, task });
    return task;
  }

  function named(name: string, className: string, method: string, message: unknown): LedgerTask {
    if (name === "" || name.length > nameCharsMax) {
      throw new ShoalError(
        "BadInput",
        `Cannot run ${method} as ${JSON.stringify(name.slice(0, 40))}: a name has 1 to ${nameCharsMax} characters`,
      );
    }
    const digest = inputDigest(name, className, method, message);
    const occurrence = (occurrences.get(digest) ?? 0) + 1;
    occurrences.set(digest, occurrence);
    const task = `${digest}.${occurrence}`;
    const result = kept.get(task);
    if (result !== undefined) {
      kept.delete(task);
      const value = valueOf(result);
      if (value !== undefined) return { recorded: value, began() {}, ended() {} };
    }
    return {
      recorded: undefined,
      began: (actor, attempt) => record({ type: "TaskStarted", task, kind: name, actor, attempt }),
      ended(error, value, settle) {
        const outcome = error === undefined ? "done" : error instanceof ShoalError ? error.outcome : "unknown";
        // A handler that threw has ended, and did not do what it was for.
        const shown = error !== undefined && outcome === "done" ? "failed" : outcome;
        record({
          type: "TaskFinished",
          task,
          kind: name,
          outcome: shown,
          ...(error === undefined ? { result: keptResult(value) } : { error: recordOf(error) }),
        });
        // What cannot be recorded has still been computed, but a resume would not know: the run ends with the reason.
        written().then(() => settle(error, value), (failure: Error) => settle(error ?? failure, undefined));
      },
    };
  }

  return {
    plan: (kind, tasks) => record({ type: "TasksPlanned", kind, ...(tasks === undefined ? {} : { tasks }) }),
    enter(name, className, method, message) {
      return name === undefined ? unnamed(`${className}.${method}`) : named(name, className, method, message);
    },
    close() {
      due?.();
      if (due !== undefined) count();
    },
  };
}

function inputDigest(name: string, className: string, method: string, message: unknown): string {
  try {
    return digestOf([name, className, method, message]);
  } catch (cause) {
    throw new ShoalError("BadInput", `Cannot run ${method} as ${name}: its input cannot be read: ${String(cause)}`, {
      cause,
    });
  }
}

function recordOf(error: Error): ErrorRecord {
  return { code: error instanceof ShoalError ? error.code : error.name, message: error.message };
}

const decoder = new TextDecoder();
const encoder = new TextEncoder();
const sumOf = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 16);

/** An answer in the form that records keep. */
export function keptResult(value: unknown): KeptResult {
  if (holds(value, (member) => member instanceof Reference)) {
    return { notKept: "it holds a reference to an actor, which a resumed run does not have" };
  }
  const frame = encodeMessage(value, true);
  const length = new DataView(frame.buffer, frame.byteOffset).getUint32(0, true);
  if (frame.length - 4 - length >= 8) {
    const text = Buffer.from(frame).toString("base64");
    return { frame: text, sum: sumOf(text) };
  }
  if (length === 0) return { json: null, sum: "void" };
  const json: unknown = JSON.parse(decoder.decode(frame.subarray(4, 4 + length)));
  return { json, sum: sumOf(JSON.stringify(json)) };
}

/** The answer again; nothing where it was not kept, or is not what was kept. */
export function valueOf(result: KeptResult): { readonly value: unknown } | undefined {
  try {
    if ("notKept" in result) return undefined;
    if ("frame" in result) {
      if (sumOf(result.frame) !== result.sum) return undefined;
      return { value: decodeMessage(new Uint8Array(Buffer.from(result.frame, "base64")), noActor) };
    }
    if (result.sum === "void") return { value: undefined };
    const text = JSON.stringify(result.json);
    if (sumOf(text) !== result.sum) return undefined;
    const json = encoder.encode(text);
    // As long as frames are: behind the JSON begin the arrays, of which there are none.
    const frame = new Uint8Array((4 + json.length + 7) & ~7);
    new DataView(frame.buffer).setUint32(0, json.length, true);
    frame.set(json, 4);
    return { value: decodeMessage(frame, noActor) };
  } catch {
    return undefined;
  }
}

function noActor(): never {
  throw new TypeError("a reference to an actor");
}

/** The tensors that an answer refers to and that lie in a store: those it carries itself are always there. */
export function tensorsOf(value: unknown): TensorRef[] {
  const found: TensorRef[] = [];
  holds(value, (member) => {
    const isRef = typeof member === "object" && member !== null && "ref" in member && member.ref === "tensor" &&
      "id" in member;
    if (isRef && !("inline" in member)) found.push(member as TensorRef);
    return false;
  });
  return found;
}

/** Whether a value, or one within it, is such a one. */
function holds(value: unknown, isIt: (member: unknown) => boolean): boolean {
  if (isIt(value)) return true;
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value) || value instanceof Reference) {
    return false;
  }
  return Object.values(value).some((member) => holds(member, isIt));
}
