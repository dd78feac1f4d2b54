// What is particular to a machine, as data: its scheduler, queues, account, file systems, GPUs, and the lines that stand
// before every launch. Shoal knows some sites; a user's own stand beside them.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { nearest, ShoalError } from "../../../stores/error.ts";
import { parseToml } from "../toml.ts";
import { readWalltime, walltimeText } from "./walltime.ts";

export type SchedulerName = "slurm" | "pbs";

/** How many nodes a queue takes, and for how long. One queue may stand there for several sizes. */
export interface SiteQueue {
  readonly name: string;
  readonly nodes: readonly [least: number, most: number];
  readonly walltimeMaxSeconds: number;
}

export interface Site {
  readonly name: string;
  /** Where it is written down. */
  readonly path: string;
  /** Nothing where its hosts are reached by ssh. */
  readonly scheduler?: SchedulerName;
  /** Where ssh leads to, as in `gpu[1-4]`. */
  readonly hosts?: string;
  readonly queue?: string;
  readonly account?: string;
  readonly filesystems?: string;
  /** Flags that a job cannot do without there. */
  readonly required: readonly string[];
  /** What follows the number of nodes in PBS's `select`: `:system=polaris`. */
  readonly select: string;
  readonly place?: string;
  /** Lines for the scheduler, as they are: `-k doe`. */
  readonly directives: readonly string[];
  /** By which program workers are started on the job's nodes. */
  readonly launch?: "srun" | "mpiexec" | "pbsdsh";
  readonly launchFlags: readonly string[];
  /** The network that nodes reach each other by. */
  readonly interface?: string;
  readonly gpus?: number;
  readonly cores?: number;
  /** The words that start a worker there: its runtime may lie elsewhere. */
  readonly workerCommand?: string;
  /** Shell lines before every launch. They are code: whoever writes the site answers for them. */
  readonly setup: readonly string[];
  readonly queues: readonly SiteQueue[];
}

type Read = (value: unknown) => unknown;

const text: Read = (value) => typeof value === "string" && !/[\0\r\n]/.test(value) ? value : undefined;
const natural: Read = (value) => Number.isSafeInteger(value) && Number(value) > 0 ? value : undefined;
const texts: Read = (value) =>
  Array.isArray(value) && value.every((one) => text(one) !== undefined) ? value : undefined;
const lines: Read = (value) =>
  Array.isArray(value) && value.every((one) => typeof one === "string" && !one.includes("\0")) ? value : undefined;
const oneOf = (...words: readonly string[]): Read => (value) => words.find((word) => word === value);

const keys: { readonly [key: string]: readonly [read: Read, expected: string] } = {
  scheduler: [oneOf("slurm", "pbs"), "slurm or pbs"],
  hosts: [text, 'a text as in "gpu[1-4]"'],
  workerCommand: [text, "a text"],
  queue: [text, "a text"],
  account: [text, "a text"],
  filesystems: [text, "a text"],
  required: [texts, "a list of flags' names"],
  select: [(value) => /^(:[\w=.+-]+)*$/.test(String(value)) ? value : undefined, 'a text as in ":system=polaris"'],
  place: [(value) => /^[a-z:]+$/.test(String(value)) ? value : undefined, 'a text as in "scatter"'],
  directives: [texts, "a list of texts, each one line"],
  launch: [oneOf("srun", "mpiexec", "pbsdsh"), "srun, mpiexec or pbsdsh"],
  launchFlags: [texts, "a list of texts"],
  interface: [text, "a text"],
  gpus: [natural, "a whole number from 1"],
  cores: [natural, "a whole number from 1"],
  setup: [lines, "a list of shell lines"],
  queues: [readQueues, 'a list of { name, nodes = [least, most], walltimeMax = "HH:MM:SS" }'],
};

function readQueues(value: unknown): SiteQueue[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const queues = value.map((one: unknown): SiteQueue | undefined => {
    const { name, nodes, walltimeMax, ...rest } = Object(one) as { [key: string]: unknown };
    const range = Array.isArray(nodes) && nodes.length === 2 && nodes.every((count) => natural(count) !== undefined);
    if (text(name) === undefined || !range || Object.keys(rest).length > 0) return undefined;
    const [least, most] = nodes as [number, number];
    return { name: String(name), nodes: [least, most], walltimeMaxSeconds: readWalltime(String(walltimeMax)) };
  });
  return queues.every((queue) => queue !== undefined) ? queues : undefined;
}

