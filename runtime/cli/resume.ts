// `shoal resume RUN`: goes on where a run stopped, as it was configured, from any folder. Says first what is kept, what
// runs again, and what differs from when it began.

import { existsSync } from "node:fs";
import { ShoalError } from "../../stores/error.ts";
import { type Configuration, layerOfTexts, readSets } from "../launch/configuration.ts";
import { allocationIn } from "../launch/batch/allocation.ts";
import { lookAtJobs } from "../launch/batch/sending.ts";
import { wantedOf } from "../launch/batch/wanted.ts";
import { schema } from "../launch/schema.ts";
import { configure, userFolder } from "../launch/sources.ts";
import { enterRun, type RunView, viewRun } from "../run/catalogue.ts";
import { sentJobs } from "../run/jobs.ts";
import { type RunIdentity, runLayout } from "../run/layout.ts";
import { machine } from "../run/machine.ts";
import type { Session } from "../run/session.ts";
import {
  batchFlags,
  batchKeys,
  changedOrigin,
  changedWords,
  openJob,
  ownWords,
  sayHopeless,
  submitted,
} from "./batch.ts";
import { runCampaign } from "./campaign.ts";
import { speaking } from "./flags.ts";
import { places, placesOf, runOf } from "./places.ts";
import { builtIns, builtInSchemas, checkGroupsOf, fits, type ReadyProgram, readyProgram, schemaOf } from "./program.ts";
import { duration, moment, type Terminal } from "./terminal.ts";
import type { Request, Verb } from "./verb.ts";
import { version } from "../launch/version.ts";

const verb: Verb = {
  usage: "shoal resume RUN [flags]",
  about: "Runs the program again from its first line; what tasks with a name have answered is taken from the records.",
  words: [1, 1],
  missing: "no run named; shoal list shows them",
  example: "shoal resume 20260314-1",
  flags: () => [
    {
      title: "Configuration",
      flags: {
        set: { default: [], about: "a key of configuration to change; may be given again", value: "KEY=VALUE" },
        ...places,
      },
    },
    { title: "Batch machines", flags: batchFlags },
    { title: "Output", flags: speaking },
  ],
  act: resume,
};
export default verb;

async function resume({ flags, typed, words, terminal }: Request): Promise<number> {
  const directory = runOf(words[0]!, flags);
  const { state } = placesOf(flags);
  const view = viewRun(directory);
  const { identity } = view;
  const allocation = allocationIn(process.env);
  if (view.state === "done" && allocation !== undefined && sentJobs(runLayout(directory)).length > 0) {
    terminal.say(`${identity.run} is done: this job has nothing to do`);
    return 0;
  }
  if (view.state === "done") {
    const at = view.summary.ended === undefined ? "" : ` since ${moment(view.summary.ended.at)}`;
    throw new ShoalError(
      "BadInput",
      `Cannot resume ${identity.run}: it is done${at}; to run it anew: shoal run ${identity.program}`,
    );
  }
  // A path on the command line means the folder where it was typed, one in the program where the run began.
  enter(identity);
  const program = await programOf(identity);
  const sets = [...flags["set"] as readonly string[], ...setsOf(flags, typed)];
  const { configuration, differences } = await configurationOf(view, program, sets);
  for (const line of [...differences, ...otherDifferences(identity, program)]) terminal.say(`differs: ${line}`);
  checkGroupsOf(program, configuration);
  const launcher = configuration["launcher"]?.value;
  const isSent = allocation === undefined && (launcher === "slurm" || launcher === "pbs");
  if (flags["dry-run"] === true) {
    terminal.say(`would ${isSent ? "send a job that resumes" : "resume"} ${identity.run} in ${directory}`);
    return 0;
  }
  if (isSent) return await sendNext(view, configuration, flags["json"] === true, terminal);
  enterRun(state, { run: identity.run, directory });
  return await runCampaign({
    program,
    identity,
    layout: runLayout(directory),
    configuration,
    terminal,
    json: flags["json"] === true,
    began: (session) => say(view, session, terminal),
  });
}

/** Flags of batch machines are keys of configuration by another name. */
function setsOf(flags: Request["flags"], typed: Request["typed"]): string[] {
  return [...typed].flatMap((flag) =>
    Object.hasOwn(batchKeys, flag) ? [`${batchKeys[flag]}=${String(flags[flag])}`] : []
  );
}

/** On a login node, the next job goes on with the run. */
async function sendNext(
  { identity, directory, state }: RunView,
  configuration: Configuration,
  json: boolean,
  terminal: Terminal,
): Promise<number> {
  const { run, folder } = identity;
  const layout = runLayout(directory);
  const seen = sentJobs(layout).at(-1);
  const { jobs, trouble } = await lookAtJobs(layout, 3);
  if (trouble !== undefined) terminal.say(`how its jobs stand is not known: ${trouble}`);
  const open = openJob(jobs);
  if (open !== undefined || state === "running") {
    const why = open === undefined ? "it is running" : `job ${open.state.job} is ${open.state.word.toLowerCase()}`;
    throw new ShoalError("Conflict", `Cannot send a job for ${run}: ${why}; shoal stop ${run} ends it first`);
  }
  const wanted = wantedOf(configuration, userFolder(process.env, "config"));
  const command = [...ownWords(), "resume", directory, "--json", ...changedWords(configuration)];
  const sent = await submitted({
    wanted,
    run,
    layout,
    folder,
    command,
    program: identity.file?.path,
    seen,
    clients: seen?.clients,
  }, terminal);
  await sayHopeless(sent, run, terminal);
  if (json) terminal.result(JSON.stringify({ run, directory, job: sent.job, scheduler: sent.scheduler.name }));
  return 0;
}

