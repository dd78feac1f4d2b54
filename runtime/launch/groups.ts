// Groups of workers as they are configured: read from the configuration's keys, and refused where they mean nothing.

import { isShoalError, ShoalError } from "../../stores/error.ts";
import type { TaskKind } from "../../stores/open.ts";
import { hintFor } from "../kinds.ts";
import { checkKeys } from "../options.ts";
import type { LaunchOptions, WorkerGroup } from "../system.ts";
import { type Configuration, sectionOf } from "./configuration.ts";
import { groupName } from "./crews.ts";
import { faultOf, listOf } from "./keys.ts";
import { groupKeys, schema } from "./schema.ts";

const groupsMax = 64;
const namePattern = /^[A-Za-z0-9][\w.-]{0,63}$/;

/** The groups that a configuration means, and the kinds of task that are left to the others. */
export function groupsIn(configuration: Configuration): Pick<LaunchOptions, "workers" | "kinds"> {
  const numbers = new Set(
    Object.keys(configuration).flatMap((path) => {
      const [, number] = /^workers\.(\d+)\./.exec(path) ?? [];
      return number === undefined ? [] : [Number(number)];
    }),
  );
  const workers = [...numbers].sort((a, b) => a - b).map((number): WorkerGroup => {
    const group = sectionOf(configuration, `workers.${number}`);
    if (group["kinds"] !== undefined) return { ...group, kinds: kindsOf(group["kinds"]) };
    const [path = "", { origin = "" } = {}] = Object.entries(configuration).find(([path]) =>
      path.startsWith(`workers.${number}.`)
    ) ?? [];
    const text = `Cannot configure workers.${number}: it has no kinds of task, only ${path} (${origin})`;
    throw new ShoalError("BadInput", `${text}; write kinds = ["train", "infer"], or leave the group out`);
  });
  const kinds = configuration["kinds"]?.value;
  return {
    ...(workers.length === 0 ? {} : { workers }),
    ...(kinds === undefined ? {} : { kinds: kindsOf(kinds) }),
  };
}

/** Whether a group is on nodes of the run's own job. */
export const isOfJob = ({ launcher = "auto", hosts, site }: WorkerGroup): boolean =>
  launcher === "slurm" || launcher === "pbs" || (launcher === "auto" && hosts === undefined && site === undefined);

/** How many nodes of its job the groups of a run take. */
export const nodesOfGroups = (groups: readonly WorkerGroup[] = []): number =>
  groups.reduce((sum, group) => sum + (isOfJob(group) ? group.nodes ?? 1 : 0), 0);

const kindsOf = (value: unknown): readonly TaskKind[] => listOf(value) as readonly TaskKind[];

/** Refuses groups that cannot be. */
export function checkGroups(what: string, { workers, kinds }: LaunchOptions): void {
  const fault = kinds === undefined ? undefined : faultOf(schema["kinds"]!, kinds);
  if (fault !== undefined) throw bad(`${what}: kinds is ${String(kinds)}, ${fault}`);
  if (workers === undefined) return;
  if (!Array.isArray(workers)) throw bad(`${what}: workers is ${String(workers)}, expected a list of groups`);
  if (workers.length > groupsMax) throw bad(`${what}: workers has ${workers.length} groups, at most ${groupsMax}`);
  const names = new Set<string>();
  for (const [index, group] of (workers as readonly WorkerGroup[]).entries()) {
    checkGroup(what, `workers.${index + 1}`, group);
    const name = groupName(group, index);
    if (names.has(name)) throw bad(`${what}: two groups of workers are ${name}; give one a name of its own`);
    names.add(name);
  }
}

function checkGroup(what: string, where: string, group: WorkerGroup): void {
  if (typeof group !== "object" || group === null) throw bad(`${what}: ${where} is ${String(group)}, expected a group`);
  try {
    checkKeys(what, group, Object.keys(groupKeys));
  } catch (error) {
    throw isShoalError(error)
      ? bad(error.message.replace("there is no option ", `there is no option ${where}.`))
      : error;
  }
  for (const [name, key] of Object.entries(groupKeys)) {
    const value: unknown = group[name as keyof WorkerGroup];
    if (name === "workerCommand" && Array.isArray(value)) continue;
    if (value === undefined && name !== "kinds") continue;
    const fault = value === undefined ? `expected some, as in ["train"]` : faultOf(key, value);
    if (fault !== undefined) throw bad(`${what}: ${where}.${name} is ${JSON.stringify(value)}, ${fault}`);
  }
  const { name } = group;
  if (name !== undefined && !namePattern.test(name)) {
    throw bad(`${what}: ${where}.name is ${JSON.stringify(name)}, expected letters, digits, -, _ and ., at most 64`);
  }
}

/** Refuses the kinds that a program says it needs where they are none. */
export function checkWantedKinds(what: string, kinds: unknown): readonly TaskKind[] {
  if (kinds === undefined) return [];
  if (!Array.isArray(kinds)) throw bad(`${what}: its kinds are ${String(kinds)}, expected a list, as in ["train"]`);
  const wrong: unknown = kinds.find((kind) => faultOf(groupKeys["kinds"]!, [kind]) !== undefined);
  if (wrong !== undefined) throw bad(`${what}: its kinds name ${String(wrong)}; ${hintFor(wrong)}`);
  return kinds as readonly TaskKind[];
}

const bad = (text: string): ShoalError => new ShoalError("BadInput", text);
