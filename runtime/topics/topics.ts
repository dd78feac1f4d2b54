// The topics of one node: each actor's side of them, checked, and what becomes of them when the node closes.

import { ShoalError } from "../../stores/error.ts";
import type { Claims, Logs, Tensors } from "../../stores/store.ts";
import type { Cell } from "../cells/cell.ts";
import type { Engine } from "../cells/engine.ts";
import type { Carrying } from "../cells/post.ts";
import { isDurable } from "../cells/posted.ts";
import { checkKeys } from "../options.ts";
import type { Ended } from "../system.ts";
import type { Topic, TopicOptions } from "../topic.ts";
import { checkTopic, frameFor, namesOf } from "./frames.ts";
import { type Members, members } from "./members.ts";
import { publishers as publishersOf } from "./publishers.ts";
import { readers as readersOf } from "./readers.ts";
import { values as valuesOf } from "./values.ts";

export interface TopicsParts {
  readonly engine: Engine;
  readonly logs: Logs;
  readonly claims: Claims;
  readonly tensors: Tensors;
  /** Tells of the end of an actor, wherever it is; the answer stops that. */
  watch(id: string, watcher: (ended: Ended) => void): () => void;
}

export interface Topics extends Carrying<Cell> {
  /** A topic as one actor in one of its lives sees it. */
  of(cell: Cell, life: number, name: string, options: TopicOptions): Topic;
  close(): Promise<void>;
}

const publishKeys = ["retainBytes", "creditBytes", "creditEntries", "readersMin"];
const readKeys = ["from", "publishers", "lost", "ended", "aheadMax", "idleTimeoutMs", "signal"];

export function topics({ engine, logs, claims, tensors, watch }: TopicsParts): Topics {
  const { home } = engine;
  const { environment, limits } = home;
  const say = (text: string): void => home.log({ type: "MessageLogged", level: "error", text });
  let isClosing = false;

  /** Tells of an actor's end; of a program's nobody does, and a durable actor has none while its node may come back. */
  function watched(id: string, ended: (how: Ended) => void): () => void {
    return isDurable(id) || id.endsWith("/0") ? () => {} : watch(id, ended);
  }

  function alive({ className, id, life }: Cell, lived: number, doing: string): void {
    if (isClosing) throw new ShoalError("ShuttingDown", `Cannot ${doing}: the system was closed`);
    if (life === lived) return;
    throw new ShoalError("Fenced", `Cannot ${doing}: ${className} ${id} has ended its life ${lived}`);
  }

  const lists = new Map<string, Members>();
  function membersOf(topic: string): Members {
    let found = lists.get(topic);
    if (found === undefined) lists.set(topic, found = members(topic, namesOf(topic), claims, environment));
    return found;
  }

  const values = valuesOf(engine, tensors, say);
  const readers = readersOf({ engine, logs, claims, values, members: membersOf, watched, alive });
  const publishers = publishersOf({
    engine,
    logs,
    claims,
    values,
    members: membersOf,
    watched,
    opened: readers.look,
    say,
  });

  return {
    of(cell, life, name, options) {
      const what = `Cannot use topic ${String(name)}`;
      checkTopic(name);
      checkKeys(what, options, publishKeys);
      checkNumbers(what, options, publishKeys);
      return {
        name,
        publish(value, publishing = {}) {
          alive(cell, life, `publish to ${name}`);
          checkNumbers(`Cannot publish to ${name}`, publishing, ["timeoutMs"]);
          const own = publishers.of(cell, name, options);
          const { timeoutMs = limits.sendTimeoutMs } = publishing;
          const item = values.item(cell, value);
          const step = home.post?.publishes(cell);
          if (step === undefined) return own.publish({ ...item, step: 0 }, timeoutMs);
          step.publish(name, options, item);
          return own.room(timeoutMs);
        },
        async end() {
          alive(cell, life, `end topic ${name}`);
          const own = publishers.of(cell, name, options);
          const step = home.post?.publishes(cell);
          if (step === undefined) await own.end("done");
          else step.publish(name, options, { frame: frameFor("done", false), tensors: undefined, isEnd: true });
        },
        async close() {
          alive(cell, life, `close topic ${name}`);
          await membersOf(name).close();
          readers.look(name);
        },
        read(reading = {}) {
          alive(cell, life, `read topic ${name}`);
          checkKeys(`Cannot read topic ${name}`, reading, readKeys);
          checkNumbers(`Cannot read topic ${name}`, reading, ["publishers", "aheadMax", "idleTimeoutMs"]);
          checkFrom(name, reading.from);
          return readers.read(cell, life, name, reading);
        },
      };
    },
    publish: (cell, topic, options, item) =>
      publishers.of(cell, topic, options).publish(item, Number.POSITIVE_INFINITY),
    readings: readers.progress,
    read: readers.committed,
    async close() {
      isClosing = true;
      await readers.close();
      await publishers.close();
    },
  };
}

/** What may be none at all; of all else, one at least. */
const fromZero = new Set(["timeoutMs", "idleTimeoutMs", "readersMin"]);

function checkNumbers(what: string, options: object, names: readonly string[]): void {
  for (const name of names) {
    const value: unknown = Reflect.get(options, name);
    const least = fromZero.has(name) ? 0 : 1;
    if (value === undefined || (typeof value === "number" && value >= least)) continue;
    throw new ShoalError("BadInput", `${what}: ${name} is ${String(value)}, expected a number from ${least}`);
  }
}

function checkFrom(topic: string, from: unknown): void {
  if (from === undefined || from === "start" || from === "now") return;
  const isCursor = typeof from === "object" && from !== null &&
    Object.values(from).every((at: unknown) => {
      const { number, epoch, sequence, log } = Object(at) as { [member: string]: unknown };
      return [number, epoch, sequence].every(Number.isSafeInteger) && typeof log === "string";
    });
  if (isCursor) return;
  const text = `Cannot read topic ${topic}: from is none of "start", "now" and what a reading's cursor was`;
  throw new ShoalError("BadInput", text);
}
