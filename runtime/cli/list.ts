// `shoal list`: the runs that are known here, the latest first.

import { knownRuns, type RunState, viewRun } from "../run/catalogue.ts";
import { places, placesOf } from "./places.ts";
import { columns } from "./terminal.ts";
import type { Request, Verb } from "./verb.ts";

interface Row {
  readonly run: string;
  readonly directory: string;
  readonly program: string;
  readonly started: string;
  readonly state: RunState | "unreadable";
}

const verb: Verb = {
  usage: "shoal list [flags]",
  about: "Lists the runs in your index and in ./runs, the latest first.",
  words: [0, 0],
  example: "shoal list --json",
  flags:
    () => [{ title: "Flags", flags: { ...places, json: { default: false, about: "a list of objects on stdout" } } }],
  act: list,
};
export default verb;

// deno-lint-ignore require-await
async function list({ flags, terminal }: Request): Promise<number> {
  const rows = knownRuns(placesOf(flags)).map(({ run, directory }): Row => {
    try {
      const { identity, state } = viewRun(directory);
      const { program, startedAt } = identity;
      return { run: identity.run, directory, program, started: new Date(startedAt).toISOString(), state };
    } catch (error) {
      terminal.say(`${run}: ${error instanceof Error ? error.message : String(error)}`);
      return { run, directory, program: "", started: "", state: "unreadable" };
    }
  }).sort((a, b) => b.started.localeCompare(a.started) || a.run.localeCompare(b.run));
  if (flags["json"] === true) terminal.result(JSON.stringify(rows));
  else if (rows.length === 0) terminal.say("no runs are known here; shoal run makes one");
  else {
    const shown = rows.map((
      { run, program, started, state, directory },
    ) => [run, state, program, started.slice(0, 16).replace("T", " "), directory]);
    const [head = "", ...lines] = columns([["RUN", "STATE", "PROGRAM", "STARTED", "DIRECTORY"], ...shown]);
    terminal.result(terminal.paint(head, "bold"));
    for (const line of lines) terminal.result(line);
  }
  return 0;
}
