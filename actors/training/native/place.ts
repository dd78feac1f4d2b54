// Where the native backend of TensorFlow.js lies, if it does: among the packages of the program, among shoal's own, or in
// the folder of the user's cache into which shoal builds it.

import { existsSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

/** The version that fits the other parts of TensorFlow.js which shoal brings. */
export const nativeVersion = "4.22.0";
/** The packages that carry it, neither of which comes with shoal: the first that is there is taken. */
export const nativePackages: readonly string[] = ["@tensorflow/tfjs-node-gpu", "@tensorflow/tfjs-node"];

/** Of all that shoal keeps for one user on one machine. */
function cacheFolder(): string {
  const named = process.env["XDG_CACHE_HOME"];
  // The standard has relative ones ignored.
  if (named?.startsWith("/") === true) return join(named, "shoal");
  const home = process.env["HOME"] ?? homedir();
  return join(home === "" || home === "/" ? tmpdir() : join(home, ".cache"), "shoal");
}

/** Where it is built into: a folder of packages of its own, for machines of this kind. */
export function nativeFolder(): string {
  return join(cacheFolder(), `tensorflow-${nativeVersion}-${process.platform}-${process.arch}`);
}

export interface NativeFound {
  readonly name: string;
  /** Its main file. */
  readonly path: string;
}

/** All that are there, those of the program first: one whose library never came does not load, and the next is tried. */
export function nativeFound(): readonly NativeFound[] {
  const places = [
    pathToFileURL(join(process.cwd(), "package.json")).href,
    import.meta.url,
    pathToFileURL(join(nativeFolder(), "package.json")).href,
  ];
  const found = new Map<string, NativeFound>();
  for (const place of places) {
    const { resolve } = createRequire(place);
    for (const name of nativePackages) {
      try {
        const path = resolve(name);
        found.set(path, { name, path });
      } catch {
        // Then at another place.
      }
    }
  }
  return [...found.values()];
}

/** What `shoal doctor` says of it. */
export function nativeBackend(): { what: string; state: "ok" | "warning"; found: string; cure?: string } {
  const what = "tensorflow";
  const whole = nativeFound().find(({ path }) => hasAddon(path));
  if (whole !== undefined) return { what, state: "ok", found: `${whole.name} in ${dirname(dirname(whole.path))}` };
  const found = "no native backend of TensorFlow.js: networks learn on WebAssembly, at half its speed or less";
  return { what, state: "warning", found, cure: "shoal doctor --fix tensorflow builds it" };
}

/** Whether the part that is compiled is there: without its scripts, npm installs all but that. */
function hasAddon(main: string): boolean {
  const folder = join(dirname(dirname(main)), "lib");
  return existsSync(folder) && readdirSync(folder).some((name) => existsSync(join(folder, name, "tfjs_binding.node")));
}