function enter({ folder, run }: RunIdentity): void {
  try {
    process.chdir(folder);
  } catch (cause) {
    throw new ShoalError(
      "BadInput",
      `Cannot resume ${run}: the folder where it began cannot be entered: ${folder}; put it back, or link it there`,
      { cause },
    );
  }
}

async function programOf({ run, program, file }: RunIdentity): Promise<ReadyProgram> {
  if (file === undefined && !Object.hasOwn(await builtIns(), program)) {
    throw new ShoalError("BadInput", `Cannot resume ${run}: this shoal has no program ${program}`);
  }
  if (file !== undefined && !existsSync(file.path)) {
    throw new ShoalError("BadInput", `Cannot resume ${run}: its program is gone: ${file.path}; put it back`);
  }
  return await readyProgram(file?.path ?? program);
}

/** The recorded configuration stands, but for what `--set` says; what would be another now is named. */
async function configurationOf(
  { identity }: RunView,
  program: ReadyProgram,
  sets: readonly string[],
): Promise<{ configuration: Configuration; differences: readonly string[] }> {
  const what = { schema, programs: { ...await builtInSchemas(), [program.name]: schemaOf(program.settings) } };
  const sources = {
    folder: process.cwd(),
    found: true,
    environment: process.env,
    files: [],
    flags: [],
    sets: [],
    program: program.name,
  };
  const now = await configure(sources, what);
  const changed = layerOfTexts(readSets(sets), what);
  const configuration: { -readonly [path in keyof Configuration]: Configuration[path] } = {};
  const differences: string[] = [];
  const isGroup = (path: string): boolean => path.startsWith("workers.");
  const hadGroups = Object.keys(identity.configuration).some(isGroup);
  for (const path of new Set([...Object.keys(identity.configuration), ...Object.keys(now)])) {
    const then = identity.configuration[path];
    // Groups are one list, and no group of today's is among those of then.
    if (then === undefined && hadGroups && isGroup(path) && !changed.values.has(path)) {
      differences.push(`${path} was not there; what was stands, --set ${path}=${String(now[path]?.value)} adds it`);
      continue;
    }
    const today = now[path];
    if (changed.values.has(path)) configuration[path] = { value: changed.values.get(path), origin: changedOrigin };
    else if (then === undefined || isRedacted(then.value)) {
      if (today !== undefined) configuration[path] = today;
    } else {
      const setting = new RegExp(`^programs\\.${program.name}\\.`).test(path) ? path.split(".").at(-1)! : undefined;
      if (setting !== undefined && !fits(program.settings, setting, then.value)) {
        differences.push(`${path}: the program has no such setting any more; it is left out`);
        continue;
      }
      configuration[path] = then;
      const isTyped = then.origin.startsWith("--");
      if (isTyped || today === undefined || today.value === then.value) continue;
      differences.push(
        `${path} was ${String(then.value)} (${then.origin}), now ${
          String(today.value)
        } (${today.origin}); what was stands, --set ${path}=${String(today.value)} takes the other`,
      );
    }
  }
  for (const [path, value] of changed.values) configuration[path] ??= { value, origin: changedOrigin };
  return { configuration, differences };
}

/** A secret is not written down: it comes from where it came from before. */
const isRedacted = (value: unknown): boolean => typeof value === "string" && value.includes("***");

function otherDifferences(identity: RunIdentity, { file }: ReadyProgram): string[] {
  const lines: string[] = [];
  if (file !== undefined && identity.file !== undefined && file.digest !== identity.file.digest) {
    lines.push(`${identity.program} has changed since the run began; what it recorded then is kept`);
  }
  if (identity.shoal !== version()) lines.push(`shoal was ${identity.shoal}, now ${version()}`);
  const { host, runtime } = machine();
  if (identity.machine.runtime !== runtime) lines.push(`the runtime was ${identity.machine.runtime}, now ${runtime}`);
  if (identity.machine.host !== host) lines.push(`the machine was ${identity.machine.host}, now ${host}`);
  return lines;
}

function say({ identity, summary, state }: RunView, session: Session, terminal: Terminal): void {
  // A run that was submitted begins with this.
  if (summary.heads === 0) return;
  const ago = summary.lastAt === undefined ? "" : `, ${duration(Date.now() - summary.lastAt)} after its last word`;
  terminal.say(
    `resuming ${identity.run} (${identity.program}), which ${state === "failed" ? "failed" : "was interrupted"}${ago}`,
  );
  const { kept, damage } = session.past();
  for (const [name, counts] of kept) {
    if (counts.kept > 0) terminal.say(`kept: ${counts.kept} results of ${name}`);
    if (counts.again > 0) {
      terminal.say(`runs again: ${counts.again} tasks of ${name}, whose tensors are not in the store any more`);
    }
  }
  if (kept.size === 0) {
    terminal.say("kept: what the program itself wrote down; it recorded no task under a name, and all else runs again");
  } else terminal.say("runs again: what has no name, and what was under way");
  for (const { file, spoilt, cutOff } of damage) {
    if (cutOff) terminal.say(`${file}: its last record was cut off; what it told runs again`);
    if (spoilt > 0) terminal.say(`${file}: ${spoilt} lines cannot be read; what they told runs again`);
  }
}
