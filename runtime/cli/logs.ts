// `shoal logs RUN [ACTOR] --follow`: what was said during a run, and what befell its actors, as lines.

import { latestHead } from "../run/heads.ts";
import { type RunLayout, runLayout } from "../run/layout.ts";
import { headNumbers, type Place, readLines, readRecords, recordIn } from "../run/reader.ts";
import type { ActorIdentity, RunRecord } from "../run/records.ts";
import { logLine } from "../log.ts";
import { places, runOf } from "./places.ts";
import type { Request, Verb } from "./verb.ts";

const levels = ["debug", "info", "warn", "error"] as const;
const lookMs = 200;

const verb: Verb = {
  usage: "shoal logs RUN [ACTOR] [flags]",
  about: "Prints what was said during a run, and by whom. ACTOR is a name, a class or an address.",
  words: [1, 2],
  missing: "no run named; shoal list shows them",
  example: "shoal logs 20260314 --follow",
  flags: () => [{
    title: "Flags",
    flags: {
      follow: { default: false, about: "go on until the run ends" },
      level: { default: "info", about: "leave out what matters less", choices: levels },
      json: { default: false, about: "the records themselves, one a line" },
      ...places,
    },
  }],
  act: logs,
};
export default verb;

async function logs({ flags, words: [typed = "", actor], terminal }: Request): Promise<number> {
  const layout = runLayout(runOf(typed, flags));
  const least = levels.findIndex((level) => level === flags["level"]);
  const show = (record: RunRecord): void => {
    const line = lineOf(record, actor, least);
    if (line !== undefined) terminal.result(flags["json"] === true ? JSON.stringify(record) : line);
  };
  if (flags["follow"] !== true) {
    for (const { record } of readRecords(layout)) show(record);
    return 0;
  }
  const places = new Map<number, Place>();
  while (true) {
    // Looked at before reading: what a head wrote before its end is read in any case.
    const isOver = latestHead(layout)?.state !== "alive";
    for (const record of more(layout, places)) show(record);
    if (isOver) return 0;
    await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
}

/** What was recorded since the last time, by all heads. */
function* more(layout: RunLayout, places: Map<number, Place>): Generator<RunRecord> {
  for (const head of headNumbers(layout)) {
    const place = places.get(head) ?? { bytes: 0, rest: new Uint8Array(0) };
    places.set(head, place);
    for (const line of readLines(layout, head, place)) {
      const record = recordIn(line, layout);
      if (record !== undefined) yield record;
    }
  }
}

const isOf = (who: ActorIdentity | undefined, actor: string): boolean =>
  who !== undefined && (who.id === actor || who.name === actor || who.class === actor);

function lineOf(record: RunRecord, actor: string | undefined, least: number): string | undefined {
  const time = new Date(record.at).toISOString().slice(0, 23).replace("T", " ");
  const wanted = (who: ActorIdentity | undefined): boolean => actor === undefined || isOf(who, actor);
  const who = ({ id, class: className, name }: ActorIdentity): string => `${name ?? className} ${id}`;
  switch (record.type) {
    case "MessageLogged":
      if (levels.indexOf(record.level) < least || !wanted(record.actor)) return undefined;
      return `${time} ${logLine(record)}`;
    case "ActorCrashed":
      if (least > 2 || !wanted(record.actor)) return undefined;
      return `${time} warn ${
        who(record.actor)
      } crashed in ${record.during}: ${record.error.message} (${record.directive})`;
    case "MessageDied":
      if (least > 2 || !wanted(record.to)) return undefined;
      return `${time} warn ${who(record.to)} never handled ${record.method}: ${record.reason}`;
    case "RunStarted":
      return actor === undefined && least <= 1
        ? `${time} info run ${record.run} began, head ${record.head ?? 1}`
        : undefined;
    case "RunEnded": {
      const why = record.error === undefined ? "" : `: ${record.error.message}`;
      return actor === undefined && least <= 1 ? `${time} info run ended: ${record.state}${why}` : undefined;
    }
    default:
      return undefined;
  }
}
