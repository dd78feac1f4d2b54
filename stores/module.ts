// `module:`: a store of the user's own, in a module that exports `open(url, options)`. To load a module is to run it,
// and a store's URL may come from afar: only files below the working directory are loaded, and those on a list.
import { realpathSync, statSync } from "node:fs";
import { resolve, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { isShoalError, nearest, ShoalError } from "./error.ts";
import { errnoOf } from "./file/disk.ts";
import type { OpenOptions, Store } from "./store.ts";
import type { StoreUrl } from "./url.ts";

/** What a module of a store exports. */
export interface StoreModule {
  open(url: StoreUrl, options: OpenOptions): Store | Promise<Store>;
}

const allowed = new Set<string>();
const othersMayWrite = 0o002;
const endings = /\.(js|mjs|ts|mts)$/;

/**
 * Allows `module:` to load these files, or all below these folders, beside what lies below the working directory: paths
 * or `file:` URLs. For this thread, and whoever runs the same program. Answers what they are behind all links.
 */
export function allowStoreModules(...places: readonly (string | URL)[]): string[] {
  const real = places.map((place) => {
    const text = String(place);
    return realPath(text.startsWith("file:") ? fileURLToPath(text) : resolve(text), text);
  });
  for (const path of real) allowed.add(path);
  return real;
}

const bad = (module: string, why: string, cause?: unknown): ShoalError =>
  new ShoalError("BadInput", `Cannot load store ${module}: ${why}`, cause === undefined ? {} : { cause });

function realPath(path: string, shown: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") throw bad(shown, "there is no such file", error);
    throw bad(shown, error instanceof Error ? error.message : "it cannot be read", error);
  }
}

const isBelow = (path: string, folder: string): boolean =>
  path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);

/** The file that a URL means, as it is found behind all links. */
function fileOf(address: string): string {
  let path: string;
  try {
    path = decodeURIComponent(address);
  } catch (error) {
    throw bad(address, "its path is not percent-encoded text", error);
  }
  const isPath = path.startsWith("./") || path.startsWith("../") || path.startsWith("/");
  if (!isPath || path.startsWith("//")) {
    throw bad(address, "a file is wanted, as in module:./mine.ts?x=1");
  }
  if (!endings.test(path)) throw bad(address, "a file that ends in .js, .mjs, .ts or .mts is wanted");
  const real = realPath(resolve(path), address);
  if (!isBelow(real, realpathSync(process.cwd())) && ![...allowed].some((place) => isBelow(real, place))) {
    const cure =
      `start from a folder above it, or allow it: SHOAL_STORE_MODULES=${real}, storeModules of launch or of ` +
      `the configuration, or allowStoreModules of shoal/stores`;
    throw bad(address, `it does not lie below the working directory; ${cure}`);
  }
  const { mode } = statSync(real);
  if ((mode & othersMayWrite) !== 0) throw bad(address, `anybody may write to it; chmod o-w ${real}`);
  return real;
}

async function loaded(address: string): Promise<StoreModule> {
  const path = fileOf(address);
  let exported: { readonly open?: unknown };
  try {
    exported = await import(pathToFileURL(path).href);
  } catch (error) {
    if (isShoalError(error)) throw error;
    if (errnoOf(error) === "ERR_UNKNOWN_FILE_EXTENSION") {
      const cure = "take Node 22.18 or newer, or Deno, or compile it to JavaScript";
      throw bad(address, `this Node does not load TypeScript; ${cure}`, error);
    }
    throw bad(address, error instanceof Error ? error.message : String(error), error);
  }
  if (isStoreModule(exported)) return exported;
  const names = Object.keys(exported);
  const near = nearest("open", names);
  const has = near === undefined ? `it exports ${names.join(", ") || "nothing"}` : `did you mean ${near}?`;
  throw bad(address, `it exports no function open; ${has}; write export function open(url, options) { … }`);
}

const isStoreModule = (exported: object): exported is StoreModule =>
  "open" in exported && typeof exported.open === "function";

/** What a store must have, by the parts of its interface; the compiler sees to it that no name is misspelt here. */
const parts: { readonly [Part in "tensors" | "logs" | "claims"]: readonly (keyof Store[Part])[] } = {
  tensors: ["allocate", "put", "putMany", "get", "getMany", "release", "pin", "unpin", "list"],
  logs: ["append", "read", "trim", "streams"],
  claims: ["claim", "claimed", "claims"],
};
const abilities: readonly (keyof Store["abilities"])[] = [
  "survives",
  "lossWindowMs",
  "shared",
  "zeroCopy",
  "tensorBytesMax",
  "frameBytesMax",
];

/** The members that a value lacks to be a store. */
function missingIn(value: unknown): string[] {
  const members = (of: unknown): { readonly [name: string]: unknown } => Object(of ?? {});
  const store = members(value);
  const missing: string[] = [];
  for (const [part, names] of Object.entries(parts)) {
    for (const name of names) if (typeof members(store[part])[name] !== "function") missing.push(`${part}.${name}`);
  }
  for (const name of abilities) if (members(store["abilities"])[name] === undefined) missing.push(`abilities.${name}`);
  for (const name of ["statistics", "close"]) if (typeof store[name] !== "function") missing.push(name);
  for (const name of ["url", "run"]) if (typeof store[name] !== "string") missing.push(name);
  if (typeof members(store["ended"])["then"] !== "function") missing.push("ended");
  return missing;
}

const isStore = (value: unknown): value is Store => missingIn(value).length === 0;
const shownMax = 6;

/** Opens the store of a `module:` URL. */
export async function openModule(url: StoreUrl, options: OpenOptions): Promise<Store> {
  const { address } = url;
  const { open } = await loaded(address);
  let opened: unknown;
  try {
    opened = await open(url, options);
  } catch (error) {
    if (isShoalError(error)) throw error;
    const text = error instanceof Error ? error.message : String(error);
    throw new ShoalError("Unavailable", `Cannot open store ${url.redacted}: its module says: ${text}`, {
      cause: error,
    });
  }
  if (!isStore(opened)) {
    const missing = missingIn(opened);
    const more = missing.length > shownMax ? ` and ${missing.length - shownMax} more` : "";
    throw bad(address, `what its open answers is no store: it lacks ${missing.slice(0, shownMax).join(", ")}${more}`);
  }
  if (opened.run !== options.run) {
    await opened.close();
    throw bad(address, `it was asked for run ${options.run} and opened run ${opened.run.slice(0, 80)}`);
  }
  return opened;
}
