// `shoal run PROGRAM`: makes a run directory, and runs a built-in program or a file of the user's in it.

import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { ShoalError } from "../../stores/error.ts";
import { isRunName, taskKinds } from "../../stores/open.ts";
import { type Configuration } from "../launch/configuration.ts";
import { newRunName } from "../launch/launch.ts";
import { schema } from "../launch/schema.ts";
import { configure, userFolder } from "../launch/sources.ts";
import { randomSeed } from "../launch/world.ts";
import { enterRun } from "../run/catalogue.ts";
import { layoutVersion, makeRun, type RunIdentity, type RunLayout } from "../run/layout.ts";
import { machine } from "../run/machine.ts";
import { batchFlags, batchKeys, checkLauncher } from "./batch.ts";
import { recordable, runCampaign } from "./campaign.ts";
import { configurationLines } from "./config.ts";
import { configuring, type FlagGroup, type Flags, flagsOf, speaking } from "./flags.ts";
import { builtIns, builtInSchemas, checkGroupsOf, type ReadyProgram, readyProgram, schemaOf } from "./program.ts";
import type { Terminal } from "./terminal.ts";
import type { Request, Verb } from "./verb.ts";
import { version } from "../launch/version.ts";

/** Flags that are keys of configuration, by the key. */
export const keyFlags: { readonly [flag: string]: string } = {
  "store": "store",
  "store-threshold": "storeThresholdBytes",
  "mail-store": "stores.mail",
  ...Object.fromEntries(taskKinds.flatMap((task) => [
    [`${task}-store`, `stores.${task}`],
    [`${task}-store-threshold`, `stores.${task}ThresholdBytes`],
  ])),
  "threads": "threads",
  "nodes": "nodes",
  "gpus": "gpus",
  "link": "link",
  "record": "recording.actors",
  "runs": "runs",
  "seed": "seed",
  "strict": "strict",
  ...batchKeys,
};

const everyRun: Flags = {
  "store": { default: "memory:", about: "where tensors live; redis:auto and kafka:auto start servers", value: "URL" },
  "store-threshold": { default: 10_000, about: "smaller tensors travel in their reference", value: "BYTES" },
  "mail-store": { default: undefined, about: "where mail between processes goes; --store unless said", value: "URL" },
  ...Object.fromEntries(taskKinds.flatMap((task): [string, Flags[string]][] => [
    [`${task}-store`, {
      default: undefined,
      about: `where tensors of ${task} tasks live; --store unless said`,
      value: "URL",
    }],
    [`${task}-store-threshold`, {
      default: undefined,
      about: "smaller ones of these travel in their reference",
      value: "N",
    }],
  ])),
  "threads": { default: undefined, about: "threads that pools are spread over; 0 keeps all in one", value: "N" },
  "nodes": { default: undefined, about: "processes that pools are spread over", value: "N", least: 1 },
  "gpus": { default: undefined, about: "GPUs of each node: each process there sees its part", value: "0,1,2,3" },
  "link": {
    default: "auto",
    about: "log: mail between processes goes over the store's log, and by no socket",
    choices: ["auto", "log"],
  },
  "seed": { default: undefined, about: "repeat a run's random numbers", value: "N" },
  "strict": { default: false, about: "encode every message, find writes to read-only tensors" },
  "record": { default: false, about: "keep what actors are given and do, for shoal replay" },
  "name": { default: undefined, about: "the run's name; made of the time unless said", value: "NAME" },
  "runs": { default: "./runs", about: "where run directories are made", value: "DIR" },
  "go-on": { default: false, about: "resume the run of that name where it is there, as in a job that begins again" },
};

/** Read once: for its flags, and to be run. */
let ready: ReadyProgram | undefined;

const verb: Verb = {
  usage: "shoal run PROGRAM [flags]",
  about: "Runs a program: one that is built in, or a file of yours (./mine.ts) whose default export takes the system.",
  words: [1, 1],
  missing: async () =>
    `no program named; built in are ${Object.keys(await builtIns()).join(", ")}, or name a file, ./mine.ts`,
  example: "shoal run waves --sims 8 --grid 128 --step-seconds 0",
  flags: runFlags,
  help: programNames,
  act: run,
};
export default verb;

/** The flags of a run of the program that is typed there: its own, and those of every run. */
export async function runFlags(words: readonly string[]): Promise<readonly FlagGroup[]> {
  const groups: FlagGroup[] = [
    { title: "Flags of every run", flags: everyRun },
    { title: "Batch machines", flags: batchFlags },
    { title: "Configuration", flags: configuring },
    { title: "Output", flags: speaking },
  ];
  const name = programIn(words);
  if (name === undefined) return [{ title: "Programs", flags: {} }, ...groups];
  ready = await readyProgram(name);
  const taken = Object.keys(ready.settings).find((flag) =>
    groups.some(({ flags }) => Object.hasOwn(flags, flag)) || flag === "help"
  );
  if (taken !== undefined) {
    throw new ShoalError(
      "BadInput",
      `Cannot run ${name}: its setting ${taken} is a flag of every run; call it otherwise`,
    );
  }
  return [{ title: `Flags of ${ready.name}`, flags: ready.settings }, ...groups];
}

