// Who runs the suite `actors`: shoal and four others, how each is built and started, and what each does not have.

import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import type { Contender, Runtime, Start } from "../case.ts";

const run = promisify(execFile);
const buildMs = 300_000;
const erlangFlags = ["+S", "1:1", "+P", "4000000", "-noshell"];
const javaFlags = ["-Xms4g", "-Xmx6g", "-XX:+UseParallelGC"];

/** Runs a build tool; what it wrote last is the reason why it failed. */
async function build(command: string, args: readonly string[]): Promise<void> {
  try {
    await run(command, args, { timeout: buildMs });
  } catch (error) {
    const { code, stderr } = error as { code?: unknown; stderr?: string };
    if (code === "ENOENT") throw new Error(`${command} is not on the PATH`, { cause: error });
    throw new Error(`${command} failed: ${(stderr ?? "").trim().split("\n").slice(-3).join(" ")}`, { cause: error });
  }
}

/**
 * The folder with what `make` built from these files. It is named by what is in them, so that a change builds again,
 * and appears only when it is whole.
 */
async function built(
  root: string,
  name: string,
  files: readonly string[],
  make: (into: string) => Promise<void>,
): Promise<string> {
  const hash = createHash("sha256");
  for (const file of files) hash.update(readFileSync(file));
  const folder = join(root, "dist", ".benchmarks", `${name}-${hash.digest("hex").slice(0, 16)}`);
  if (existsSync(folder)) return folder;
  const unfinished = `${folder}.${process.pid}`;
  mkdirSync(unfinished, { recursive: true });
  try {
    await make(unfinished);
    renameSync(unfinished, folder);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
  return folder;
}

function erlang(root: string): Contender {
  const source = join(root, "benchmarks", "actors", "erlang", "contender.erl");
  return {
    name: "Erlang",
    library: "erlang",
    own: false,
    fair: true,
    lacks: {},
    async prepare() {
      const folder = await built(root, "erlang", [source], (into) => build("erlc", ["-o", into, source]));
      return { command: "erl", args: [...erlangFlags, "-pa", folder, "-s", "contender", "main"] };
    },
  };
}

function pekko(root: string): Contender {
  const folder = join(root, "benchmarks", "actors", "pekko");
  const sources = readdirSync(folder).filter((file) => file.endsWith(".java")).sort().map((file) => join(folder, file));
  const pom = join(folder, "pom.xml");
  return {
    name: "Pekko",
    library: "pekko",
    own: false,
    fair: true,
    lacks: {},
    async prepare() {
      const libraries = await built(
        root,
        "pekko-libraries",
        [pom],
        (into) => build("mvn", ["-q", "-B", "-f", pom, "dependency:copy-dependencies", `-DoutputDirectory=${into}`]),
      );
      const jars = join(libraries, "*");
      const classes = await built(
        root,
        "pekko",
        [pom, ...sources],
        (into) => build("javac", ["-cp", jars, "-d", into, ...sources]),
      );
      return { command: "java", args: [...javaFlags, "-cp", `${classes}:${jars}`, "Contender"] };
    },
  };
}

const withoutTurns = "synchronous: handles a message inside send, so that nothing waits and nobody else has a turn";
const xstateLacks = {
  asks: "has no questions with an answer",
  timer: withoutTurns,
  restarts: "has no supervision: an actor that fails stays failed",
  backlog: withoutTurns,
};

/** A program of TypeScript, which is compiled beside this file. */
function scripted(root: string, runtime: Runtime, library: string, path: string, rest: Partial<Contender>): Contender {
  const program = join(root, "dist", "benchmarks", "actors", path);
  return {
    name: `${library} on ${runtime === "deno" ? "Deno" : "Node"}`,
    library,
    own: false,
    fair: true,
    lacks: {},
    ...rest,
    prepare: async () => runtime === "deno" ? onDeno(root, program) : onNode(program),
  };
}

function onNode(program: string): Start {
  return { command: process.execPath, args: ["--expose-gc", program] };
}

/** Deno's own binary, as its npm package brings it; the wrapper beside it would be the process that we end. */
function onDeno(root: string, program: string): Start {
  const packages = join(root, "node_modules", "@deno");
  const command = (existsSync(packages) ? readdirSync(packages) : [])
    .map((name) => join(packages, name, process.platform === "win32" ? "deno.exe" : "deno"))
    .find((path) => existsSync(path));
  if (command === undefined) throw new Error("deno is not among the installed packages");
  return { command, args: ["run", "-A", "--v8-flags=--expose-gc", program] };
}

export function actorContenders(root: string, runtimes: readonly Runtime[]): readonly Contender[] {
  return [
    ...runtimes.map((runtime) => scripted(root, runtime, "shoal", join("shoal", "program.js"), { own: true })),
    erlang(root),
    pekko(root),
    ...runtimes.flatMap((runtime) => [
      scripted(root, runtime, "xstate", "xstate.js", { fair: false, lacks: xstateLacks }),
      scripted(root, runtime, "nact", "nact.js", {}),
    ]),
  ];
}
