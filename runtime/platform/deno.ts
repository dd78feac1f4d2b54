// What Deno has its own way for. `#platform` in package.json chooses between this file and its neighbour.

/** The runtime that this is. */
export const runtime: { readonly name: "node" | "deno"; readonly version: string } = {
  name: "deno",
  version: process.versions["deno"] ?? "unknown",
};

/** Whether a program in TypeScript can be loaded as it stands. */
export const loadsTypeScript = true;

/** Deno loads TypeScript itself, and finds `shoal` as its own configuration says. */
export function prepareImports(): void {}
