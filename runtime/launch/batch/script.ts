// The text of a job script: what it asks for, the site's own lines, and one command. Whatever a run is called and
// wherever it lies, nothing of it becomes code.

import { holdLines, type Packed, packVariables, unpackFailure, unpackLines } from "./pack.ts";
import { isPlain, word, words } from "./quoting.ts";
import type { JobRequest, Scheduler } from "./scheduler.ts";

export interface Script {
  readonly scheduler: Scheduler;
  readonly request: JobRequest;
  /** The command that the job is. */
  readonly command: readonly string[];
  /** Where it starts. */
  readonly folder: string;
  /** The file that what the job says goes to. */
  readonly output: string;
  readonly environment: { readonly [name: string]: string };
  /** What is unpacked on the node before the command runs from it, and removed behind it. */
  readonly pack?: Packed | undefined;
}

/**
 * The command runs beside the shell, which hands signals on: a shell that waits for a program in front of it would hear
 * of none before that has ended. A trapped signal ends `wait`, not the program. The scheduler's warning arrives as
 * USR2: one that comes before the program listens ends it, where USR1 would open Node's debugger.
 */
export const beside = (command: string): string[] => [
  "child= told=",
  'tell() { told=$1; [ -z "$child" ] || kill -s "$1" "$child" 2>/dev/null; }',
  "trap 'tell TERM' TERM INT",
  "trap 'tell USR2' USR1 USR2",
  `${command} &`,
  "child=$!",
  '[ -z "$told" ] || kill -s "$told" "$child"',
  'wait "$child"; code=$?',
  'while kill -0 "$child" 2>/dev/null; do wait "$child"; code=$?; done',
  'exit "$code"',
];

/** A node that has no room for what was packed runs from where all of it lies. */
function packedLines(command: readonly string[], pack: Packed): string[] {
  const { file, local, top, keeps } = pack;
  const told = { [packVariables.file]: file, [packVariables.local]: local, [packVariables.top]: top, ...keeps };
  return [
    ...unpackLines(pack),
    "if [ $? = 0 ]; then",
    ...Object.entries(told).map(([name, value]) => `  export ${name}=${word(value)}`),
    ...holdLines(pack).map((line) => `  ${line}`),
    `  set -- ${words(command.map(pack.moved))}`,
    "else",
    `  echo ${word(`shoal: ${unpackFailure(pack)} It runs from where it lies`)} >&2`,
    `  set -- ${words(command.map(pack.shared))}`,
    "fi",
  ];
}

export function scriptText({ scheduler, request, command, folder, output, environment, pack }: Script): string {
  // A scheduler reads the name of its output in its own way; what it may read otherwise is the shell's to open.
  const isToldTo = isPlain(output);
  const lines = [
    "#!/bin/bash",
    ...scheduler.directives({ ...request, output: isToldTo ? output : undefined }),
    "",
    ...(isToldTo ? [] : [`exec >>${word(output)} 2>&1`]),
    `cd ${word(folder)} || exit 1`,
    ...(request.walltimeSeconds === undefined
      ? []
      : [`export SHOAL_JOB_ENDS=$(($(date +%s) + ${request.walltimeSeconds}))`]),
    ...Object.entries(environment).map(([name, value]) => `export ${name}=${word(value)}`),
    ...request.site?.setup ?? [],
    ...(pack === undefined ? [] : packedLines(command, pack)),
    ...beside(pack === undefined ? words(command) : '"$@"'),
  ];
  return `${lines.join("\n")}\n`;
}
