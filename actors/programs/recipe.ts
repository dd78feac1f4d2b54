// Several programs, one after the other in one scratch directory, as a shell script would run them: the process that we
// are is copied once for all of them, which for a large one takes longer than many a program.

import { randomBytes } from "node:crypto";
import { executable, type Finished, type Job, limitsOf, type RunOptions } from "./program.ts";
import { runProcess } from "./process.ts";
import { inScratch, type Outputs } from "./scratch.ts";

export interface RecipeOptions<Name extends string> extends RunOptions {
  /** The programs it takes: paths, or names that are looked for on the PATH. */
  readonly executables: readonly Name[];
}

export interface Step<Name extends string> {
  readonly executable: Name;
  readonly arguments: readonly string[];
  /** Files without which the next step makes no sense: where one is missing, the recipe ends. */
  readonly leaves?: readonly string[];
}

export interface RecipeJob<Name extends string, O extends Outputs> extends Omit<Job<O>, "arguments" | "input"> {
  readonly steps: readonly Step<Name>[];
}

export interface Cooked<O extends Outputs> extends Omit<Finished<O>, "said"> {
  /** What each step wrote to its standard output and error. */
  readonly said: readonly string[];
}

export interface RunnableRecipe<Name extends string> {
  run<O extends Outputs>(job: RecipeJob<Name, O>): Promise<Cooked<O>>;
}

/** Programs that follow one another. BadInput where one of them is missing. */
export function recipe<const Name extends string>(options: RecipeOptions<Name>): RunnableRecipe<Name> {
  const paths = new Map(options.executables.map((name) => [name, executable(name, options.cure)]));
  const limits = limitsOf(options);
  return {
    async run({ steps, files, outputs, log, signal }) {
      const began = performance.now();
      // It tells the steps apart, and nothing that a program says looks like it.
      const mark = randomBytes(6).toString("hex");
      let step = 0;
      const what = (): string => `Cannot run ${steps[step]?.executable ?? "a recipe without steps"}`;
      const args = ["-c", scriptOf(mark, steps, paths)];
      const { outputs: read, end } = await inScratch(
        { parent: options.scratch, files, outputs, what },
        async (folder) => {
          const job = { ...limits, path: "/bin/sh", arguments: args, folder, input: undefined, log, signal };
          const { said, exitCode } = await runProcess({
            ...job,
            what(said) {
              step = reached(mark, said);
              return what();
            },
          });
          step = reached(mark, said);
          const pieces = apart(mark, steps.length, said);
          return { said: pieces[step] ?? "", exitCode, pieces };
        },
      );
      return {
        outputs: read,
        said: end.pieces,
        exitCode: end.exitCode,
        seconds: (performance.now() - began) / 1000,
      };
    },
  };
}

function scriptOf(mark: string, steps: readonly Step<string>[], paths: ReadonlyMap<string, string>): string {
  // One pipe for both outputs, so that what they say stays in order with the marks.
  const lines = ["exec 2>&1"];
  for (const [index, { executable: name, arguments: args, leaves = [] }] of steps.entries()) {
    const title = `# ${mark} ${index + 1}: ${[name, ...args].join(" ").replaceAll(/\s+/g, " ")}`;
    const isLast = index === steps.length - 1;
    lines.push(
      `printf '\\n%s\\n' ${quoted(title)}`,
      `${isLast ? "exec " : ""}${[paths.get(name) ?? name, ...args].map(quoted).join(" ")}`,
      ...(isLast || leaves.length === 0
        ? []
        : ["code=$?", ...leaves.map((file) => `[ -e ${quoted(file)} ] || exit $code`)]),
    );
  }
  return lines.join("\n");
}

/** A word of the shell that means just itself. */
const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;

/** Which step was under way when this had been said. */
function reached(mark: string, said: string): number {
  const at = said.lastIndexOf(`# ${mark} `);
  return at === -1 ? 0 : Number.parseInt(said.slice(at + mark.length + 3)) - 1;
}

/** What each step said, without the lines that tell them apart. */
function apart(mark: string, count: number, said: string): string[] {
  const pieces = Array.from({ length: count }, () => "");
  for (const piece of said.split(`\n# ${mark} `).slice(1)) {
    pieces[Number.parseInt(piece) - 1] = piece.slice(piece.indexOf("\n") + 1);
  }
  return pieces;
}
