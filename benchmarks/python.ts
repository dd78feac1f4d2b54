// Contenders in Python: a program of `python/`, and the packages that it takes in an environment of its own, which is made
// once.

import { join } from "node:path";
import { build, built } from "./built.ts";
import type { Start } from "./case.ts";

/** What cannot be installed is tried once, whoever asks for it. */
const folders = new Map<string, Promise<string>>();

/** How `python/PROGRAM.py` is started, once pip has installed `python/PACKAGES.txt`. */
export async function python(
  root: string,
  program: string,
  packages: string,
  ...args: readonly string[]
): Promise<Start> {
  const source = join(root, "benchmarks", "python");
  const requirements = join(source, `${packages}.txt`);
  const installing = folders.get(packages) ?? built(root, packages, [requirements], async (into) => {
    await build("python3", ["-m", "venv", into]);
    const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements];
    await build(join(into, "bin", "python"), pip);
  });
  folders.set(packages, installing);
  const folder = await installing;
  // Nothing that it compiles is written beside the sources.
  return { command: join(folder, "bin", "python"), args: ["-B", join(source, `${program}.py`), ...args] };
}
