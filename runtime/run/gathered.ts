// The records of a thread on their way to the head of the run: many as one text, since a call for each, and a copy of
// each by the platform, would cost more than all else that is done with them.

import type { Environment } from "../environment.ts";
import type { RunRecord } from "./records.ts";

export interface GatheredRecords {
  add(record: RunRecord): void;
  /** What has not left yet, as it leaves. */
  rest(): string | undefined;
}

/** What was recorded alone leaves with the end of its turn; of many so much later, at most. */
const gatherMs = 5;

export function gatheredRecords(
  environment: Pick<Environment, "now" | "after" | "later">,
  send: (text: string) => void,
): GatheredRecords {
  let records: RunRecord[] = [];
  let sentAt = Number.NEGATIVE_INFINITY;

  function rest(): string | undefined {
    const batch = records;
    if (batch.length === 0) return undefined;
    records = [];
    return textOf(batch);
  }

  function leave(): void {
    const text = rest();
    if (text === undefined) return;
    sentAt = environment.now();
    send(text);
  }

  return {
    add(record) {
      records.push(record);
      if (records.length > 1) return;
      const waitMs = sentAt + gatherMs - environment.now();
      if (waitMs > 0) environment.after(waitMs, leave);
      else environment.later(leave);
    },
    rest,
  };
}

/** The records of such a text. */
export function recordsIn(text: string): readonly RunRecord[] {
  return JSON.parse(text) as RunRecord[];
}

function textOf(records: readonly RunRecord[]): string {
  try {
    return JSON.stringify(records);
  } catch {
    // What somebody logged need not be data.
    return JSON.stringify(records.map(sayable));
  }
}

function sayable(record: RunRecord): unknown {
  try {
    JSON.stringify(record);
    return record;
  } catch {
    return { ...record, fields: { unreadable: "these were no data" } };
  }
}
