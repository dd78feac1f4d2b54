// Steps as they stand in a journal: a list of lists in JSON, in which what neighbours have in common, and what most have
// not, takes no room. Most steps are an answer, and how far a stream is.

import { ShoalError } from "../../stores/error.ts";
import type { Answer, CursorRecord, Input, StepRecord } from "../delivery/protocol.ts";
import { type Body, bodyFrom, bodyWith, textIn } from "./body.ts";
import { quoted } from "./columns.ts";
import type { State } from "./states.ts";

//   [layout, number, epoch, step, step, …]
//   step    [actor or 0 for the same, flags, bytes of its input, streams or 0, all that is rarer]
//   stream  [source or 0 for the same, node, epoch, sequence, got, base, answer, …], with its forgotten steps, if any, first
//   answer  its sequence and its text, two members, or one record where it says more than that

/** Counts the forms that journals have had. */
const layout = 2;
const flag = { whole: 1, ended: 2, input: 4, unpinned: 8 } as const;
const nothing: readonly never[] = [];

export interface Commit {
  readonly number: number;
  readonly records: readonly StepRecord[];
}

/** Steps that happen together, all of one epoch. Of an actor's states the last is the only one that anybody will read. */
export function commitText(epoch: number, number: number, records: readonly StepRecord[]): string {
  const isLast = lastChanges(records);
  let text = `[${layout},${number},${epoch}`;
  let [actor, source] = ["", ""];
  for (let i = 0; i < records.length; i++) {
    const record = records[i]!;
    text += record.actor === actor ? ",[0," : `,[${quoted(record.actor)},`;
    actor = record.actor;
    const { whole, ended, input, pins, cursors } = record;
    const flags = (whole ? flag.whole : 0) + (ended === true ? flag.ended : 0) +
      (input === undefined ? 0 : flag.input) +
      (pins?.length === 0 ? flag.unpinned : 0);
    text += `${flags},${input?.bytes ?? 0},`;
    if (cursors.length === 0) text += "0";
    for (let at = 0; at < cursors.length; at++) {
      const cursor = cursors[at]!;
      text += (at === 0 ? "[" : ",") + cursorText(cursor, cursor.source === source);
      source = cursor.source;
    }
    if (cursors.length > 0) text += "]";
    text += `${rareText(record, isLast[i] === true)}]`;
  }
  return `${text}]`;
}

/** Which of them say what is to be read of their actor. */
function lastChanges(records: readonly StepRecord[]): readonly boolean[] {
  const isLast: boolean[] = new Array(records.length);
  const seen = new Set<string>();
  for (let i = records.length - 1; i >= 0; i--) {
    const { change, actor, whole } = records[i]!;
    isLast[i] = change !== undefined && (whole || !seen.has(actor));
    if (change !== undefined) seen.add(actor);
  }
  return isLast;
}

function cursorText(
  { source, node, epoch, sequence, got, base, kept, forgotten }: CursorRecord,
  isSame: boolean,
): string {
  let text = isSame ? "[0,0" : `[${quoted(source)},${quoted(node)}`;
  text += `,${epoch},${sequence},${got},${base}`;
  if (forgotten.length > 0) text += `,${JSON.stringify(forgotten)}`;
  for (const answer of kept) text += answerText(answer, epoch);
  return `${text}]`;
}

function answerText(answer: Answer, epoch: number): string {
  const { key, digest, result, body } = answer;
  const said = textIn(body as Body | undefined);
  const isPlain = key === "" && digest === "" && result === "value" && answer.epoch === epoch && said !== undefined;
  return isPlain ? `,${answer.sequence},${JSON.stringify(said)}` : `,${JSON.stringify(answer)}`;
}

function rareText({ sent, change, timersSet, timersDone, pins }: StepRecord, isLast: boolean): string {
  const rare: { [member: string]: unknown } = {};
  let isAny = false;
  const put = (name: string, value: unknown): void => {
    rare[name] = value;
    isAny = true;
  };
  if (sent.length > 0) put("sent", sent);
  if (isLast) put("change", change);
  if (timersSet.length > 0) put("timersSet", timersSet);
  if (timersDone.length > 0) put("timersDone", timersDone);
  if (pins !== undefined && pins.length > 0) put("pins", pins);
  return isAny ? `,${JSON.stringify(rare)}` : "";
}

type Rare = Partial<Pick<StepRecord, "sent" | "change" | "timersSet" | "timersDone" | "pins">>;
type CursorList = [string | 0, string | 0, number, number, number, number, ...unknown[]];
type StepList = [string | 0, number, number, CursorList[] | 0, Rare?];

/** A store gives back what was appended, whole: this is our own, or an older version's. */
export function commitIn(node: string, text: string): Commit {
  const value: unknown = JSON.parse(text);
  if (!Array.isArray(value) || value[0] !== layout) {
    const why = "another version of shoal has written it";
    throw new ShoalError("Incompatible", `Cannot read the journal of node ${node}: ${why}; go on with that version`);
  }
  const [, number, epoch, ...steps] = value as [number, number, number, ...StepList[]];
  let [actor, source, at] = ["", "", ""];

  function cursorOf([from, node, epoch, sequence, got, base, ...rest]: CursorList): CursorRecord {
    if (from !== 0) [source, at] = [from, node as string];
    const hasForgotten = Array.isArray(rest[0]);
    const forgotten = hasForgotten ? rest[0] as string[] : nothing;
    return { source, node: at, epoch, sequence, got, base, kept: keptIn(rest, hasForgotten ? 1 : 0, epoch), forgotten };
  }

  const records = steps.map(([name, flags, bytes, cursors, rare = {}]): StepRecord => {
    if (name !== 0) actor = name;
    const { sent = nothing, change, timersSet = nothing, timersDone = nothing } = rare;
    return {
      actor,
      epoch,
      whole: (flags & flag.whole) !== 0,
      cursors: cursors === 0 ? nothing : cursors.map(cursorOf),
      sent: sent.map((stream) => ({ ...stream, entries: stream.entries.map(withBody) })),
      change: changeFrom(change),
      timersSet,
      timersDone,
      pins: (flags & flag.unpinned) !== 0 ? nothing : rare.pins,
      input: (flags & flag.input) !== 0 ? { ...forgottenInput, bytes } : undefined,
      ...(flags & flag.ended) !== 0 ? { ended: true } : {},
    };
  });
  return { number, records };
}

/** Of what a step ran on only its weight matters later. */
const forgottenInput: Input = { source: "", epoch: 0, sequence: 0, identity: "", bytes: 0, timer: "" };

function keptIn(list: readonly unknown[], from: number, epoch: number): readonly Answer[] {
  const kept: Answer[] = [];
  for (let i = from; i < list.length; i++) {
    const one = list[i];
    if (typeof one !== "number") kept.push(withBody(one as Answer));
    else kept.push({ epoch, sequence: one, key: "", digest: "", result: "value", body: bodyWith(list[++i] as string) });
  }
  return kept;
}

/** What JSON made of the arrays in bodies is made bytes again. */
function changeFrom(change: StepRecord["change"]): StepRecord["change"] {
  const state = change !== undefined && "state" in change ? change.state as State : undefined;
  if (state === undefined) return undefined;
  const birth = { ...state.birth, input: bodyFrom(state.birth.input) };
  return { state: { ...state, birth, fields: bodyFrom(state.fields) } };
}

function withBody<T extends { readonly body: unknown }>(item: T): T {
  return item.body === undefined ? item : { ...item, body: bodyFrom(item.body as Body) };
}
