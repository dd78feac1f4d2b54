// Finds a class of actors under its name and a name for a class, in every thread and on every machine of a run: a name
// says the package or program and the path in it, whether sources run there or what was compiled of them.

import { existsSync, readFileSync, realpathSync } from "node:fs";
import { dirname, isAbsolute, join, relative, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { nearest, ShoalError } from "../../stores/error.ts";
import { Actor } from "../actor.ts";
import { loadModule } from "../launch/program.ts";
import type { ActorClass } from "../system.ts";
import type { Classes } from "./classes.ts";

export interface CatalogueOptions {
  /** Where the program's module is, as a URL; nothing where a system is part of somebody's own program. */
  readonly program?: string | undefined;
  /** A file of that program of one's own: its package's classes are found by name. */
  readonly root?: string | undefined;
  /**
   * What may be loaded by name: a package or `program`, a path in it, or one class. The program's own package, and
   * this one, unless said.
   */
  readonly allow?: readonly string[] | undefined;
}

/** Where the paths of names begin: a package's folder, or that of a program which belongs to none. */
interface Root {
  readonly name: string;
  readonly folder: string;
}

const program = "program";
const here = realpathSync(fileURLToPath(import.meta.url));
/** Folders that hold what was compiled: they are no part of a name. */
const outputs = ["dist", "build", "out"];
const endings = [".ts", ".js", ".mts", ".mjs"];
const namePattern = /^((?:@[^/#]+\/)?[^/#]+)\/([^#]+)#([^#]+)$/;

/** The classes of the program that runs in this thread, and of the packages it may use. */
export function catalogue(options: CatalogueOptions): Classes {
  const names = new WeakMap<object, string>();
  const found = new Map<string, Promise<ActorClass>>();
  const programFile = options.program === undefined ? undefined : realpathSync(fileURLToPath(options.program));
  const own = rootOf(here);
  const rootFile = programFile ??
    (options.root !== undefined && existsSync(options.root) ? realpathSync(options.root) : undefined);
  const programRoot = rootFile === undefined ? undefined : rootOf(rootFile);
  const allow = options.allow ?? [...programRoot === undefined ? [] : [programRoot.name], own.name];

  function nameOf(Class: ActorClass): string {
    const known = names.get(Class);
    if (known !== undefined) return known;
    const what = `Cannot name class ${Class.name || "without a name"}`;
    if (Class.name === "") throw new ShoalError("BadInput", `${what}: another node finds a class by its name`);
    const said: unknown = Object.hasOwn(Class, "module") ? Reflect.get(Class, "module") : undefined;
    const file = typeof said === "string" ? fileOf(what, said) : programFile;
    if (file === undefined) {
      const cure = "write static readonly module = import.meta.url in it, and export it";
      throw new ShoalError("BadInput", `${what}: nobody knows which module it is in; ${cure}`);
    }
    const root = rootOf(file);
    const path = relative(root.folder, file).split(sep).join("/").replace(/\.[mc]?[jt]s$/, "");
    const name = `${root.name}/${withoutOutput(path)}#${Class.name}`;
    names.set(Class, name);
    return name;
  }

  /** What was found is kept; what was not may be found the next time. */
  function classOf(name: string): Promise<ActorClass> {
    let finding = found.get(name);
    if (finding === undefined) {
      found.set(name, finding = load(name));
      finding.catch(() => found.delete(name));
    }
    return finding;
  }

  async function load(name: string): Promise<ActorClass> {
    const what = `Cannot find class ${String(name).slice(0, 200)}`;
    const [, rootName = "", path = "", exported = ""] = namePattern.exec(name) ?? [];
    const parts = path.split("/");
    // Nothing in a name leads out of its root, or into a package that has a name of its own.
    const isPath = parts.every((part) => part !== "" && !/^\.|[\\:\0]/.test(part) && part !== "node_modules");
    if (rootName === "" || !isPath) throw new ShoalError("BadInput", `${what}: it is no name of a class`);
    if (!allow.some((entry) => covers(entry, name))) {
      const cure = `add ${rootName} to allow, which has ${allow.join(", ") || "nothing"}`;
      throw new ShoalError("BadInput", `${what}: it is not on the allow-list; ${cure}`);
    }
    const file = fileFor(what, rootName, path);
    const module = await loadModule(pathToFileURL(file).href, file);
    const Class = Object.hasOwn(module, exported) ? module[exported] : undefined;
    if (typeof Class !== "function") {
      const near = nearest(exported, Object.keys(module));
      const hint = near === undefined ? `write export class ${exported}` : `did you mean ${near}?`;
      throw new ShoalError("BadInput", `${what}: ${file} does not export it; ${hint}`);
    }
    if (!(Class.prototype instanceof Actor)) {
      throw new ShoalError("BadInput", `${what}: what ${file} exports under that name does not extend Actor`);
    }
    names.set(Class, name);
    return Class as ActorClass;
  }

  function fileFor(what: string, rootName: string, path: string): string {
    const root = folderOf(rootName);
    if (root === undefined) {
      const where = programRoot?.folder ?? process.cwd();
      throw new ShoalError("BadInput", `${what}: there is no package ${rootName} in or above ${where}`);
    }
    for (const candidate of candidates(root, path)) {
      if (!existsSync(candidate)) continue;
      const file = realpathSync(candidate);
      // A link may lead anywhere: what is outside is not what was allowed.
      const inside = relative(root.folder, file);
      if (!inside.startsWith("..") && !isAbsolute(inside)) return file;
    }
    throw new ShoalError("BadInput", `${what}: there is no ${path}${endings[0]} or ${endings[1]} in ${root.folder}`);
  }

  /** The files that a path may mean: the same form first that the program, or this package, runs in. */
  function candidates(root: Root, path: string): string[] {
    const model = root.folder === own.folder ? here : root.folder === programRoot?.folder ? rootFile : undefined;
    const inModel = model === undefined ? "" : relative(root.folder, model);
    const output = outputs.find((folder) => inModel.startsWith(`${folder}${sep}`));
    const others = outputs.filter((folder) => folder !== output);
    const folders = output === undefined ? ["", ...others] : [output, "", ...others];
    const first = model === undefined ? ".js" : /\.[^.]*$/.exec(model)?.[0] ?? "";
    const ends = [first, ...endings.filter((ending) => ending !== first)];
    const all = folders.flatMap((folder) => ends.map((ending) => join(root.folder, folder, path + ending)));
    // What belongs to this thread's program is never taken from another build, however it is called.
    const exact = [programFile, here].find((file) => file !== undefined && all.includes(file));
    return exact === undefined ? all : [exact, ...all];
  }

  function folderOf(rootName: string): Root | undefined {
    for (const root of [programRoot, own]) if (root?.name === rootName) return root;
    if (rootName === program) return undefined;
    for (let folder = programRoot?.folder ?? process.cwd();; folder = dirname(folder)) {
      const package_ = join(folder, "node_modules", ...rootName.split("/"));
      if (existsSync(join(package_, "package.json"))) return { name: rootName, folder: realpathSync(package_) };
      if (dirname(folder) === folder) return undefined;
    }
  }

  return { nameOf, classOf };
}

/** Whether an entry of an allow-list stands for a name: for the class itself, its module, or a folder above that. */
function covers(entry: string, name: string): boolean {
  return entry === name || name.startsWith(`${entry}/`) || name.startsWith(`${entry}#`);
}

function fileOf(what: string, url: string): string {
  try {
    return realpathSync(fileURLToPath(url));
  } catch (cause) {
    throw new ShoalError("BadInput", `${what}: its module ${url} is no file`, { cause });
  }
}

function withoutOutput(path: string): string {
  const folder = outputs.find((output) => path.startsWith(`${output}/`));
  return folder === undefined ? path : path.slice(folder.length + 1);
}

/** The package that a file belongs to, or the folder of a program that belongs to none. */
function rootOf(file: string): Root {
  for (let folder = dirname(file); dirname(folder) !== folder; folder = dirname(folder)) {
    const manifest = join(folder, "package.json");
    if (!existsSync(manifest)) continue;
    try {
      const { name } = JSON.parse(readFileSync(manifest, "utf8")) as { readonly name?: unknown };
      if (typeof name === "string" && /^(?:@[^/#]+\/)?[^/#]+$/.test(name)) return { name, folder };
    } catch {
      // What cannot be read names nothing.
    }
    if (folder.endsWith(`${sep}dist`)) continue;
    return { name: program, folder };
  }
  return { name: program, folder: dirname(file) };
}
