// Entries of a topic that the members of a pool share: each is a task, and the cursor moves when its task is done.

import type { TopicCursor, TopicEntry, TopicPosition, TopicReading, TopicResult, TopicSharing } from "../topic.ts";

export interface SharingParts {
  /** How many members take tasks. */
  members(): number;
  /** Gives one entry to a member. */
  ask(value: unknown): Promise<unknown>;
  readonly reading: TopicReading<unknown>;
}

/** One member may have one task and find the next before it. */
const tasksAMember = 2;

/** What one publisher's tasks have come to: behind a position all are done. */
interface Line {
  done: TopicPosition | undefined;
  readonly open: { readonly at: TopicPosition; isDone: boolean }[];
}

export function sharing(parts: SharingParts): TopicSharing<unknown> {
  const { reading } = parts;
  const lines = new Map<string, Line>();
  const begun = reading.cursor;

  function lineOf(publisher: string): Line {
    let line = lines.get(publisher);
    if (line === undefined) lines.set(publisher, line = { done: begun[publisher], open: [] });
    return line;
  }

  async function* results(): AsyncGenerator<TopicResult<unknown>, void, undefined> {
    const finished: TopicResult<unknown>[] = [];
    let under = 0;
    let wake: (() => void) | undefined;
    let taking: Promise<readonly TopicEntry<unknown>[]> | undefined;
    let isAll = false;
    let fault: { readonly error: unknown } | undefined;

    function begin({ publisher, number, value }: TopicEntry<unknown>): void {
      const line = lineOf(publisher);
      const task = { at: reading.cursor[publisher]!, isDone: false };
      line.open.push(task);
      under++;
      const over = (result: { value: unknown } | { error: Error }): void => {
        under--;
        // What no handler has come to an end with is to be done again.
        task.isDone = !("error" in result) || Object(result.error).outcome === "done";
        while (line.open[0]?.isDone === true) line.done = line.open.shift()!.at;
        finished.push({ publisher, number, ...result });
        wake?.();
      };
      parts.ask(value).then((answer) => over({ value: answer }), (error: Error) => over({ error }));
    }

    try {
      for (;;) {
        if (
          taking === undefined && !isAll && fault === undefined && under < Math.max(1, parts.members()) * tasksAMember
        ) {
          // One at a time: each has a place of its own behind which it is.
          taking = reading.take(1);
          taking.then((entries) => {
            for (const entry of entries) begin(entry);
            isAll = entries.length === 0;
          }, (error: unknown) => void (fault = { error })).finally(() => {
            taking = undefined;
            wake?.();
          });
        }
        const result = finished.shift();
        if (result !== undefined) yield result;
        else if (fault !== undefined && under === 0) throw fault.error;
        else if (isAll && under === 0) return;
        else await new Promise<void>((resolve) => wake = resolve);
        wake = undefined;
      }
    } finally {
      await reading.close();
    }
  }

  return {
    get cursor(): TopicCursor {
      const done = [...lines].flatMap(([publisher, line]) => line.done === undefined ? [] : [[publisher, line.done]]);
      return { ...begun, ...Object.fromEntries(done) };
    },
    [Symbol.asyncIterator]: results,
  };
}
