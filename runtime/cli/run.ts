// `shoal run PROGRAM`: a built-in program by its name, or a file of the user's.

import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { loadsTypeScript, runtime } from "#platform";
import { nearest, ShoalError } from "../../stores/error.ts";
import { launch } from "../launch/launch.ts";
import { loadProgram } from "../launch/program.ts";
import type { LaunchOptions } from "../system.ts";
import { type Flags, helpLines, readFlags } from "./flags.ts";

/** What a program's module may export beside its default. */
interface BuiltIn {
  readonly about: string;
  readonly module: string;
}

const everyRun: Flags = {
  store: { default: "memory:", about: "where tensors live", value: "URL" },
  seed: { default: undefined, about: "repeat a run's random numbers", value: "N" },
  name: { default: undefined, about: "the run's name", value: "NAME" },
  strict: { default: false, about: "encode every message, find writes to read-only tensors" },
  json: { default: false, about: "end with the result as one object on stdout" },
  quiet: { default: false, about: "say nothing on the way" },
  help: { default: false, about: "show this" },
};

/** The programs that come with shoal, by their public entry. */
async function builtIns(): Promise<{ readonly [name: string]: BuiltIn }> {
  const { programs } = await import("shoal/actors");
  return programs;
}

export async function run(words: readonly string[]): Promise<void> {
  const name = words.find((word) => !word.startsWith("-"));
  if (name === undefined) {
    if (words.includes("--help")) return help(await builtIns(), {});
    const known = Object.keys(await builtIns()).join(", ");
    throw new ShoalError("BadInput", `Cannot run: no program named; built in are ${known}, or name a file, ./mine.ts`);
  }
  const url = await moduleOf(name);
  const { program, settings } = await loadProgram(url, name);
  const flags: Flags = { ...everyRun, ...settings as Flags };
  if (words.includes("--help")) return help(await builtIns(), settings as Flags);
  const { values, rest } = readFlags(words, flags);
  if (rest.length > 1) throw new ShoalError("BadInput", `Cannot run ${rest.join(" ")}: one program at a time`);

  const options: LaunchOptions = {
    store: String(values["store"]),
    ...(values["seed"] === undefined ? {} : { seed: Number(values["seed"]) }),
    ...(values["name"] === undefined ? {} : { name: String(values["name"]) }),
    ...(values["strict"] === true ? { strict: true } : {}),
  };
  const say = (line: string): void => {
    if (values["quiet"] !== true) process.stderr.write(`${line}\n`);
  };
  const system = await launch(options);
  const stop = interruption(() => system.close({ now: true }));
  let now = true;
  try {
    const result = await Promise.race([program(system, values, say), system.ended.then(neverEnds)]);
    if (values["json"] === true) {
      process.stdout.write(`${JSON.stringify({ run: system.run, seed: system.seed, ...Object(result) })}\n`);
    }
    // What was told and not awaited is still handled; after a failure nobody waits for it.
    now = false;
  } finally {
    stop();
    await system.close({ now });
  }
}

/** A system that ends because all is well has been closed by us. */
function neverEnds(): Promise<never> {
  return new Promise(() => {});
}

/** Ctrl-C ends the run in order; a second one ends the process. */
function interruption(close: () => Promise<void>): () => void {
  let asked = false;
  const onSignal = (): void => {
    process.exitCode = 130;
    if (asked) process.exit(130);
    asked = true;
    process.stderr.write("interrupted: ending the run (again to end at once)\n");
    void close().then(() => process.exit(130));
  };
  process.on("SIGINT", onSignal);
  return () => process.off("SIGINT", onSignal);
}

async function moduleOf(name: string): Promise<string> {
  const programs = await builtIns();
  if (Object.hasOwn(programs, name)) return programs[name]!.module;
  const path = resolve(name);
  if (!/[./\\]/.test(name) || !existsSync(path)) {
    const near = nearest(name, Object.keys(programs));
    const hint = near === undefined ? `built in are ${Object.keys(programs).join(", ")}` : `did you mean ${near}?`;
    throw new ShoalError("BadInput", `Cannot run ${name}: no such program or file; ${hint}`);
  }
  if (/\.[mc]?ts$/.test(name) && !loadsTypeScript) {
    const cure = "take Node 22.18 or newer, or Deno, or compile it to JavaScript";
    throw new ShoalError("BadInput", `Cannot run ${name}: Node ${runtime.version} does not load TypeScript; ${cure}`);
  }
  return pathToFileURL(path).href;
}

function help(programs: { readonly [name: string]: BuiltIn }, settings: Flags): void {
  const lines = ["shoal run PROGRAM [flags]", "", "Programs"];
  for (const [name, { about }] of Object.entries(programs)) lines.push(`  ${name.padEnd(10)}  ${about}`);
  lines.push("  ./FILE      a module whose default export takes the system");
  if (Object.keys(settings).length > 0) lines.push("", "Flags of the program", ...helpLines(settings));
  lines.push("", "Flags of every run", ...helpLines(everyRun), "", "Example: shoal run waves --sims 8 --grid 128");
  process.stdout.write(`${lines.join("\n")}\n`);
}
