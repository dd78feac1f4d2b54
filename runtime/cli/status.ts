// `shoal status [RUN]`: how far a run is, from its directory alone, so that it works from any machine that sees it;
// without a run, those that are running.

import { knownRuns, type RunView, viewRun } from "../run/catalogue.ts";
import { jobsOf } from "./jobs.ts";
import { places, placesOf, runOf } from "./places.ts";
import { tasksText } from "./progress.ts";
import { columns, duration, moment, type Terminal } from "./terminal.ts";
import type { Request, Verb } from "./verb.ts";

const verb: Verb = {
  usage: "shoal status [RUN] [flags]",
  about:
    "Shows how far a run is; without one, every run that is running. RUN is a path, a name, or the beginning of one.",
  words: [0, 1],
  example: "shoal status 20260314",
  flags: () => [{
    title: "Flags",
    flags: { ...places, json: { default: false, about: "one object on stdout; without RUN, a list of them" } },
  }],
  act: status,
};
export default verb;

async function status({ flags, words, terminal }: Request): Promise<number> {
  const json = flags["json"] === true;
  if (words[0] !== undefined) {
    const view = viewRun(runOf(words[0], flags));
    const jobs = await jobsOf(view);
    if (json) terminal.result(JSON.stringify({ ...plain(view), ...jobs.plain }));
    else for (const line of [...linesOf(view, terminal), ...jobs.lines]) terminal.result(line);
    return 0;
  }
  const running = knownRuns(placesOf(flags)).flatMap(({ directory }) => {
    try {
      const view = viewRun(directory);
      return view.state === "running" || view.state === "queued" ? [view] : [];
    } catch (error) {
      terminal.say(`left out: ${error instanceof Error ? error.message : String(error)}`);
      return [];
    }
  });
  if (json) terminal.result(JSON.stringify(running.map(plain)));
  else if (running.length === 0) terminal.say("nothing is running; shoal list shows what ran");
  else {running.forEach((view, index) =>
      [...(index > 0 ? [""] : []), ...linesOf(view, terminal)].forEach(terminal.result)
    );}
  return 0;
}

/** What `--json` prints. */
function plain({ identity, directory, state, summary, head, spoilt }: RunView): object {
  const { lastAt, ended, tasks, heads, actors, nodes, warnings, records } = summary;
  return {
    run: identity.run,
    program: identity.program,
    directory,
    state,
    started: new Date(identity.startedAt).toISOString(),
    ...(lastAt === undefined ? {} : { last: new Date(lastAt).toISOString() }),
    ...(ended === undefined ? {} : { ended: new Date(ended.at).toISOString() }),
    ...(ended?.error === undefined ? {} : { error: ended.error }),
    ...(head === undefined ? {} : { head: { pid: head.pid, host: head.host } }),
    tasks: Object.fromEntries(tasks),
    heads,
    actors,
    nodes: Object.fromEntries(nodes),
    warnings,
    records,
    spoilt,
  };
}

function linesOf({ identity, directory, state, summary, head, spoilt }: RunView, { paint }: Terminal): string[] {
  const colour = { queued: "dim", running: "green", interrupted: "yellow", done: "blue", failed: "red" } as const;
  const now = Date.now();
  const until = summary.ended?.at ?? (state === "running" ? now : summary.lastAt ?? identity.startedAt);
  const rows: string[][] = [
    ["state", stateText(state, head)],
    ["program", identity.program],
    ["directory", directory],
    ["began", `${moment(identity.startedAt)}, ${duration(now - identity.startedAt)} ago`],
    ["took", `${duration(until - identity.startedAt)}${summary.heads > 1 ? ` with ${summary.heads - 1} resumes` : ""}`],
  ];
  if (summary.lastAt !== undefined) rows.push(["last word", `${duration(Math.max(0, now - summary.lastAt))} ago`]);
  for (const [kind, tasks] of summary.tasks) rows.push([kind, tasksText(tasks)]);
  for (const [node, { host, pid, runtime, group, isLost, losses }] of summary.nodes) {
    const lost = `${group === undefined ? "" : `, of ${group}`}${losses === 0 ? "" : `, ${losses} lost before it`}`;
    const what = isLost ? "lost, another is to take its place" : `process ${pid} on ${host}, ${runtime}${lost}`;
    rows.push([`node ${node}`, what]);
  }
  const { spawned, crashes, restarts } = summary.actors;
  if (spawned + crashes + restarts > 0) {
    rows.push(["actors", `${spawned} spawned, ${crashes} crashes, ${restarts} restarts`]);
  }
  if (summary.warnings > 0) rows.push(["warnings", `${summary.warnings}; shoal logs ${identity.run} shows them`]);
  if (spoilt > 0) rows.push(["spoilt", `${spoilt} lines of its records cannot be read`]);
  if (summary.ended?.error !== undefined) rows.push(["error", summary.ended.error.message]);
  if (state === "interrupted" || state === "failed") rows.push(["to go on", `shoal resume ${identity.run}`]);
  return [paint(paint(identity.run, colour[state]), "bold"), ...columns(rows.map((row) => [`  ${row[0]}`, row[1]!]))];
}

function stateText(state: RunView["state"], head: RunView["head"]): string {
  if (head === undefined) return state;
  return `${state}, ${state === "running" ? "led by" : "last led by"} process ${head.pid} on ${head.host}`;
}
