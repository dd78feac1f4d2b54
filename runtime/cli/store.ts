// `shoal store ls|verify|sweep URL`: what a store's place holds and who owns it, whether all of it is as it was written,
// and away with what nobody owns.

import { nearest, ShoalError } from "../../stores/error.ts";
import { type HeldRun, openPlace, type Orphan, type Place, type Verified } from "../../stores/open.ts";
import { realWorld } from "../launch/world.ts";
import { columns, size, type Terminal } from "./terminal.ts";
import type { Request, Verb } from "./verb.ts";

const acts: { readonly [name: string]: (asked: Asked) => Promise<number> } = { ls, verify, sweep };

interface Asked {
  readonly place: Place;
  readonly run: string | undefined;
  readonly dryRun: boolean;
  readonly keepDays: number | undefined;
  readonly json: boolean;
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
}

const verb: Verb = {
  usage: "shoal store ls|verify|sweep URL [flags]",
  about: "Looks into the place of a store, without opening it as a run.",
  words: [2, 2],
  missing: "say what, and where: shoal store ls file:///scratch/run42",
  example: "shoal store sweep file:///scratch/run42 --dry-run",
  help: async () => [
    ["ls", "the runs that it holds, and who has them open"],
    ["verify", "reads everything and compares it with its checksum; ends with 1 where something is damaged"],
    ["sweep", "removes runs that have ended, and what processes that died have left in others"],
  ],
  flags: () => [{
    title: "Flags",
    flags: {
      "run": { default: undefined, about: "only this run; sweep gives it up: it goes whole", value: "RUN" },
      "keep-days": { default: undefined, about: "sweep: give up runs that nobody opened for so long", value: "N" },
      "dry-run": { default: false, about: "sweep: say what would go, and remove nothing" },
      "json": { default: false, about: "the result as JSON on stdout" },
      "quiet": { default: false, about: "say nothing on the way" },
    },
  }],
  act,
};
export default verb;

async function act({ flags, typed, words, terminal }: Request): Promise<number> {
  const [what = "", url = ""] = words;
  const doing = Object.hasOwn(acts, what) ? acts[what] : undefined;
  if (doing === undefined) {
    const near = nearest(what, Object.keys(acts));
    const hint = near === undefined ? "ls, verify and sweep are there" : `did you mean ${near}?`;
    throw new ShoalError("BadInput", `Cannot store ${what}: there is no such thing to do; ${hint}`);
  }
  for (const flag of ["dry-run", "keep-days"]) {
    if (!typed.has(flag) || what === "sweep") continue;
    throw new ShoalError("BadInput", `Cannot store ${what} --${flag}: it changes nothing anyway; leave the flag out`);
  }
  const stopping = new AbortController();
  const stop = (): void => stopping.abort();
  process.once("SIGINT", stop);
  try {
    const place = await openPlace(url, { environment: realWorld });
    const run = flags["run"] === undefined ? undefined : String(flags["run"]);
    const json = flags["json"] === true;
    const keepDays = flags["keep-days"] === undefined ? undefined : Number(flags["keep-days"]);
    const dryRun = flags["dry-run"] === true;
    return await doing({ place, run, dryRun, keepDays, json, terminal, signal: stopping.signal });
  } catch (error) {
    if (stopping.signal.aborted) return 130;
    throw error;
  } finally {
    process.off("SIGINT", stop);
  }
}

const counted = (count: number, one: string, many: string = `${one}s`): string =>
  `${count} ${count === 1 ? one : many}`;

async function ls({ place, run: only, json, terminal }: Asked): Promise<number> {
  const runs: HeldRun[] = [];
  for await (const run of place.runs()) if (only === undefined || run.run === only) runs.push(run);
  if (only !== undefined && runs.length === 0) {
    throw new ShoalError("BadInput", `Cannot list run ${only}: ${place.url} holds none of that name`);
  }
  if (json) terminal.result(JSON.stringify(runs));
  else if (runs.length === 0) terminal.result(`${place.url} holds no run`);
  else for (const line of runLines(runs, terminal)) terminal.result(line);
  return 0;
}

const colours = { live: "green", interrupted: "yellow", ended: "dim", strange: "red" } as const;

function runLines(runs: readonly HeldRun[], { paint }: Terminal): string[] {
  const numbers = runs.map((run) => [`${run.tensors}`, size(run.bytes), `${run.streams}`, `${run.claims}`]);
  const titles = ["tensors", "bytes", "streams", "claims"];
  const widths = titles.map((title, i) => Math.max(title.length, ...numbers.map((row) => row[i]!.length)));
  const right = (row: readonly string[]): string[] => row.map((cell, i) => cell.padStart(widths[i]!));
  const rows = runs.map((run, i) => [run.run, run.state, ...right(numbers[i]!), ownersOf(run)]);
  const [head = "", ...lines] = columns([["run", "state", ...right(titles), "opened by"], ...rows]);
  return [
    paint(head, "bold"),
    ...lines.map((line, i) => line.replace(` ${runs[i]!.state} `, (found) => paint(found, colours[runs[i]!.state]))),
  ];
}

