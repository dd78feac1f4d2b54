// Where configuration comes from: the user's file, the project's, those that were named, the environment and flags.

import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { basename, extname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { loadsTypeScript, prepareImports, runtime } from "#platform";
import { isShoalError, ShoalError } from "../../stores/error.ts";
import {
  type Configurable,
  type Configuration,
  type Layer,
  layerOf,
  layerOfTexts,
  readEnvironment,
  readSets,
  resolveLayers,
} from "./configuration.ts";

export interface Sources {
  /** The folder whose `shoal.config.*` is the project's, and from which paths are meant. */
  readonly folder: string;
  /** Whether the user's and the project's own files are looked for. */
  readonly found: boolean;
  readonly environment: { readonly [name: string]: string | undefined };
  /** Files that were named, from left to right. */
  readonly files: readonly string[];
  /** Flags that were typed, as keys. */
  readonly flags: readonly { path: string; value: unknown; origin: string }[];
  /** `a.b=v`. */
  readonly sets: readonly string[];
  /** The program that is run. */
  readonly program?: string | undefined;
}

const projectFiles = ["shoal.config.ts", "shoal.config.mjs", "shoal.config.json", "shoal.config.toml"];

/** The folder of the user's own configuration, or of what is remembered from run to run. */
export function userFolder(
  environment: { readonly [name: string]: string | undefined },
  kind: "config" | "state",
): string {
  const [variable, usual] = kind === "config" ? ["XDG_CONFIG_HOME", ".config"] : ["XDG_STATE_HOME", ".local/state"];
  const named = environment[variable];
  // The standard has relative ones ignored.
  if (named !== undefined && named.startsWith("/")) return join(named, "shoal");
  return join(environment["HOME"] ?? homedir(), usual, "shoal");
}

/** The configuration that holds, from all its sources. */
export async function configure(sources: Sources, what: Configurable): Promise<Configuration> {
  const { folder, environment, files, flags, sets, program } = sources;
  const layers: Layer[] = [];
  const user = sources.found ? join(userFolder(environment, "config"), "config.toml") : "";
  if (sources.found && isThere(user)) layers.push(layerOf(shown(user, environment), await readFile(user), what));
  const found = projectFiles.filter((name) => sources.found && existsSync(join(folder, name)));
  if (found.length > 1) {
    throw new ShoalError("BadInput", `Cannot configure: ${found.join(" and ")} both stand in ${folder}; keep one`);
  }
  for (const name of found) layers.push(layerOf(name, await readFile(join(folder, name)), what));
  for (const file of files) {
    const path = resolve(folder, file);
    if (!existsSync(path)) throw new ShoalError("BadInput", `Cannot read ${file}: there is no such file`);
    layers.push(layerOf(file, await readFile(path), what));
  }
  layers.push(layerOfTexts(readEnvironment(environment, what), what));
  layers.push({
    origin: (path) => flags.find((flag) => flag.path === path)?.origin ?? "",
    values: new Map(flags.map(({ path, value }) => [path, value])),
  });
  layers.push(layerOfTexts(readSets(sets), what));
  return resolveLayers(layers, what, program);
}

/** One that may not be looked at (Deno, without leave to read it) is none: nobody needs a file of their own. */
function isThere(path: string): boolean {
  try {
    return existsSync(path);
  } catch {
    return false;
  }
}

function shown(path: string, { HOME: home }: { readonly [name: string]: string | undefined }): string {
  return home !== undefined && path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path;
}

/** The data of a configuration file, by its ending. */
async function readFile(path: string): Promise<unknown> {
  const name = basename(path);
  try {
    switch (extname(path)) {
      case ".toml": {
        const { parseToml } = await import("./toml.ts");
        return parseToml(readFileSync(path, "utf8"), name);
      }
      case ".json":
        return JSON.parse(readFileSync(path, "utf8"));
      case ".ts":
      case ".mjs":
      case ".js":
        return await importFile(path, name);
      default:
        throw new ShoalError(
          "BadInput",
          `Cannot read ${name}: expected a file that ends in .toml, .json, .ts, .mjs or .js`,
        );
    }
  } catch (error) {
    if (isShoalError(error) || (error instanceof Error && error.name === "NotCapable")) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new ShoalError("BadInput", `Cannot read ${name}: ${why}`, { cause: error });
  }
}

async function importFile(path: string, name: string): Promise<unknown> {
  if (path.endsWith(".ts") && !loadsTypeScript) {
    throw new ShoalError(
      "BadInput",
      `Cannot read ${name}: Node ${runtime.version} does not load TypeScript; take Node 20.6 or newer`,
    );
  }
  prepareImports();
  const { default: data }: { default?: unknown } = await import(pathToFileURL(path).href);
  if (data === undefined) {
    throw new ShoalError("BadInput", `Cannot read ${name}: it has no default export; write export default { … }`);
  }
  return data;
}
