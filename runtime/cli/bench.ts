// `shoal bench NAME`: a benchmark that comes with shoal. It runs programs, each in a process of its own, and what comes of
// it is a table, or plain values with the machine and the versions beside them.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runningWords } from "#platform";
import { nearest, ShoalError } from "../../stores/error.ts";
import { loadModule } from "../launch/program.ts";
import { version } from "../launch/version.ts";
import { machine } from "../run/machine.ts";
import type { Flags } from "./flags.ts";
import type { BuiltIn } from "./program.ts";
import type { Terminal } from "./terminal.ts";
import type { Request, Verb } from "./verb.ts";

type Settings = { readonly [flag: string]: string | number };

/** What a benchmark's module exports as its default. */
type Bench = (
  parts: { run(program: string, flags: Settings): Promise<unknown>; say(line: string): void },
  values: { readonly [name: string]: unknown },
) => Promise<{ readonly lines: readonly string[]; readonly values: object; readonly missed: readonly string[] }>;

const verb: Verb = {
  usage: "shoal bench NAME [flags]",
  about:
    "Measures, in turns and on this machine, and prints a table in Markdown. Ends with 1 where something that was\n" +
    "asked for could not be measured.",
  words: [1, 1],
  missing: async () => `no benchmark named; there are ${Object.keys(await benches()).join(", ")}`,
  example: "shoal bench producer-consumer --store memory: --store shm: --store inline --sims 16 --grid 256",
  async flags(words) {
    const output: Flags = {
      json: { default: false, about: "the figures as one object on stdout, with the machine and the versions" },
      quiet: { default: false, about: "say nothing on the way" },
    };
    const name = words.find((word) => !word.startsWith("-"));
    if (name === undefined) return [{ title: "Output", flags: output }];
    return [{ title: `Flags of ${name}`, flags: (await benchOf(name)).settings }, { title: "Output", flags: output }];
  },
  async help() {
    return Object.entries(await benches()).map(([name, { about }]): [string, string] => [name, about]);
  },
  act,
};
export default verb;

async function benches(): Promise<{ readonly [name: string]: BuiltIn }> {
  return (await import("shoal/actors")).benches;
}

async function benchOf(name: string): Promise<{ readonly bench: Bench; readonly settings: Flags }> {
  const known = await benches();
  if (!Object.hasOwn(known, name)) {
    const near = nearest(name, Object.keys(known));
    const hint = near === undefined ? `there are ${Object.keys(known).join(", ")}` : `did you mean ${near}?`;
    throw new ShoalError("BadInput", `Cannot find benchmark ${name}: there is none of that name; ${hint}`);
  }
  const { default: bench, settings } = await loadModule(known[name]!.module, name);
  return { bench: bench as Bench, settings: settings as Flags };
}

async function act({ flags, words: [name = ""], terminal }: Request): Promise<number> {
  const { bench } = await benchOf(name);
  const folder = mkdtempSync(join(tmpdir(), "shoal-bench-runs-"));
  try {
    const result = await bench({
      run: (program, settings) => runOf(program, settings, folder),
      say: (line) => announce(terminal, line),
    }, flags);
    terminal.settle();
    if (flags["json"] === true) {
      terminal.result(JSON.stringify({ ...result.values, machine: machine(), shoal: version(), at: Date.now() }));
    } else for (const line of result.lines) terminal.result(line);
    return result.missed.length === 0 ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** On a terminal the line that is drawn over again; elsewhere each, so that a log tells how far it was. */
function announce({ live, progress, say }: Terminal, line: string): void {
  if (live) progress(line);
  else say(line);
}

/** A run in a process of its own, that leaves nothing behind; answered by the object that it ends with. */
function runOf(program: string, settings: Settings, folder: string): Promise<unknown> {
  const [command = process.execPath, ...first] = runningWords();
  const said = Object.entries(settings).flatMap(([flag, value]) => [`--${flag}`, String(value)]);
  const words = [process.argv[1]!, "run", program, ...said, "--runs", folder, "--json", "--quiet"];
  // Its runs are not among those that the user looks for.
  const env = { ...process.env, XDG_STATE_HOME: folder };
  return new Promise((resolve, reject) => {
    const child = spawn(command, [...first, ...words], { env, stdio: ["ignore", "pipe", "pipe"] });
    let [stdout, stderr] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => stdout += text);
    child.stderr.setEncoding("utf8").on("data", (text: string) => stderr += text);
    child.once("error", reject);
    child.once("close", (code, signal) => {
      if (code === 0) return resolve(JSON.parse(stdout.trim().split("\n").at(-1)!));
      // Its own words, without the place where they were thrown.
      const line = stderr.split("\n").findLast((each) => each.startsWith("shoal: "));
      const why = line?.slice("shoal: ".length) ?? `it ended with ${signal ?? code}`;
      reject(new ShoalError("Unavailable", `Cannot measure ${program}: ${why}`));
    });
  });
}
