// One head's time with a run: it takes the run, records what happens, knows what earlier heads recorded, and says how
// it ended.

import { existsSync, readFileSync } from "node:fs";
import { ShoalError } from "../../stores/error.ts";
import type { Store } from "../../stores/store.ts";
import type { Environment } from "../environment.ts";
import { type Head, takeRun } from "./heads.ts";
import type { RunIdentity, RunLayout } from "./layout.ts";
import { type Ledger, runLedger, tensorsOf, valueOf } from "./ledger.ts";
import { type Damage, readRecords, recordSizes } from "./reader.ts";
import type { Configured, ErrorRecord, Fact, KeptResult, Machine, RunEnded, RunRecord } from "./records.ts";
import { type RunSummary, runSummary } from "./summary.ts";
import { recordWriter } from "./writer.ts";

/** What earlier heads left behind. */
export interface Past {
  /** Recorded answers by their name: those that will be taken as they are, and those whose tensors are gone. */
  readonly kept: ReadonlyMap<string, { readonly kept: number; readonly again: number }>;
  readonly damage: readonly Damage[];
}

export interface Session {
  readonly head: Head;
  readonly ledger: Ledger;
  /** What is recorded is told here, as the system tells it. */
  record(record: RunRecord): void;
  /** Drops the answers that refer to tensors which the store does not have any more; then the past is known. */
  opened(store: Store): Promise<void>;
  past(): Past;
  summary(): RunSummary;
  /** Settles with the reason why the run cannot go on: it was taken over, or nothing can be recorded. */
  readonly lost: Promise<Error>;
  /** Calls back when `shoal stop` asks for the end. */
  onStop(call: (now: boolean) => void): () => void;
  end(state: RunEnded["state"], error?: ErrorRecord): Promise<void>;
}

export interface SessionOptions {
  readonly layout: RunLayout;
  readonly identity: RunIdentity;
  readonly environment: Environment;
  /** As they hold for this head. */
  readonly configuration: { readonly [key: string]: Configured };
  readonly machine: Machine;
  readonly node: string;
  /** Sees each record after it was taken. */
  readonly seen?: (record: RunRecord) => void;
}

const stopPeriodMs = 500;

export async function runSession(options: SessionOptions): Promise<Session> {
  const { layout, identity, environment, node } = options;
  const head = takeRun(layout, environment.token(), environment.date());
  const sealed = recordSizes(layout);
  const past = readPast(layout);
  let lose!: (error: Error) => void;
  const lost = new Promise<Error>((resolve) => lose = resolve);
  void head.fenced.then(lose);
  const writer = await recordWriter({ layout, head: head.number, environment, failed: lose });
  const summary = past.summary;
  let isOver = false;

  function record(record: RunRecord): void {
    if (isOver) return;
    writer.write(record);
    summary.take(head.number, record);
    options.seen?.(record);
  }
  const fact = (fact: Fact): void => record({ at: environment.date(), node, ...fact });
  const ledger = runLedger({ environment, kept: past.results, record: fact, written: () => writer.written() });

  fact({
    type: "RunStarted",
    version: 1,
    run: identity.run,
    program: identity.program,
    seed: identity.seed,
    machine: options.machine,
    configuration: options.configuration,
    head: head.number,
    sealed,
  });
  try {
    await writer.written();
  } catch (error) {
    head.end();
    throw error;
  }
  const again = new Map<string, number>();

  return {
    head,
    ledger,
    record,
    lost,
    async opened(store) {
      for (const [task, name] of await gone(past.results, past.names, store)) {
        past.results.delete(task);
        again.set(name, (again.get(name) ?? 0) + 1);
      }
    },
    past: () => ({ kept: countsOf(past, again), damage: past.damage }),
    summary: summary.read,
    onStop(call) {
      let cancel = environment.after(stopPeriodMs, look);
      function look(): void {
        const asked = stopAsked(layout);
        if (asked !== undefined) call(asked.now);
        if (asked?.now !== true) cancel = environment.after(stopPeriodMs, look);
      }
      return () => cancel();
    },
    async end(state, error) {
      if (isOver) return;
      ledger.close();
      fact({ type: "RunEnded", state, ...(error === undefined ? {} : { error }) });
      isOver = true;
      try {
        await writer.close();
      } finally {
        head.end();
      }
    },
  };
}

interface ReadPast extends Pick<Past, "damage"> {
  readonly results: Map<string, KeptResult>;
  /** The name of each task. */
  readonly names: Map<string, string>;
  readonly summary: ReturnType<typeof runSummary>;
}

function readPast(layout: RunLayout): ReadPast {
  const results = new Map<string, KeptResult>();
  const names = new Map<string, string>();
  const summary = runSummary();
  const damage: Damage[] = [];
  for (const { head, record } of readRecords(layout, (found) => damage.push(found))) {
    summary.take(head, record);
    if (record.type !== "TaskFinished" || record.outcome !== "done" || record.result === undefined) continue;
    // The first that was recorded stands.
    if ("notKept" in record.result || results.has(record.task)) continue;
    results.set(record.task, record.result);
    names.set(record.task, record.kind);
  }
  return { results, names, summary, damage };
}

/** The tasks whose answers refer to tensors that are not there any more, or are no answers. */
async function gone(
  results: ReadonlyMap<string, KeptResult>,
  names: ReadonlyMap<string, string>,
  store: Store,
): Promise<[string, string][]> {
  let there: Set<string> | undefined;
  const found: [string, string][] = [];
  for (const [task, result] of results) {
    const name = names.get(task) ?? "";
    const value = valueOf(result);
    const tensors = value === undefined ? [] : tensorsOf(value.value);
    if (value !== undefined && tensors.length === 0) continue;
    if (tensors.length > 0) there ??= await sealedIn(store);
    if (value === undefined || !tensors.every(({ id }) => there?.has(id) === true)) found.push([task, name]);
  }
  return found;
}

async function sealedIn(store: Store): Promise<Set<string>> {
  const ids = new Set<string>();
  const { survives } = store.abilities;
  if (survives === "nothing" || survives === "thread") return ids;
  for await (const { id, state } of store.tensors.list()) if (state === "sealed") ids.add(id);
  return ids;
}

function countsOf({ results, names }: ReadPast, again: ReadonlyMap<string, number>): Past["kept"] {
  const counts = new Map<string, { kept: number; again: number }>();
  for (const [name, count] of again) counts.set(name, { kept: 0, again: count });
  for (const task of results.keys()) {
    const name = names.get(task) ?? "";
    const count = counts.get(name) ?? { kept: 0, again: 0 };
    counts.set(name, { ...count, kept: count.kept + 1 });
  }
  return counts;
}

/** What `shoal stop` wrote, if it did. */
function stopAsked({ stop }: RunLayout): { readonly now: boolean } | undefined {
  if (!existsSync(stop)) return undefined;
  try {
    const asked: unknown = JSON.parse(readFileSync(stop, "utf8"));
    return { now: typeof asked === "object" && asked !== null && "now" in asked && asked.now === true };
  } catch {
    return { now: false };
  }
}

/** An error as the records keep it. */
export function errorRecordOf(error: unknown): ErrorRecord {
  const stack = error instanceof Error && !(error instanceof ShoalError) ? error.stack : undefined;
  const code = error instanceof ShoalError ? error.code : error instanceof Error ? error.name : "Error";
  const message = error instanceof Error ? error.message : String(error);
  return { code, message, ...(stack === undefined ? {} : { stack }) };
}
