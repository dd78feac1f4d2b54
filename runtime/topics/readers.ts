// The readers of one node: each reading belongs to one life of an actor, or to the program.

import type { Claims, Logs } from "../../stores/store.ts";
import type { Cell } from "../cells/cell.ts";
import type { Engine } from "../cells/engine.ts";
import type { Ended } from "../system.ts";
import type { TopicReading, TopicReadOptions } from "../topic.ts";
import { namesOf, writerName } from "./frames.ts";
import { persistently } from "../nodes/patience.ts";
import type { Members } from "./members.ts";
import { progress } from "./progress.ts";
import { type OpenReading, reading } from "./reading.ts";
import { type KeptReadings, noReadings } from "./steps.ts";
import type { Values } from "./values.ts";

export interface ReadersParts {
  readonly engine: Engine;
  readonly logs: Logs;
  readonly claims: Claims;
  readonly values: Values;
  members(topic: string): Members;
  /** Tells of the end of an actor; the answer stops that. */
  watched(id: string, ended: (how: Ended) => void): () => void;
  /** Throws for a life that has ended, or a system. */
  alive(cell: Cell, life: number, doing: string): void;
}

export interface Readers {
  read(cell: Cell, life: number, topic: string, options: TopicReadOptions): TopicReading<unknown>;
  /** Some publisher of this node has begun, or all are done. */
  look(topic: string): void;
  /** How far a durable actor's readings are. */
  progress(cell: Cell): KeptReadings;
  committed(cell: Cell, read: KeptReadings): void;
  close(): Promise<void>;
}

export function readers({ engine, logs, claims, values, members, watched, alive }: ReadersParts): Readers {
  const { home, life, program } = engine;
  /** By the names under which they tell how far they are. */
  const open = new Map<string, { readonly cell: Cell; readonly made: OpenReading }>();
  /** Those whose life has ended, and who have not said their last. */
  const before = new Map<string, Promise<void>>();
  /** The readings that durable actors have had, and of which topics. */
  const durable = new Map<Cell, Map<string, string>>();
  const lookers = new Map<string, Set<() => void>>();

  function* of(cell: Cell): Generator<[string, OpenReading]> {
    for (const [name, { cell: own, made }] of open) if (own === cell) yield [name, made];
  }

  /** A durable actor's readings outlive its lives; what ends them for good is its own end. */
  function remember(cell: Cell, topic: string, reader: string): void {
    const known = durable.get(cell);
    if (known !== undefined) return void known.set(reader, topic);
    const own = new Map([[reader, topic]]);
    durable.set(cell, own);
    life.watch(cell, ({ reason }) => {
      durable.delete(cell);
      if (reason !== "stopped") return;
      for (const [one, of] of own) void forget(of, one).catch(() => {});
    });
  }

  async function forget(topic: string, reader: string): Promise<void> {
    const name = writerName(namesOf(topic).readers, reader);
    const ask = <T>(what: string, call: () => Promise<T>): Promise<T> =>
      persistently(home.environment, `leave topic: ${what}`, call);
    if (await ask("look", () => claims.claimed(name)) === undefined) return;
    const own = { reader, name, members: members(topic), before: before.get(name) };
    const word = progress({ ...own, logs, claims, environment: home.environment, ask, read: () => ({}), failed() {} });
    word.begin();
    await word.leave();
  }

  return {
    read(cell, lived, topic, options) {
      const names = namesOf(topic);
      let number = 0;
      let reader = "";
      let name = "";
      do {
        reader = `${number++}:${cell.id}`;
        name = writerName(names.readers, reader);
      } while (open.has(name));
      const leaving = cell === program ? undefined : cell.extra.leaving ??= new Set();
      const leave = (): void => {
        if (!cell.terms.durable) return void made.close().catch(() => {});
        // Its next life goes on where this one was.
        const last: Promise<void> = made.detach().finally(() => {
          if (before.get(name) === last) before.delete(name);
        });
        before.set(name, last);
        open.delete(name);
      };
      const made = reading({
        topic,
        names,
        members: members(topic),
        reader,
        name,
        before: before.get(name),
        logs,
        claims,
        environment: home.environment,
        idleTimeoutMs: options.idleTimeoutMs ?? home.limits.replyTimeoutMs,
        options,
        isDurable: cell.terms.durable,
        alive: () => alive(cell, lived, "read topic"),
        open: (frame, head) => values.open(cell, lived, frame, head),
        release: values.release,
        watch: (publisher, ended) => watched(publisher, ({ reason }) => ended(reason, reason === "lost")),
        onPublisher(look) {
          const own = lookers.get(topic) ?? new Set();
          lookers.set(topic, own.add(look));
          return () => {
            own.delete(look);
            if (own.size === 0 && lookers.get(topic) === own) lookers.delete(topic);
          };
        },
        closed: () => void leaving?.delete(leave),
        left: () => void open.delete(name),
      });
      open.set(name, { cell, made });
      if (cell.terms.durable) remember(cell, topic, reader);
      leaving?.add(leave);
      return made;
    },
    look(topic) {
      for (const look of lookers.get(topic) ?? []) look();
    },
    progress: (cell) =>
      open.size === 0 ? noReadings : Object.fromEntries([...of(cell)].map(([name, made]) => [name, made.progress()])),
    committed(cell, read) {
      for (const [name, made] of of(cell)) {
        const known = read[name];
        if (known !== undefined) made.committed(known);
      }
    },
    async close() {
      const leaving = [...open.values()].map(async ({ cell, made }) => {
        // Whoever resumes the run goes on where a durable one was.
        if (cell.terms.durable) await made.detach();
        else await made.close().catch(() => {});
      });
      await Promise.all(leaving);
    },
  };
}
