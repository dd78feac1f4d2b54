// The entry of the benchmarks: `npm run bench -- actors`. README.md says what is measured and how to read it.

import { writeFileSync } from "node:fs";
import process from "node:process";
import type { Contender, NotRun } from "./case.ts";
import { commit, machine } from "./machine.ts";
import { type Options, parseOptions, usage } from "./options.ts";
import { start } from "./process.ts";
import type { Answer } from "./protocol.ts";
import { rootFolder, suites } from "./registry.ts";
import { type Entrant, type Outcome, runCase } from "./rounds.ts";
import { caseLines } from "./table.ts";

const helloMs = 60_000;

const print = (text: string): void => void process.stdout.write(`${text}\n`);
const progress = (text: string): void => void process.stderr.write(`${text}\n`);

interface Line {
  readonly entrant: Entrant;
  readonly hello: Answer;
}

/** Builds and starts a contender once, to know that it can run and what it is. */
async function introduce(contender: Contender): Promise<Line> {
  const how = await contender.prepare();
  const running = start(how);
  try {
    return { entrant: { contender, start: how }, hello: await running.run({ case: "hello" }, helloMs) };
  } finally {
    await running.stop();
  }
}

async function bench(options: Options): Promise<void> {
  const suite = suites[options.suite]?.(options.scale, options.stores);
  if (suite === undefined) throw new TypeError(`Cannot find suite ${options.suite}`);
  const cases = suite.cases.filter(({ name }) => options.only.length === 0 || options.only.includes(name));
  if (cases.length === 0) {
    const known = suite.cases.map(({ name }) => name).join(", ");
    throw new TypeError(`Cannot find case ${options.only.join()}: expected some of ${known}`);
  }
  const lines: Line[] = [];
  const absent: NotRun[] = [];
  for (const contender of suite.contenders(options.runtimes)) {
    if (!contender.own && options.against.length > 0 && !options.against.includes(contender.library)) continue;
    progress(`${contender.name} is made ready`);
    try {
      lines.push(await introduce(contender));
    } catch (error) {
      absent.push({ contender: contender.name, reason: error instanceof Error ? error.message : String(error) });
    }
  }
  const header = { suite: suite.name, at: new Date().toISOString(), commit: commit(rootFolder()), machine: machine() };
  const { processor, cores, system, loadAverage } = header.machine;
  print(`${suite.title} at ${header.commit}, ${header.at}`);
  print(`${processor}, ${cores} cores, ${system}, load ${loadAverage.map((load) => load.toFixed(2)).join(" ")}`);
  print(`${options.rounds} rounds in turns after ${options.warmUpRounds} to warm up; medians. Compare ratios only.`);
  if (options.scale !== 1) print(`At ${options.scale} of the work: a quick look that proves nothing.`);
  for (const { entrant, hello } of lines) {
    print(`  ${entrant.contender.name}: ${hello["version"]}; ${hello["settings"]}; ${commandLine(entrant)}`);
  }
  for (const { contender, reason } of absent) print(`  not run: ${contender}: ${reason}`);
  print("");
  const outcomes: Outcome[] = [];
  for (const one of cases) {
    const entrants = lines.map(({ entrant }) => entrant);
    const { rounds = options.rounds } = one;
    const outcome = await runCase(one, entrants, rounds, one.rounds === undefined ? options.warmUpRounds : 0, progress);
    outcomes.push(outcome);
    for (const line of caseLines(one, outcome)) print(line);
  }
  if (options.json === undefined) return;
  const versions = lines.map(({ entrant, hello }) => ({ ...hello, contender: entrant.contender.name }));
  const parameters = cases.map(({ name, unit, parameters }) => ({ name, unit, parameters }));
  const whole = { ...header, options, contenders: versions, notRun: absent, cases: parameters, outcomes };
  writeFileSync(options.json, `${JSON.stringify(whole, undefined, 2)}\n`);
  print(`written to ${options.json}`);
}

/** The flags that a contender is started with, without the paths of this machine and what its program is told. */
function commandLine({ start: { command, args } }: Entrant): string {
  const program = args.findIndex((arg) => /\.(js|py)$/.test(arg));
  return [command, ...args.slice(0, program === -1 ? args.length : program + 1)].map((part) =>
    part.replace(/^.*[\\/]/, "")
  ).join(" ");
}

try {
  await bench(parseOptions(process.argv.slice(2), Object.keys(suites)));
} catch (error) {
  if (!(error instanceof TypeError || error instanceof RangeError)) throw error;
  progress(`${error.message}\n\n${usage}`);
  process.exitCode = 2;
}
