// The publishers of one node: for each actor that publishes, and each topic, its way into its log.

import type { Claims, Logs } from "../../stores/store.ts";
import type { Cell } from "../cells/cell.ts";
import type { Engine } from "../cells/engine.ts";
import type { Ended } from "../system.ts";
import type { TopicOptions } from "../topic.ts";
import { credit, noCredit } from "./credit.ts";
import { namesOf, writerName } from "./frames.ts";
import type { Members } from "./members.ts";
import { type Publication, publication } from "./publication.ts";
import type { Values } from "./values.ts";

export interface PublishersParts {
  readonly engine: Engine;
  readonly logs: Logs;
  readonly claims: Claims;
  readonly values: Values;
  members(topic: string): Members;
  /** Tells of the end of an actor; the answer stops that. */
  watched(id: string, ended: (how: Ended) => void): () => void;
  /** A publisher's log is there. */
  opened(topic: string): void;
  say(text: string): void;
}

export interface Publishers {
  of(cell: Cell, topic: string, options: TopicOptions): Publication;
  close(): Promise<void>;
}

const retainBytesDefault = 256 * 2 ** 20;

export function publishers(parts: PublishersParts): Publishers {
  const { engine: { home, life, program }, logs, claims, values } = parts;
  const { environment } = home;
  const all = new Map<Cell, Map<string, Publication>>();

  function make(cell: Cell, topic: string, options: TopicOptions): Publication {
    const names = namesOf(topic);
    const { retainBytes = retainBytesDefault, creditBytes, creditEntries, readersMin = 1 } = options;
    const hasCredit = creditBytes !== undefined || creditEntries !== undefined;
    const controller = new AbortController();
    const waits = (): ReturnType<typeof credit> =>
      credit({
        names,
        members: parts.members(topic),
        publisher: cell.id,
        entriesMax: creditEntries ?? Number.POSITIVE_INFINITY,
        bytesMax: creditBytes ?? Number.POSITIVE_INFINITY,
        readersMin,
        logs,
        environment,
        signal: controller.signal,
        // One actor's readings are numbered, before its address.
        watch: (reader, ended) => parts.watched(reader.slice(reader.indexOf(":") + 1), ended),
      });
    return publication({
      topic,
      members: parts.members(topic),
      publisher: cell.id,
      name: writerName(names.publishers, cell.id),
      logs,
      claims,
      environment,
      deadlines: home.deadlines,
      credit: hasCredit ? waits() : noCredit,
      hasCredit,
      retainBytes,
      waitingMax: home.limits.overflowMessagesMax,
      controller,
      hold: values.hold,
      release: (held) => values.release(held, false),
      tensorsIn: values.tensorsIn,
      opened: () => parts.opened(topic),
      say: parts.say,
    });
  }

  return {
    of(cell, topic, options) {
      const own = all.get(cell);
      const known = own?.get(topic);
      if (known !== undefined) return known;
      const made = make(cell, topic, options);
      if (own !== undefined) own.set(topic, made);
      else all.set(cell, new Map([[topic, made]]));
      if (cell === program) return made;
      // What it has published stays for those who come late; that there will be no more is told once.
      life.watch(cell, ({ reason }) => {
        if (!cell.terms.durable || reason === "stopped") made.end(reason).then(() => {}, () => {});
      });
      return made;
    },
    async close() {
      const open = [...all.values()].flatMap((own) => [...own.values()]);
      all.clear();
      await Promise.all(open.map((one) => one.close().catch(() => {})));
    },
  };
}
