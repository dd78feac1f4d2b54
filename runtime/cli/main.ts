// The command `shoal`: reads the verb, and turns what went wrong into a line and an exit code.

import { readFileSync } from "node:fs";
import { runtime } from "#platform";
import { isShoalError, nearest, ShoalError } from "../../stores/error.ts";
import { run } from "./run.ts";

interface Verb {
  readonly about: string;
  readonly act: (words: readonly string[]) => Promise<void>;
}

const verbs: { readonly [name: string]: Verb } = {
  run: { about: "runs a campaign: a built-in program or a file of yours", act: run },
};

async function main([verb, ...words]: readonly string[]): Promise<void> {
  if (verb === undefined || verb === "--help" || verb === "help") return help();
  if (verb === "--version") {
    return void process.stdout.write(`shoal ${version()} (${runtime.name} ${runtime.version})\n`);
  }
  const known = Object.hasOwn(verbs, verb) ? verbs[verb] : undefined;
  if (known === undefined) {
    const near = nearest(verb, Object.keys(verbs));
    throw new ShoalError(
      "BadInput",
      `Cannot ${verb}: there is no such verb; ${near === undefined ? "see shoal --help" : `did you mean ${near}?`}`,
    );
  }
  await known.act(words);
}

function help(): void {
  const lines = ["shoal: actors for campaigns of simulations and learning", ""];
  for (const [name, { about }] of Object.entries(verbs)) lines.push(`  shoal ${name.padEnd(8)}  ${about}`);
  lines.push("", "Each verb has --help. Example: shoal run waves");
  process.stdout.write(`${lines.join("\n")}\n`);
}

function version(): string {
  // Beside the sources, and one folder further up from dist/.
  for (const path of ["../../package.json", "../../../package.json"]) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8"));
      if (name === "shoal") return version;
    } catch {
      // Not there: the other place then.
    }
  }
  return "unknown";
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`shoal: ${error instanceof Error ? error.message : String(error)}\n`);
  // A program's own error is shown with the place where it was thrown; a request that was wrong has none.
  const thrown = isShoalError(error, "HandlerError") ? error.cause : isShoalError(error) ? undefined : error;
  if (thrown instanceof Error) process.stderr.write(`${thrown.stack ?? ""}\n`);
  process.exitCode = isShoalError(error, "BadInput") ? 2 : 1;
}
