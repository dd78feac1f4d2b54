// What several processes need before there are any: a store that all of them reach, a private folder for their sockets,
// and the words that start one.

import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { runningWords } from "#platform";
import { ShoalError } from "../../stores/error.ts";
import type { Store } from "../../stores/store.ts";
import { printLog } from "../log.ts";
import type { LaunchOptions } from "../system.ts";
import { commandWords } from "./command.ts";
import { workerFile } from "./joining.ts";
import type { Launcher } from "./launcher.ts";
import { localLauncher } from "./local.ts";
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
}

/** `ground` is nothing for a system without a run directory. */
export function gather(
  what: string,
  options: LaunchOptions & { readonly nodes: number },
  ground: Ground | undefined,
  gpus: readonly string[] | undefined,
): Gathering {
  const { nodes, link = "auto", workerCommand, record } = options;
  if (link !== "auto" && link !== "log") {
    throw new ShoalError("BadInput", `${what}: link is ${String(link)}, expected "auto" or "log"`);
  }
  if (nodes > nodesMax) {
    throw new ShoalError("BadInput", `${what}: nodes is ${nodes}, at most ${nodesMax} processes can be a run`);
  }
  if (typeof options.supervision?.on === "function") {
    const text = `${what} ${nodes} nodes: supervision.on is a function, which stays in its process`;
    throw new ShoalError("BadInput", `${text}; name a directive`);
  }
  if (options.store?.startsWith("memory:") === true) throw alone(what, nodes, options.store);
  const command = workerCommand === undefined ? [...runningWords(), workerFile()] : commandWords(what, workerCommand);
  // Sockets have short names: this is never below the run's directory.
  const folder = mkdtempSync(join(tmpdir(), "shoal-"));
  const store = options.store ?? pathToFileURL(ground?.home ?? join(folder, "store")).href;
  if (options.store === undefined) {
    const text = `${nodes} nodes and no store named: they meet in ${store}`;
    const said = { type: "MessageLogged", level: "info", text } as const;
    if (record === undefined) printLog(said);
    else record({ at: realWorld.date(), node: "main", ...said });
  }
  const launcher = ground?.launcher ?? localLauncher({
    wrote(_, line, to) {
      // What is recorded has come another way; what is left is for people.
      process[record === undefined ? to : "stderr"].write(`${line}\n`);
    },
  });
  // A process of its own is a thread more already.
  const cores = Math.floor(availableParallelism() / nodes);
  const threads = options.threads ?? (cores > 1 ? cores : 0);
  return {
    store,
    workers: {
      nodes,
      launcher,
      command,
      link,
      folder,
      // Other machines do not see what is private to this one.
      files: ground === undefined || launcher.name === "local" ? folder : ground.home,
      threads,
      gpus,
    },
    check({ abilities, url }) {
      if (abilities.shared !== "host" && abilities.shared !== "network") throw alone(what, nodes, url);
    },
    end: () => rmSync(folder, { recursive: true, force: true }),
  };
}

const nodesMax = 4_096;

function alone(what: string, nodes: number, url: string): ShoalError {
  const cure = "leave out the store, or name one that they share, as in --store shm: or --store file:///scratch/run";
  return new ShoalError("BadInput", `${what} ${nodes} nodes: ${url} cannot be reached from other processes; ${cure}`);
}
