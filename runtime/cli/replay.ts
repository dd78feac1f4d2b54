// `shoal replay RUN [ACTOR]`: runs what recorded actors were given again, each alone, and compares what they do with
// what they did.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { isShoalError, ShoalError } from "../../stores/error.ts";
import { fileOf } from "../launch/recording.ts";
import { catalogue } from "../nodes/catalogue.ts";
import { differenceOf } from "../run/difference.ts";
import { readIdentity, type RunIdentity, runLayout } from "../run/layout.ts";
import { readRecording, type RecordedPart, recordingFiles } from "../run/recording.ts";
import type { Line } from "../run/records.ts";
import { shelf } from "../run/shelf.ts";
import { isForeign } from "../simulator/foreign.ts";
import { type Solo, solo } from "../simulator/solo.ts";
import type { ActorClass } from "../system.ts";
import { places, runOf } from "./places.ts";
import { findProgram } from "./program.ts";
import type { Terminal } from "./terminal.ts";
import type { Request, Verb } from "./verb.ts";

const verb: Verb = {
  usage: "shoal replay RUN [ACTOR] [flags]",
  about:
    "Runs what the actors of a run were given again, each alone, and stops where one does something else than it " +
    "did. The run must have been recorded: shoal run … --record. ACTOR is a name, a class or an address.",
  words: [1, 2],
  missing: "no run named; shoal list shows them",
  example: "shoal replay 20260314 trainer",
  flags: () => [{
    title: "Flags",
    flags: { json: { default: false, about: "end with the result as one object on stdout" }, ...places },
  }],
  act: replay,
};
export default verb;

/** What an actor gets from beside its record, as from a file, may take longer now than it did. */
const patience = { factor: 4, leastMs: 5_000 };

interface Shown {
  readonly message: string;
  readonly path: string;
  readonly recorded: unknown;
  readonly now: unknown;
}

interface Played {
  readonly actor: string;
  readonly class: string;
  readonly name?: string;
  readonly head: number;
  readonly messages: number;
  readonly outcome: "same" | "differs" | "unplayed";
  readonly difference?: Shown;
  readonly lacks?: string;
}

async function replay({ flags, words: [typed = "", wanted], terminal }: Request): Promise<number> {
  const directory = runOf(typed, flags);
  const layout = runLayout(directory);
  const identity = readIdentity(directory);
  const all = recordingFiles(layout).flatMap((path) => readRecording(path, directory));
  if (all.length === 0) {
    const cure = "record one: shoal run … --record";
    throw new ShoalError("BadInput", `Cannot replay ${identity.run}: what its actors did was not recorded; ${cure}`);
  }
  const parts = all.filter((part) => wanted === undefined || isOf(part, wanted));
  if (parts.length === 0) {
    const has = [...new Set(all.map((part) => `${part.actor} (${classOf(part)})`))];
    const some = has.length > 20 ? `${has.slice(0, 20).join(", ")} and ${has.length - 20} more` : has.join(", ");
    throw new ShoalError(
      "BadInput",
      `Cannot replay ${identity.run}: no actor ${wanted} was recorded; there are ${some}`,
    );
  }
  const url = await urlOf(identity);
  const classes = catalogue({ program: url });
  const kept = shelf(join(layout.recording, "tensors"), 0);
  const changed = new Set<string>();
  const said = new Set<string>();
  const played: Played[] = [];
  const unmute = mute();
  try {
    for (const part of parts) {
      const one = await play(part, url, classes.classOf, kept, changed);
      for (const path of changed) {
        if (!said.has(path)) terminal.say(`differs: ${path} has changed since it was recorded`);
        said.add(path);
      }
      played.push(one);
      if (flags["json"] !== true) { for (const line of linesOf(one, terminal)) terminal.result(line); }
      if (one.outcome === "differs") break;
    }
  } finally {
    unmute();
  }
  const same = played.filter(({ outcome }) => outcome === "same").length;
  // What cannot be played is said; that nothing could be is no success.
  const isSame = same > 0 && played.every(({ outcome }) => outcome !== "differs");
  const used = firstForeign(parts);
  if (flags["json"] === true) {
    const common = { run: identity.run, same: isSame, recorded: parts.length, changed: [...changed] };
    terminal.result(JSON.stringify({ ...common, ...used === undefined ? {} : { foreign: used }, actors: played }));
    return isSame ? 0 : 1;
  }
  if (used !== undefined) terminal.result(`the first to use another clock or dice: ${used.actor} ${used.what}`);
  if (isSame) terminal.result(`${same} of ${parts.length} recorded actors did the same again`);
  return isSame ? 0 : 1;
}

/** The first who used a clock or dice that are not the runtime's: here they answer as they did, elsewhere they will not. */
function firstForeign(parts: readonly RecordedPart[]): { readonly actor: string; readonly what: string } | undefined {
  let first: { readonly actor: string; readonly what: string; readonly timeMs: number } | undefined;
  for (const { actor, lines } of parts) {
    const { what, timeMs } = lines.find((line) => line.type === "does" && isForeign(line)) ?? {};
    if (what !== undefined && timeMs! < (first?.timeMs ?? Infinity)) first = { actor, what, timeMs: timeMs! };
  }
  return first && { actor: first.actor, what: first.what };
}

/** Not a beginning, and no end. */
const isMessage = ({ type, what }: Line): boolean => type === "gets" && what !== "started" && what !== "stopping";

