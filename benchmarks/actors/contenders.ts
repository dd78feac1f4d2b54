// Who runs the suite `actors`: shoal and four others, how each is built and started, and what each does not have.

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { build, built, runtimeTitles, started } from "../built.ts";
import type { Contender, Runtime } from "../case.ts";

const erlangFlags = ["+S", "1:1", "+P", "4000000", "-noshell"];
const javaFlags = ["-Xms4g", "-Xmx6g", "-XX:+UseParallelGC"];

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
    name: `${library} on ${runtimeTitles[runtime]}`,
    library,
    own: false,
    fair: true,
    lacks: {},
    ...rest,
    prepare: async () => started(root, runtime, program),
  };
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