/** The built-in programs, for help. */
export async function programNames(): Promise<[string, string][]> {
  return Object.entries(await builtIns()).map(([name, { about }]): [string, string] => [name, about]);
}

/** The first word that is neither a flag nor a flag's value; which flags the program has is not known yet. */
function programIn(words: readonly string[]): string | undefined {
  const known: Flags = { ...everyRun, ...batchFlags, ...configuring, ...speaking };
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (!word.startsWith("-")) return word;
    const flag = known[word.slice(2)];
    if (flag !== undefined && typeof flag.default !== "boolean") i++;
  }
  return undefined;
}

/** A run that was asked for, of which nothing is written yet. */
export interface PlannedRun {
  readonly program: ReadyProgram;
  readonly configuration: Configuration;
  readonly identity: RunIdentity;
  readonly directory: string;
}

/** What a run would be. */
export async function planRun({ flags, typed, words }: Request): Promise<PlannedRun> {
  const program = ready ?? await readyProgram(words[0]!);
  const configuration = await configurationOf(program, flags, typed);
  const name = flags["name"] === undefined ? newRunName() : String(flags["name"]);
  if (!isRunName(name)) {
    throw new ShoalError(
      "BadInput",
      `Cannot name a run ${
        JSON.stringify(name)
      }: expected letters, digits, -, _ and ., at most 64, the first no . or -`,
    );
  }
  const folder = process.cwd();
  const directory = join(resolve(String(configuration["runs"]?.value)), name);
  const identity: RunIdentity = {
    layout: layoutVersion,
    run: name,
    program: program.typed,
    ...(program.file === undefined ? {} : { file: program.file }),
    folder,
    seed: configuration["seed"] === undefined ? randomSeed() : Number(configuration["seed"].value),
    configuration: recordable(configuration),
    machine: machine(),
    shoal: version(),
    startedAt: Date.now(),
  };
  return { program, configuration, identity, directory };
}

/** Makes the directory of a run, and enters it into the user's index. */
export function beginRun({ identity, directory }: PlannedRun, terminal: Terminal): RunLayout {
  const layout = makeRun(directory, identity);
  const trouble = enterRun(userFolder(process.env, "state"), { run: identity.run, directory });
  if (trouble !== undefined) terminal.say(`the run is not in your index, find it by its path: ${trouble}`);
  return layout;
}

async function run(request: Request): Promise<number> {
  const { flags, terminal } = request;
  const planned = await planRun(request);
  const { program, configuration, identity, directory } = planned;
  if (flags["go-on"] === true && existsSync(join(directory, "run.json"))) {
    const { default: resume } = await import("./resume.ts");
    const own = flagsOf(await resume.flags([]));
    const told = Object.fromEntries(Object.entries(own).map(([name, { default: usual }]) => [name, usual]));
    const { json, quiet, runs } = flags;
    return await resume.act({
      ...request,
      flags: { ...told, json, quiet, runs },
      typed: new Set(),
      words: [directory],
    }) ?? 0;
  }
  if (flags["dry-run"] === true) {
    terminal.say(`would run ${program.typed} in ${directory}`);
    for (const line of configurationLines(configuration, terminal.paint)) terminal.result(line);
    return 0;
  }
  checkLauncher(identity.run, configuration);
  checkGroupsOf(program, configuration);
  const layout = beginRun(planned, terminal);
  return await runCampaign({ program, identity, layout, configuration, terminal, json: flags["json"] === true });
}

/** What holds for this run, from all sources. */
async function configurationOf(
  program: ReadyProgram,
  flags: Request["flags"],
  typed: ReadonlySet<string>,
): Promise<Configuration> {
  const own = schemaOf(program.settings);
  const said = [...typed].flatMap((flag) => {
    const path = keyFlags[flag] ?? (Object.hasOwn(own, flag) ? `programs.${program.name}.${flag}` : undefined);
    return path === undefined ? [] : [{ path, value: flags[flag], origin: `--${flag}` }];
  });
  return await configure({
    folder: process.cwd(),
    found: true,
    environment: process.env,
    files: flags["config"] as readonly string[],
    flags: said,
    sets: flags["set"] as readonly string[],
    program: program.name,
  }, { schema, programs: { ...await builtInSchemas(), [program.name]: own } });
}
