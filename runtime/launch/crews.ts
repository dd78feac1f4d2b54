// The processes of a run that are started alike: those of the leading process's own, and each group of workers that was
// configured. A group takes some kinds of task, and has a launcher and hosts of its own.

import { availableParallelism } from "node:os";
import { ShoalError } from "../../stores/error.ts";
import { redactUrl, type TaskKind, taskKinds } from "../../stores/open.ts";
import { noKind } from "../kinds.ts";
import type { WorkerGroup } from "../system.ts";
import { commandWords } from "./command.ts";
import { gpusOfProcess, readGpus } from "./gpus.ts";
import type { Launcher } from "./launcher.ts";

export interface Crew {
  /** Nothing for those that are of the leading process's own. */
  readonly name: string | undefined;
  /** The kinds of task that it takes, "" for those without one; nothing where it takes all. */
  readonly takes: readonly string[] | undefined;
  readonly launcher: Launcher;
  /** The words that start one, without its file. */
  readonly command: readonly string[];
  /** Where it is written what its workers are told: its hosts see it. */
  readonly files: string;
  readonly threads: number;
  readonly gpus: readonly string[] | undefined;
  /** How many processes it has, and which of them is the first that is started: the leading one is there already. */
  readonly count: number;
  readonly first: 0 | 1;
}

/** What a group's launcher and site say of it; what is missing is as with the leading process. */
export interface GroupGround {
  readonly launcher?: Launcher | undefined;
  readonly workerCommand?: string | undefined;
  readonly gpus?: string | undefined;
  /** Of each of its hosts. */
  readonly cores?: number | undefined;
}

export interface CrewParts {
  readonly what: string;
  readonly groups: readonly WorkerGroup[];
  readonly grounds: readonly GroupGround[];
  /** Of each node, where a group and its site say nothing else. */
  readonly gpus: string | undefined;
  /** This machine's. */
  readonly local: Launcher;
  readonly command: readonly string[];
  /** Where workers on this machine, and those on others, are told what they are to be. */
  readonly folder: string;
  readonly shared: string;
  /** How many processes are on this machine in any case. */
  readonly here: number;
}

/** What a group is called. */
export const groupName = ({ name, site }: WorkerGroup, index: number): string =>
  name ?? site?.replace(/^.*[/\\]/, "").replace(/\.toml$/, "") ?? `workers.${index + 1}`;

/** The crews of all groups. */
export function crewsOf({ what, groups, grounds, local, here, ...parts }: CrewParts): readonly Crew[] {
  const isLocal = (index: number): boolean => grounds[index]?.launcher === undefined;
  const onThis = groups.reduce((sum, { nodes = 1 }, index) => sum + (isLocal(index) ? nodes : 0), here);
  return groups.map((group, index): Crew => {
    const { launcher = local, cores = availableParallelism(), ...site } = grounds[index] ?? {};
    const { nodes: count = launcher.hosts.length, workerCommand = site.workerCommand, gpus = site.gpus ?? parts.gpus } =
      group;
    const perHost = isLocal(index) ? onThis : Math.ceil(count / launcher.hosts.length);
    return {
      name: groupName(group, index),
      takes: group.kinds,
      launcher,
      command: workerCommand === undefined ? parts.command : commandWords(what, workerCommand),
      files: launcher.name === "local" ? parts.folder : parts.shared,
      threads: group.threads ?? threadsUsual(cores, perHost),
      gpus: gpus === undefined ? undefined : readGpus(what, gpus),
      count,
      first: 0,
    };
  });
}

/** A process of its own is a thread more already. */
export function threadsUsual(cores: number, processes: number): number {
  const each = Math.floor(cores / processes);
  return each > 1 ? each : 0;
}

/** What the processes of no group take: the kinds that were said, or those of no group, and what has no kind. */
export function ownTakes(
  groups: readonly WorkerGroup[],
  kinds: readonly TaskKind[] | undefined,
): readonly string[] | undefined {
  if (groups.length === 0 && kinds === undefined) return undefined;
  return [...kinds ?? taskKinds.filter((kind) => !groups.some((group) => group.kinds.includes(kind))), noKind];
}

/** The host of the nth process of a crew, after so many that could not join: where one could not, the next one may. */
export function hostOf({ launcher: { hosts } }: Crew, number: number, failures: number): string {
  return hosts[(number + failures) % hosts.length]!;
}

/** What the nth process of a crew alone finds in its environment. */
export function shownTo({ gpus, count, launcher }: Crew, number: number): { readonly [name: string]: string } {
  return gpus === undefined ? {} : gpusOfProcess(gpus, { number, processes: count, hosts: launcher.hosts.length });
}

/** Who takes what, and by what store mail goes, for people. */
export function crewLines(crews: readonly Crew[], mail: string): readonly string[] {
  const lines = crews.map(({ name, takes = taskKinds, launcher, count }) => {
    const kinds = takes.filter((kind) => kind !== noKind);
    const does = kinds.length === 0 ? "no tasks of a kind" : kinds.join(", ");
    const where = launcher.name === "local" ? "here" : `by ${launcher.name} on ${hostsText(launcher.hosts)}`;
    return `${name ?? "this process"} takes ${does}: ${count} ${count === 1 ? "process" : "processes"} ${where}`;
  });
  return [...lines, `mail goes by ${redactUrl(mail)}, which all of them must reach`];
}

const hostsShownMax = 4;

function hostsText(hosts: readonly string[]): string {
  const more = hosts.length - hostsShownMax;
  return hosts.slice(0, hostsShownMax).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

/** Refuses kinds that nobody takes, before anything has begun. */
export function checkTaken(
  what: string,
  wanted: readonly TaskKind[],
  groups: readonly WorkerGroup[],
  kinds: readonly TaskKind[] | undefined,
): void {
  const own = ownTakes(groups, kinds);
  const missing = wanted.find((kind) =>
    own !== undefined && !own.includes(kind) && !groups.some((group) => group.kinds.includes(kind))
  );
  if (missing === undefined) return;
  const taken = groups.map((group, index) => `${groupName(group, index)} takes ${group.kinds.join(", ")}`);
  const all = [`this process takes ${kinds?.join(", ") || "none"}`, ...taken].join("; ");
  const cure = `add ${JSON.stringify(missing)} to the kinds of one of them`;
  throw new ShoalError("BadInput", `${what}: nobody takes ${missing} tasks (${all}); ${cure}`);
}
