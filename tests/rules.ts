// The rules of the house, as functions of a set of files: who may import whom, what may not be written, and how files
// are named. They read text, not a compiler's tree, so comments and strings are blanked out first.
import { builtinModules } from "node:module";
import { posix } from "node:path";

/** Files by their path from the root. */
export type Files = ReadonlyMap<string, string>;

export interface Import {
  readonly specifier: string;
  /** The file meant, for a relative specifier. */
  readonly target: string | undefined;
  readonly isType: boolean;
}

/** A rule returns what breaks it, each beginning with the path of the file. */
export type Rule = (files: Files) => string[];

/** The text with comments, and on request the insides of strings, turned into spaces; lines keep their numbers. */
export function blanked(text: string, strings: boolean): string {
  const token =
    /\/\/[^\n]*|\/\*[\s\S]*?\*\/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\[\s\S]|[^`\\])*`|(?<=[=(,:[!&|?{};\n]\s*|\breturn\s+|=>\s*)\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[dgimsuvy]*/g;
  return text.replace(token, (found) => {
    const isComment = found.startsWith("//") || found.startsWith("/*");
    if (!isComment && !strings) return found;
    const inside = (isComment ? found : found.slice(1, -1)).replace(/[^\n]/g, " ");
    return isComment ? inside : `${found[0]}${inside}${found.at(-1)}`;
  });
}

/** What a file imports and re-exports, statically and dynamically. */
export function importsOf(path: string, text: string): Import[] {
  const code = blanked(text, false);
  const outsideStrings = blanked(text, true);
  const found: Import[] = [];
  const add = (specifier: string, isType: boolean): void => {
    const target = /^\.\.?\//.test(specifier) ? posix.join(posix.dirname(path), specifier) : undefined;
    found.push({ specifier, target, isType });
  };
  const statement =
    /^[ \t]*(?:import|export)\b([^;"'`()]*?)\bfrom\s*["']([^"']+)["']|^[ \t]*import\s*["']([^"']+)["']/gm;
  for (const match of code.matchAll(statement)) {
    if (outsideStrings.slice(match.index, match.index + match[0].length).trim() === "") continue;
    const [, clause = "", from, bare] = match;
    const names = /\{([^}]*)\}/.exec(clause)?.[1]?.split(",").map((name) => name.trim()).filter((name) => name !== "");
    const isOnlyNames = /^\s*\{[^}]*\}\s*$/.test(clause) && names !== undefined && names.length > 0;
    const isType = /^\s*type\s+[^,\s]/.test(clause) || (isOnlyNames && names.every((name) => name.startsWith("type ")));
    add(from ?? bare ?? "", from !== undefined && isType);
  }
  for (const { index, 1: specifier = "" } of code.matchAll(/\bimport\s*\(\s*["'`]([^"'`$]+)["'`]/g)) {
    if (outsideStrings.startsWith("import", index)) add(specifier, false);
  }
  return found;
}

const packageOf = (specifier: string): string =>
  specifier.split("/").slice(0, specifier.startsWith("@") ? 2 : 1).join("/");
const isThirdParty = ({ specifier, target }: Import): boolean =>
  target === undefined && !/^(node:|#)/.test(specifier) && packageOf(specifier) !== "shoal" &&
  !builtinModules.includes(specifier);
const roomOf = (path: string): string => path.slice(0, path.indexOf("/"));
const isShipped = (path: string): boolean => /^(stores|runtime|actors)\//.test(path);
const isSource = (path: string): boolean => /^(stores|runtime|actors|benchmarks)\/.*\.m?ts$/.test(path);
const interfaces = ["stores/store.ts", "stores/open.ts", "stores/error.ts"];

function* allImports(files: Files, chosen: (path: string) => boolean = isSource): Generator<Import & { path: string }> {
  for (const [path, text] of files) {
    if (!chosen(path)) continue;
    for (const found of importsOf(path, text)) yield { path, ...found };
  }
}

/** Whether one room may know what another holds (DESIGN §2). */
function mayImport(path: string, { specifier, target }: Import): boolean {
  if (target === undefined) {
    if (packageOf(specifier) === "shoal") return roomOf(path) === "benchmarks" || path.startsWith("runtime/cli/");
    return specifier.startsWith("#") ? roomOf(path) === "runtime" : true;
  }
  if (target.startsWith("runtime/cli/")) return path.startsWith("runtime/cli/");
  switch (roomOf(path)) {
    case "stores":
      return roomOf(target) === "stores";
    case "runtime":
      if (/^runtime\/conformance[./]/.test(path) && target.startsWith("stores/conformance/")) return true;
      if (path.startsWith("runtime/simulator/") && target.startsWith("stores/simulated/")) return true;
      return roomOf(target) === "runtime" || interfaces.includes(target);
    case "actors":
      return roomOf(target) === "actors" || target === "runtime/mod.ts" || target === "stores/store.ts";
    case "benchmarks":
      return roomOf(target) === "benchmarks";
    default:
      return true;
  }
}

const layers: Rule = (files) =>
  [...allImports(files)].filter((found) => !mayImport(found.path, found))
    .map(({ path, specifier }) => `${path}: may not import ${specifier}`);

const existing: Rule = (files) =>
  [...allImports(files, (path) => path.endsWith(".ts"))]
    .filter(({ target }) => target !== undefined && !files.has(target))
    .map(({ path, specifier }) => `${path}: imports a file that is not there: ${specifier}`);

const oneImporter: Rule = (files) => {
  const importers = new Map<string, Set<string>>();
  for (const found of allImports(files, isShipped)) {
    if (!isThirdParty(found)) continue;
    const name = packageOf(found.specifier);
    importers.set(name, (importers.get(name) ?? new Set()).add(found.path));
  }
  return [...importers].filter(([, paths]) => paths.size > 1)
    .map(([name, paths]) => `${[...paths].sort().join(", ")}: ${name} is imported by more than one file`);
};

const declared: Rule = (files) => {
  const manifest = JSON.parse(files.get("package.json") ?? "{}") as Record<string, Record<string, string>>;
  const shipped = { ...manifest["dependencies"], ...manifest["peerDependencies"], ...manifest["optionalDependencies"] };
  return [...allImports(files, isShipped)].filter((found) => isThirdParty(found))
    .filter(({ specifier }) => shipped[packageOf(specifier)] === undefined)
    .map(({ path, specifier }) => `${path}: ${packageOf(specifier)} is not among the dependencies of package.json`);
};

const nodePrefix: Rule = (files) =>
  [...allImports(files, (path) => path.endsWith(".ts") || path.endsWith(".mjs"))]
    .filter(({ specifier }) => builtinModules.includes(specifier) || /^(https?|npm|jsr):/.test(specifier))
    .map(({ path, specifier }) => `${path}: built-ins are imported as node: and nothing by URL: ${specifier}`);

const noCircles: Rule = (files) => {
  const next = new Map<string, string[]>();
  for (const { path, target } of allImports(files, (name) => name.endsWith(".ts"))) {
    if (target !== undefined) next.set(path, [...(next.get(path) ?? []), target]);
  }
  const state = new Map<string, "open" | "done">();
  const circles: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (state.get(path) === "done") return;
    if (state.get(path) === "open") {
      circles.push([...trail.slice(trail.indexOf(path)), path].join(" → "));
      return;
    }
    state.set(path, "open");
    for (const target of next.get(path) ?? []) visit(target, [...trail, path]);
    state.set(path, "done");
  };
  for (const path of next.keys()) visit(path, []);
  return circles.map((circle) => `${circle}: a circle of imports`);
};

const pureCore: Rule = (files) =>
  [...allImports(files, (path) => path.startsWith("runtime/delivery/"))]
    .filter(({ isType, target }) => !isType && target?.startsWith("runtime/delivery/") !== true)
    .map(({ path, specifier }) => `${path}: delivery imports nothing but types from outside: ${specifier}`);

/** A rule that forbids a pattern in the code, comments and the insides of strings left out unless asked for. */
function forbid(
  pattern: RegExp,
  why: string,
  where: (path: string) => boolean,
  keep: "code" | "strings" | "all" = "code",
): Rule {
  return (files) =>
    [...files].filter(([path]) => where(path)).flatMap(([path, text]) => {
      const searched = keep === "all" ? text : blanked(text, keep === "code");
      return searched.split("\n").flatMap((line, index) =>
        pattern.test(line) ? [`${path}:${index + 1}: ${why}: ${text.split("\n")[index]?.trim()}`] : []
      );
    });
}

const isTimed = (path: string): boolean =>
  /^runtime\/((scheduler|mailbox|supervision)\.ts|delivery\/.*\.ts)$/.test(path);

const length: Rule = (files) =>
  [...files].filter(([path]) => isSource(path)).flatMap(([path, text]) => {
    const lines = text.trimEnd().split("\n").length;
    if (lines <= 300) return [];
    const excuse = /^\/\/ long: \S+/m.test(text);
    return excuse && lines <= 400 ? [] : [`${path}: has ${lines} lines; 300 are the limit, 400 with a reason`];
  });

const names: Rule = (files) =>
  [...files].flatMap(([path, text]) => {
    if (!/\.(ts|mjs)$/.test(path)) return [];
    const problems: string[] = [];
    const parts = path.split("/");
    for (const part of parts) {
      if (!/^[a-z0-9]+(-[a-z0-9]+)*(\.spec|\.config)?(\.ts|\.mjs)?$/.test(part)) {
        problems.push(`${path}: names are lower-case: ${part}`);
      }
      if (/^(utils?|helpers?|common|misc|base|impl|manager)\b/.test(part)) {
        problems.push(`${path}: a name that says nothing: ${part}`);
      }
    }
    const declaration =
      /\b(?:class|interface|type|function|enum)\s+(Base[A-Z]\w*|\w+(?:Impl|Manager|Utils?|Helpers?))\b/g;
    for (const [, name] of blanked(text, true).matchAll(declaration)) {
      problems.push(`${path}: a name that says nothing: ${name}`);
    }
    return problems;
  });

const opening: Rule = (files) =>
  [...files].filter(([path]) => /\.(ts|mjs)$/.test(path)).flatMap(([path, text]) => {
    const lines = text.replace(/^#!.*\n/, "").split("\n");
    const count = lines.findIndex((line) => !line.startsWith("//"));
    return count >= 1 && count <= 4 ? [] : [`${path}: opens with ${count} lines of comment instead of one to four`];
  });

const entries: Rule = (files) => {
  const manifest = JSON.parse(files.get("package.json") ?? "{}") as Record<"exports" | "imports", object | undefined>;
  const problems: string[] = [];
  for (const [name, entry] of Object.entries(manifest.exports ?? {})) {
    if (typeof entry === "string") continue;
    const { source = "", ...rest } = entry as Record<string, string>;
    const stem = source.replace(/^\.\//, "").replace(/\.ts$/, "");
    const wanted = { source: `./${stem}.ts`, types: `./dist/${stem}.d.ts`, default: `./dist/${stem}.js` };
    if (
      JSON.stringify({ source, ...rest }) === JSON.stringify(wanted) && Object.keys(entry as object)[0] === "source"
    ) {
      continue;
    }
    problems.push(`package.json: exports ${name} is not source, types and default of one file, in this order`);
  }
  const pathsIn = (value: unknown): string[] =>
    typeof value === "string" ? [value.replace(/^\.\//, "")] : Object.values(value ?? {}).flatMap(pathsIn);
  for (const path of pathsIn([manifest.exports, manifest.imports])) {
    const source = path.replace(/^dist\//, "").replace(/(\.d\.ts|\.js)$/, ".ts");
    if (!files.has(source)) problems.push(`package.json: names a file that is not there: ${path}`);
  }
  return problems;
};

/** Every rule, by the sentence it stands for. */
export const rules: Readonly<Record<string, Rule>> = {
  "rooms know only the rooms they may": layers,
  "imports name files that exist": existing,
  "a third-party library is imported by exactly one file": oneImporter,
  "what the sources import is a declared dependency": declared,
  "built-ins are imported as node:": nodePrefix,
  "no two files import each other in a circle": noCircles,
  "delivery knows nothing but types from outside": pureCore,
  "no any and no way around the types": forbid(
    /[:<,|&(=]\s*any\b|\bas\s+any\b|\bany\s*\[\]|\bas\s+unknown\s+as\b/,
    "the types are circumvented",
    isSource,
  ),
  "no compiler error is ignored": forbid(/@ts-(ignore|expect-error|nocheck)/, "an error is ignored", isSource, "all"),
  "a runtime is told apart in runtime/platform only": forbid(
    /["']Deno["']\s+in\b|\bglobalThis\s*\.\s*Deno\b|\btypeof\s+Deno\b|\bDeno\s*\.|\bversions\??\.?\[?["']?(deno|bun)\b|\bis(Deno|Node|Bun)\b/,
    "use the seam #platform",
    (path) => isShipped(path) && !path.startsWith("runtime/platform/"),
    "strings",
  ),
  "clock, randomness and timers are parameters": forbid(
    /\bDate\.now\b|\bnew\s+Date\b|\bMath\.random\b|\bperformance\b|\bhrtime\b|\brandomUUID\b|\bgetRandomValues\b|(?<![\w.])(setTimeout|setInterval|setImmediate|queueMicrotask)\b|node:timers/,
    "take it by parameter",
    isTimed,
    "strings",
  ),
  "no using declarations": forbid(/^\s*(await\s+)?using\s+\w+\s*=/, "Node 22 cannot read it", (path) => isSource(path)),
  "files have 300 lines at most": length,
  "names say what a thing is": names,
  "files open with what they are for": opening,
  "package.json exports the sources and their outputs": entries,
  "the lockfile records no download addresses": forbid(
    /"resolved":\s*"https?:/,
    "a download address",
    (path) => path.endsWith("package-lock.json"),
    "all",
  ),
  "no path of one machine is written down": forbid(
    /(?<![\w.~/-])\/(home|root|Users|work)\/\w/,
    "a path of one machine",
    (path) => !path.endsWith("rules.ts"),
    "all",
  ),
};
