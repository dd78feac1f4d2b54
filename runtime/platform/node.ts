// What Node has its own way for. `#platform` in package.json chooses between this file and its neighbour.

/** The runtime that this is. */
export const runtime: { readonly name: "node" | "deno"; readonly version: string } = {
  name: "node",
  version: process.versions.node,
};

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);

/** Whether a program in TypeScript can be loaded as it stands. */
export const loadsTypeScript: boolean = major > 23 || (major === 22 && minor >= 18) || (major === 23 && minor >= 6);