function ownersOf({ owners, why }: HeldRun): string {
  if (why !== undefined) return why;
  const there = owners.filter(({ presence }) => presence !== "dead");
  const [first] = there;
  if (first === undefined) {
    return owners.length === 0 ? "nobody" : `nobody (${counted(owners.length, "process", "processes")} died)`;
  }
  const since = first.since.slice(0, 16).replace("T", " ");
  const where = first.presence === "elsewhere" ? ` on ${first.host || "another machine"}` : "";
  const more = there.length > 1 ? ` and ${there.length - 1} more` : "";
  return `process ${first.pid}${where} since ${since} UTC${more}`;
}

async function verify({ place, run, json, terminal, signal }: Asked): Promise<number> {
  const troubles: Verified[] = [];
  const read = { tensor: 0, stream: 0, claim: 0, run: 0 };
  let bytes = 0;
  for await (const one of place.verify({ signal, ...(run === undefined ? {} : { run }) })) {
    read[one.kind] += 1;
    bytes += one.bytes;
    if (one.trouble !== undefined) troubles.push(one);
    terminal.progress(`verified ${size(bytes)} in ${counted(read.tensor, "tensor")}`);
  }
  terminal.settle();
  const { tensor: tensors, stream: streams, claim: claims } = read;
  if (json) terminal.result(JSON.stringify({ url: place.url, tensors, streams, claims, bytes, troubles }));
  else {
    const rows = troubles.map((one) => ["damaged", `run ${one.run}`, `${one.kind} ${one.name}`, one.trouble ?? ""]);
    for (const line of columns(rows)) terminal.result(line.replace("damaged", terminal.paint("damaged", "red")));
    const what = [counted(tensors, "tensor"), counted(streams, "stream"), counted(claims, "claim")].join(", ");
    const end = troubles.length === 0 ? "all as they were written" : `${troubles.length} damaged`;
    terminal.result(`${what}, ${size(bytes)}: ${end}`);
  }
  return troubles.length === 0 ? 0 : 1;
}

async function sweep({ place, run, dryRun, keepDays, json, terminal, signal }: Asked): Promise<number> {
  const orphans: Orphan[] = [];
  const only = { ...(run === undefined ? {} : { run }), ...(keepDays === undefined ? {} : { keepDays }) };
  for await (const one of place.sweep({ dryRun, signal, ...only })) {
    orphans.push(one);
    terminal.progress(`${dryRun ? "found" : "freed"} ${counted(orphans.length, "orphan")}`);
  }
  terminal.settle();
  const taken = orphans.filter(({ kind }) => kind !== "foreign");
  const bytes = taken.reduce((sum, one) => sum + one.bytes, 0);
  if (json) {
    terminal.result(JSON.stringify({ url: place.url, dryRun, bytes, orphans }));
    return 0;
  }
  const rows = orphans.map((one) => [
    one.kind === "foreign" ? "left alone" : one.kind,
    size(one.bytes).padStart(7),
    one.run === "" ? "" : `run ${one.run}`,
    one.what,
    one.why,
  ]);
  for (const line of columns(rows)) terminal.result(line);
  const freed = `${dryRun ? "would free" : "freed"} ${size(bytes)}`;
  terminal.result(taken.length === 0 ? "nothing to free: all that is there belongs to a run" : freed);
  if (run === undefined) await hint(place, terminal);
  return 0;
}

const hintsMax = 5;

/** What is interrupted stays until somebody gives it up: he should know how. */
async function hint(place: Place, terminal: Terminal): Promise<void> {
  const kept: HeldRun[] = [];
  for await (const run of place.runs()) if (run.state === "interrupted" && run.bytes > 0) kept.push(run);
  for (const { run, bytes } of kept.slice(0, hintsMax)) {
    terminal.say(
      `run ${run} was interrupted and keeps ${size(bytes)}; to give it up: shoal store sweep URL --run ${run}`,
    );
  }
  const others = kept.slice(hintsMax);
  if (others.length === 0) return;
  const bytes = others.reduce((sum, run) => sum + run.bytes, 0);
  terminal.say(
    `so do ${counted(others.length, "other")}, ${size(bytes)}; all that none opened for N days: --keep-days N`,
  );
}
