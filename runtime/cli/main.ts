// The command `shoal`: finds the verb, reads its flags, and turns what went wrong into a line and an exit code.

import { runtime } from "#platform";
import { isShoalError, nearest, ShoalError } from "../../stores/error.ts";
import { type FlagGroup, type Flags, flagsOf, helpLines, readFlags } from "./flags.ts";
import { permissionError } from "./permission.ts";
import { columns, openTerminal } from "./terminal.ts";
import type { Verb } from "./verb.ts";
import { version } from "../launch/version.ts";

interface Entry {
  readonly about: string;
  /** Each verb is loaded when it is asked for. */
  readonly load: () => Promise<{ readonly default: Verb }>;
}

/** Every verb, by the groups of help. */
const groups: { readonly [title: string]: { readonly [name: string]: Entry } } = {
  "Run": {
    run: { about: "runs a program: a built-in one or a file of yours", load: () => import("./run.ts") },
    resume: { about: "goes on where a run stopped, from any folder", load: () => import("./resume.ts") },
    stop: { about: "ends a run from elsewhere: it drains first", load: () => import("./stop.ts") },
  },
  "Batch machines": {
    submit: { about: "sends a job that runs a program", load: () => import("./submit.ts") },
    script: { about: "prints the job script that would be sent", load: () => import("./script.ts") },
  },
  "Look": {
    status: { about: "what is running and how far it is", load: () => import("./status.ts") },
    list: { about: "the runs that are known here", load: () => import("./list.ts") },
    logs: { about: "what was said during a run", load: () => import("./logs.ts") },
    replay: {
      about: "runs recorded messages again, and stops at the first difference",
      load: () => import("./replay.ts"),
    },
  },
  "Stores": {
    store: {
      about: "what a store holds, whether it is whole, and away with orphans",
      load: () => import("./store.ts"),
    },
    conformance: { about: "the laws of stores, against a store of yours", load: () => import("./conformance.ts") },
  },
  "Measure": {
    bench: { about: "a benchmark that comes with shoal, as a table", load: () => import("./bench.ts") },
  },
  "Prepare": {
    init: { about: "writes a campaign to start from", load: () => import("./init.ts") },
    config: { about: "the configuration that holds, and where it comes from", load: () => import("./config.ts") },
    doctor: { about: "checks what a run will need, before it needs it", load: () => import("./doctor.ts") },
  },
};

const verbs: { readonly [name: string]: Entry } = Object.assign({}, ...Object.values(groups));
const common: FlagGroup = { title: "Always", flags: { help: { default: false, about: "show this" } } };

async function main([name, ...words]: readonly string[]): Promise<number> {
  if (name === undefined || name === "--help" || name === "-h" || name === "help") return help(words[0]);
  if (name === "--version" || name === "-v") {
    process.stdout.write(`shoal ${version()} (${runtime.name} ${runtime.version})\n`);
    return 0;
  }
  const { default: verb } = await entryOf(name).load();
  const wantsHelp = words.includes("--help") || words.includes("-h");
  const groups = [...await verb.flags(words), common];
  if (wantsHelp) return await helpOf(verb, groups);
  const flags: Flags = flagsOf(groups);
  const { values, typed, rest } = readFlags(words, flags);
  const [least, most] = verb.words;
  if (rest.length < least) {
    const missing = typeof verb.missing === "function" ? await verb.missing() : verb.missing;
    throw new ShoalError("BadInput", `Cannot start shoal ${name}: ${missing ?? `see shoal ${name} --help`}`);
  }
  if (rest.length > most) {
    const extra = rest.slice(most).join(" ");
    throw new ShoalError(
      "BadInput",
      `Cannot start shoal ${name} ${rest.join(" ")}: ${extra} is too much; usage: ${verb.usage}`,
    );
  }
  const terminal = openTerminal({
    stdout: process.stdout,
    stderr: process.stderr,
    environment: process.env,
    now: () => performance.now(),
  }, values["quiet"] === true);
  return await verb.act({ flags: values, typed, words: rest, terminal }) ?? 0;
}

function entryOf(name: string): Entry {
  const known = Object.hasOwn(verbs, name) ? verbs[name] : undefined;
  if (known !== undefined) return known;
  const near = nearest(name, Object.keys(verbs));
  const hint = near === undefined ? "see shoal --help" : `did you mean ${near}?`;
  throw new ShoalError("BadInput", `Cannot start shoal ${name}: there is no such verb; ${hint}`);
}

async function help(name: string | undefined): Promise<number> {
  if (name !== undefined && !name.startsWith("-")) {
    const { default: verb } = await entryOf(name).load();
    return await helpOf(verb, [...await verb.flags([]), common]);
  }
  const lines = ["shoal: actors for campaigns of simulations and learning"];
  for (const [title, entries] of Object.entries(groups)) {
    lines.push("", title);
    for (const [verb, { about }] of Object.entries(entries)) lines.push(`  shoal ${verb.padEnd(11)}  ${about}`);
  }
  lines.push("", "Each verb has --help. Example: shoal run waves");
  process.stdout.write(`${lines.join("\n")}\n`);
  return 0;
}

async function helpOf(verb: Verb, groups: readonly FlagGroup[]): Promise<number> {
  const words = await verb.help?.() ?? [];
  const named = words.length === 0 ? [] : ["", ...columns(words.map(([word, about]) => [`  ${word}`, about]))];
  const lines = [verb.usage, "", verb.about, ...named, ...helpLines(groups), "", `Example: ${verb.example}`];
  process.stdout.write(`${lines.join("\n")}\n`);
  return 0;
}

// A reader that has seen enough, as `head` has, is no trouble.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
});

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (thrown) {
  const error = permissionError(thrown) ?? thrown;
  process.stderr.write(`shoal: ${error instanceof Error ? error.message : String(error)}\n`);
  // A program's own error is shown with the place where it was thrown; a request that was wrong has none.
  const place = isShoalError(error, "HandlerError") ? error.cause : isShoalError(error) ? undefined : error;
  if (place instanceof Error) {
    process.stderr.write(`${place.stack ?? ""}\n`);
    const { cause } = place;
    if (cause !== undefined) process.stderr.write(`because: ${cause instanceof Error ? cause.stack : String(cause)}\n`);
  }
  process.exitCode = isShoalError(error, "BadInput") ? 2 : 1;
}