/** As the run finds it: its classes are found by their names. */
async function urlOf({ run, program, file }: RunIdentity): Promise<string> {
  if (file !== undefined && !existsSync(file.path)) {
    throw new ShoalError("BadInput", `Cannot replay ${run}: its program is gone: ${file.path}; put it back`);
  }
  return (await findProgram(file?.path ?? program)).url;
}

const classOf = ({ introduced }: RecordedPart): string => introduced?.class.split("#").at(-1) ?? "never made";

const isOf = (part: RecordedPart, wanted: string): boolean =>
  part.actor === wanted || part.introduced?.name === wanted || part.introduced?.class === wanted ||
  classOf(part) === wanted;

async function play(
  part: RecordedPart,
  program: string,
  find: (name: string) => Promise<ActorClass>,
  kept: ReturnType<typeof shelf>,
  changed: Set<string>,
): Promise<Played> {
  const { actor, introduced, lines, lacks, begun: { head } } = part;
  const messages = lines.filter(isMessage).length;
  const named = introduced?.name === undefined ? {} : { name: introduced.name };
  const common = { actor, class: classOf(part), ...named, head, messages };
  if (introduced === undefined) return { ...common, outcome: "unplayed", lacks: "it was never made" };
  let result: Solo;
  try {
    const Class = await find(introduced.class);
    const { file } = fileOf(Class, program);
    const then = introduced.file;
    if (file !== undefined && then?.path === file.path && then.digest !== file.digest) changed.add(file.path);
    const open = lacks === undefined ? {} : { lacks, isOpen: true };
    const isUnfinished = lines.filter(({ type }) => type === "begins" || type === "gets").length >
      lines.filter(({ type }) => type === "ends").length;
    const whole = { actor, class: Class.name, lines, isSeeded: true, ...isUnfinished ? { isOpen: true } : {}, ...open };
    result = await solo(Class, whole, { shelf: kept, patience });
  } catch (error) {
    if (!isShoalError(error)) throw error;
    return { ...common, outcome: "unplayed", lacks: error.message };
  }
  const { difference, played } = result;
  const more = result.lacks === undefined ? {} : { lacks: result.lacks };
  if (difference === undefined) return { ...common, ...more, outcome: "same" };
  return { ...common, ...more, outcome: "differs", difference: shown(difference, played) };
}

/** Which message it was, where in what came of it, and what stood there. */
function shown({ expected, happened }: NonNullable<Solo["difference"]>, played: readonly Line[]): Shown {
  const last = played.findLast(({ type }) => type === "gets" || type === "begins");
  const message = last !== undefined && isMessage(last)
    ? `message ${played.filter(isMessage).length}, ${last.what}`
    : `its ${last?.what ?? "beginning"}`;
  const isSame = expected !== undefined && happened !== undefined && expected.type === happened.type &&
    expected.what === happened.what && expected.life === happened.life && expected.isError === happened.isError;
  if (!isSame) return { message, path: "", recorded: inWords(expected), now: inWords(happened) };
  const what = expected.value === happened.value ? "its state" : inShort(expected);
  const { path, recorded, now } = expected.value === happened.value
    ? differenceOf(expected.state, happened.state)
    : differenceOf(expected.value, happened.value);
  return { message, path: `${what}${path === "" ? "" : ` at ${path}`}`, recorded, now };
}

const inShort = ({ type, what }: Pick<Line, "type" | "what">): string =>
  type === "ends" ? `its answer to ${what}` : type === "yields" ? `what ${what} yields` : `it ${what}`;

function inWords(line: Pick<Line, "type" | "what" | "value" | "isError"> | undefined): string {
  if (line === undefined) return "nothing";
  return `${inShort(line)}${line.isError === true ? " (an error)" : ""}: ${cut(line.value)}`;
}

const textCharsMax = 400;
const cut = (text: string): string => text.length <= textCharsMax ? text : `${text.slice(0, textCharsMax)}…`;

function linesOf(one: Played, { paint }: Terminal): string[] {
  const { actor, name, messages, outcome, difference, lacks } = one;
  const who = `${name === undefined ? "" : `${name} `}${one.class} ${actor}${
    one.head > 1 ? ` of head ${one.head}` : ""
  }`;
  const lines = [`${paint(outcome.padEnd(8), outcome === "same" ? "green" : "red")} ${who}, ${messages} messages`];
  if (difference !== undefined) {
    lines.push(`  at ${difference.message}${difference.path === "" ? "" : `: ${difference.path}`}`);
    lines.push(`  recorded: ${textOf(difference.recorded)}`, `  now:      ${textOf(difference.now)}`);
  }
  if (lacks !== undefined) lines.push(`  ${outcome === "same" ? "as far as its record goes: " : ""}${lacks}`);
  return lines;
}

const textOf = (value: unknown): string =>
  value === undefined ? "nothing" : cut(typeof value === "string" ? value : JSON.stringify(value));

/** What actors print they have printed before; what they leave unawaited may end anyhow. */
function mute(): () => void {
  const methods = ["log", "info", "debug", "warn", "error"] as const;
  const before = methods.map((method) => console[method]);
  const ignore = (): void => {};
  for (const method of methods) console[method] = ignore;
  process.on("unhandledRejection", ignore);
  return () => {
    for (const [index, method] of methods.entries()) console[method] = before[index]!;
    process.off("unhandledRejection", ignore);
  };
}
