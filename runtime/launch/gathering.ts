// What several processes need before there are any: a store that all of them reach, a private folder for their sockets,
// and the words that start one.

import { rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { runningWords } from "#platform";
import { ShoalError } from "../../stores/error.ts";
import type { Store } from "../../stores/store.ts";
import { printLog } from "../log.ts";
import type { LaunchOptions, WorkerGroup } from "../system.ts";
import { commandWords } from "./command.ts";
import { type Crew, crewLines, crewsOf, type GroupGround, groupName, ownTakes, threadsUsual } from "./crews.ts";
import { workerFile } from "./joining.ts";
import type { Launcher } from "./launcher.ts";
import { localLauncher } from "./local.ts";
import { makeNest } from "./nest.ts";
import type { Workers } from "./party.ts";
import { realWorld } from "./world.ts";

export interface Gathering {
  /** The URL of the store in which they meet. */
  readonly store: string;
  readonly workers: Workers;
  /** Refuses a store that not all processes can open. */
  check(store: Store): void;
  /** Takes away what was made, where nothing comes of it. */
  end(): void;
}

/** What a run with a directory gives to its processes. */
export interface Ground {
  /** In the run's directory, which all of its machines see. */
  readonly home: string;
  readonly launcher?: Launcher | undefined;
  /** Who starts a group of workers, and what its site says of it; this machine where there is nothing. */
  readonly group?: ((group: WorkerGroup, index: number) => GroupGround) | undefined;
}

/** `ground` is nothing for a system without a run directory. */
export function gather(
  what: string,
  options: LaunchOptions & { readonly nodes: number },
  ground: Ground | undefined,
  gpus: readonly string[] | undefined,
): Gathering {
  const { nodes, workers: groups = [], link = "auto", workerCommand, record } = options;
  if (link !== "auto" && link !== "log") {
    throw new ShoalError("BadInput", `${what}: link is ${String(link)}, expected "auto" or "log"`);
  }
  const wanted = groups.reduce((sum, group) => sum + (group.nodes ?? 1), nodes);
  if (wanted > nodesMax) {
    throw new ShoalError("BadInput", `${what}: nodes is ${wanted}, at most ${nodesMax} processes can be a run`);
  }
  if (typeof options.supervision?.on === "function") {
    const text = `${what} ${nodes} nodes: supervision.on is a function, which stays in its process`;
    throw new ShoalError("BadInput", `${text}; name a directive`);
  }
  if (options.store?.startsWith("memory:") === true) throw alone(what, nodes, options.store);
  const usual = [...runningWords(), workerFile()];
  const command = workerCommand === undefined ? usual : commandWords(what, workerCommand);
  function say(text: string): void {
    const said = { type: "MessageLogged", level: "info", text } as const;
    if (record === undefined) printLog(said);
    else record({ at: realWorld.date(), node: "main", ...said });
  }
  const local = localLauncher({
    wrote(_, line, to) {
      // What is recorded has come another way; what is left is for people.
      process[record === undefined ? to : "stderr"].write(`${line}\n`);
    },
  });
  const launcher = ground?.launcher ?? local;
  const grounds = groups.map((group, index) => {
    if (ground?.group !== undefined) return ground.group(group, index);
    const { launcher = "auto", site, hosts } = group;
    if ((launcher === "auto" || launcher === "local") && site === undefined && hosts === undefined) return {};
    const name = groupName(group, index);
    throw new ShoalError("BadInput", `${what}: group ${name} is not on this machine; shoal run starts such groups`);
  });
  const folder = makeNest();
  const end = (): void => rmSync(folder, { recursive: true, force: true });
  // What ends with the system in a temporary folder need not outlast a power cut.
  const usually = ground === undefined ? `${pathToFileURL(join(folder, "store")).href}?fsync=never` : undefined;
  const store = options.store ?? usually ?? pathToFileURL(ground!.home).href;
  // Other machines do not see what is private to this one.
  const shared = ground?.home ?? folder;
  const files = launcher.name === "local" ? folder : shared;
  const said = { groups, grounds, gpus: options.gpus, command: usual, here: nodes };
  let others: readonly Crew[];
  try {
    others = crewsOf({ what, ...said, local, folder, shared });
  } catch (error) {
    end();
    throw error;
  }
  // A group of this machine takes its cores too.
  const hereToo = others.filter((crew) => crew.launcher === local).reduce((sum, { count }) => sum + count, 0);
  const threads = options.threads ?? threadsUsual(availableParallelism(), nodes + hereToo);
  const takes = ownTakes(groups, options.kinds);
  const own: Crew = { name: undefined, takes, launcher, command, files, threads, gpus, count: nodes, first: 1 };
  const all = others.reduce((sum, { count }) => sum + count, nodes);
  if (options.store === undefined) say(`${all} nodes and no store named: they meet in ${store}`);
  if (groups.length > 0) { for (const line of crewLines([own, ...others], options.stores?.mail ?? store)) say(line); }
  return {
    store,
    workers: { crews: [own, ...others], link, folder },
    check({ abilities, url }) {
      if (abilities.shared !== "host" && abilities.shared !== "network") throw alone(what, nodes, url);
    },
    end,
  };
}

const nodesMax = 4_096;

function alone(what: string, nodes: number, url: string): ShoalError {
  const cure = "leave out the store, or name one that they share, as in --store shm: or --store file:///scratch/run";
  return new ShoalError("BadInput", `${what} ${nodes} nodes: ${url} cannot be reached from other processes; ${cure}`);
}
