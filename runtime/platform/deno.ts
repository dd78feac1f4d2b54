// What Deno has its own way for. `#platform` in package.json chooses between this file and its neighbour.

/** The runtime that this is. */
export const runtime: { readonly name: "node" | "deno"; readonly version: string } = {
  name: "deno",
  version: process.versions["deno"] ?? "unknown",
};

/** Whether a program in TypeScript can be loaded as it stands. */
export const loadsTypeScript = true;

/** The variable that names the folder in which the runtime keeps what it has compiled of every module. */
export const cacheVariable: string | undefined = "DENO_DIR";

/** Deno loads TypeScript itself, and finds `shoal` as its own configuration says. */
export function prepareImports(): void {}

interface Permissions {
  querySync(what: { readonly name: string }): { readonly state: string };
}

const kinds = ["read", "write", "net", "env", "run", "sys", "ffi", "import"];

/**
 * The words with which this runtime runs a module as it was run itself: from sources where these are, and with what was
 * granted without restriction. Of a grant that holds for some paths only, Deno does not say for which.
 */
export function runningWords(): readonly string[] {
  const { permissions } = Reflect.get(globalThis, "Deno") as { readonly permissions: Permissions };
  const granted = kinds.filter((name) => permissions.querySync({ name }).state === "granted");
  const flags = granted.length === kinds.length ? ["-A"] : granted.map((name) => `--allow-${name}`);
  const conditions = import.meta.url.endsWith(".ts") ? ["--conditions=source"] : [];
  return [process.execPath, "run", "--no-prompt", "--no-lock", ...flags, ...conditions];
}
