// Workers that end at once while somebody says so of their node: nobody can take the place of a process.
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { workerFile } from "../../runtime/launch/joining.ts";
import { root, runtime } from "../suite.ts";

export interface Gate {
  /** The words that start a worker. */
  readonly command: readonly string[];
  /** From here on nobody can be this node. */
  bar(node: string): void;
  admit(node: string): void;
}

const ending = import.meta.url.slice(import.meta.url.lastIndexOf("."));
const worker = new URL(`../../runtime/launch/worker${ending}`, import.meta.url).href;
const words = runtime === "node"
  ? [process.execPath]
  : [process.execPath, "run", "-A", "--no-lock", "--conditions=source", `--config=${join(root, "deno.json")}`];

/** Whoever made the folder removes it. */
export function gate(folder: string): Gate {
  const script = join(folder, `gated.${runtime === "node" ? "mjs" : "ts"}`);
  writeFileSync(
    script,
    `
import { existsSync } from "node:fs";
import { basename } from "node:path";
const [node] = basename(process.argv[2]).split(".");
if (existsSync(${JSON.stringify(folder)} + "/not-" + node)) process.exit(9);
process.argv[1] = ${JSON.stringify(workerFile())};
await import(${JSON.stringify(worker)});
`,
  );
  return {
    command: [...words, script],
    bar: (node) => writeFileSync(join(folder, `not-${node}`), ""),
    admit: (node) => rmSync(join(folder, `not-${node}`)),
  };
}