/** The site that a TOML text describes. */
export function readSite(name: string, path: string, toml: string): Site {
  const data = parseToml(toml, path) as { readonly [key: string]: unknown };
  const site: { [key: string]: unknown } = {
    required: [],
    select: "",
    directives: [],
    launchFlags: [],
    setup: [],
    queues: [],
  };
  for (const [key, value] of Object.entries(data)) {
    const known = Object.hasOwn(keys, key) ? keys[key] : undefined;
    if (known === undefined) {
      const near = nearest(key, Object.keys(keys));
      const hint = near === undefined ? `known are ${Object.keys(keys).join(", ")}` : `did you mean ${near}?`;
      throw new ShoalError("BadInput", `Cannot read site ${path}: there is no key ${key}; ${hint}`);
    }
    const [read, expected] = known;
    site[key] = read(value);
    if (site[key] !== undefined) continue;
    throw new ShoalError(
      "BadInput",
      `Cannot read site ${path}: ${key} is ${JSON.stringify(value)}, expected ${expected}`,
    );
  }
  if (site["scheduler"] === undefined && site["hosts"] === undefined) {
    const cure = 'write scheduler = "slurm" or "pbs", or hosts = "gpu[1-4]" where ssh leads there';
    throw new ShoalError("BadInput", `Cannot read site ${path}: it names no scheduler; ${cure}`);
  }
  const whole: unknown = { name, path, ...site };
  return whole as Site;
}

const shipped: string = fileURLToPath(new URL("./sites/", import.meta.url));

/** Folders of sites: the user's own come first. */
export const siteFolders = (configFolder: string): readonly string[] => [join(configFolder, "sites"), shipped];

/** The site that is meant by a name, or by the path of its file. */
export function findSite(meant: string, configFolder: string): Site {
  const isPath = /[/\\]|\.toml$/.test(meant);
  const path = isPath
    ? resolve(meant)
    : siteFolders(configFolder).map((folder) => join(folder, `${meant}.toml`)).find((path) => existsSync(path));
  if (path !== undefined && existsSync(path)) {
    return readSite(basename(path, ".toml"), path, readFileSync(path, "utf8"));
  }
  const known = [...new Set(siteFolders(configFolder).flatMap(namesIn))];
  const near = nearest(meant, known);
  const hint = near === undefined || isPath
    ? `known are ${known.join(", ")}; your own goes to ${join(configFolder, "sites")}`
    : `did you mean ${near}?`;
  throw new ShoalError("BadInput", `Cannot find site ${meant}: there is no such file; ${hint}`);
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => name.endsWith(".toml")).map((name) => basename(name, ".toml"));
  } catch {
    return [];
  }
}

/** What is asked of a site, as far as its rules know. */
export interface Asked {
  readonly nodes: number;
  readonly walltimeSeconds?: number | undefined;
  readonly queue?: string | undefined;
  readonly account?: string | undefined;
  readonly filesystems?: string | undefined;
}

/** Why a site would not take a job; nothing where it would, as far as is known here. */
export function faultAt(site: Site, asked: Asked): string | undefined {
  const given: { readonly [flag: string]: unknown } = {
    account: asked.account,
    walltime: asked.walltimeSeconds,
    queue: asked.queue,
    filesystems: asked.filesystems,
  };
  for (const flag of site.required) {
    if (given[flag] === undefined) {
      return `${site.name} wants --${flag}; give it, or write ${flag} = … into ${site.path}`;
    }
  }
  const sizes = site.queues.filter(({ name }) => name === asked.queue);
  if (sizes.length === 0) return undefined;
  const seconds = asked.walltimeSeconds ?? 0;
  const fits = ({ nodes: [least, most], walltimeMaxSeconds }: SiteQueue): boolean =>
    asked.nodes >= least && asked.nodes <= most && seconds <= walltimeMaxSeconds;
  if (sizes.some(fits)) return undefined;
  const text = ({ nodes: [least, most], walltimeMaxSeconds }: SiteQueue): string =>
    `${least} to ${most} nodes for ${walltimeText(walltimeMaxSeconds)}`;
  const other = site.queues.find(fits);
  const cure = other === undefined ? "ask for other --nodes or --walltime" : `--queue ${other.name} would`;
  return `its queue ${asked.queue} takes ${sizes.map(text).join(", or ")}; ${cure}`;
}
