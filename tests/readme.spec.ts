// The README told the truth: each block marked `run` is run as it stands, and what it prints is compared with the
// `text` block that follows. In that text `…` stands for anything within a line, and alone on a line for any lines.
// minutes: 8
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { run, type Said, shown } from "./command.ts";
import { commandFor } from "./runner.ts";
import { assert, root, runtime, test } from "./suite.ts";

const timeoutMs = 240_000;

interface Block {
  readonly line: number;
  /** What follows the fence: "sh run", "ts run", "ts check". */
  readonly kind: string;
  readonly text: string;
  /** The text block right after it. */
  readonly printed: string | undefined;
}

function blocksOf(markdown: string): Block[] {
  const fences = [...markdown.matchAll(/^```([^\n]*)\n([^]*?)^```[ ]*$/gm)].map((match) => ({
    line: markdown.slice(0, match.index).split("\n").length,
    kind: match[1]!.trim(),
    text: match[2]!,
    end: match.index + match[0].length,
    start: match.index,
  }));
  return fences.map(({ line, kind, text, end }, index) => {
    const next = fences[index + 1];
    const follows = next !== undefined && next.kind === "text" && !/^```|^#/m.test(markdown.slice(end, next.start));
    return { line, kind, text, printed: follows ? next.text : undefined };
  });
}

/** The first line that differs, or nothing. */
function difference(printed: string, expected: string): string | undefined {
  const trim = (text: string): string[] => text.trimEnd().split("\n").map((line) => line.trimEnd());
  const fits = (line: string, pattern: string): boolean => {
    const parts = pattern.split("…").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    return new RegExp(`^${parts.join(".*")}$`).test(line);
  };
  const match = (lines: readonly string[], patterns: readonly string[]): string | undefined => {
    const [pattern, ...others] = patterns;
    if (pattern === undefined) return lines.length === 0 ? undefined : `more was printed: ${lines[0]}`;
    if (pattern === "…") {
      for (let from = 0; from <= lines.length; from += 1) {
        if (match(lines.slice(from), others) === undefined) return undefined;
      }
      return `nothing fits after …: ${others[0]}`;
    }
    const [line, ...rest] = lines;
    if (line === undefined) return `less was printed: ${pattern}`;
    return fits(line, pattern)
      ? match(rest, others)
      : `printed ${JSON.stringify(line)}, README: ${JSON.stringify(pattern)}`;
  };
  return match(trim(printed), trim(expected));
}

/** A folder inside the package, so that programs there import `shoal` as users do; git and npm ignore it. */
function folderInside(): string {
  mkdirSync(join(root, "dist"), { recursive: true });
  return mkdtempSync(join(root, "dist", ".readme-"));
}

/** Checks the types of a program and runs it: its source on Deno, compiled on Node. */
async function runProgram(text: string, isRun: boolean): Promise<Said> {
  const folder = folderInside();
  try {
    const path = join(folder, "program.ts");
    writeFileSync(path, text);
    const compilerOptions = { incremental: false, declaration: false, isolatedDeclarations: false, rootDir: root };
    const config = { extends: "../../tsconfig.json", compilerOptions: { ...compilerOptions, outDir: `${folder}/out` } };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ ...config, files: ["program.ts"], include: [] }));
    const tsc = join(root, "node_modules/typescript/bin/tsc");
    const node = runtime === "node" ? process.execPath : "node";
    const checked = await run(node, [tsc, "--pretty", "false", "--project", folder]);
    if (checked.code !== 0 || !isRun) return checked;
    const compiled = join(folder, "out", relative(root, folder), "program.js");
    const [program, ...args] = commandFor(runtime, runtime === "node" ? compiled : path);
    return await run(program, args);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const runs = mkdtempSync(join(tmpdir(), "runs-"));
/** Whoever has runs of the same names knows of others. */
const state = mkdtempSync(join(tmpdir(), "state-"));

const runBlock = (block: Block): Promise<Said> =>
  block.kind.startsWith("sh")
    ? run("bash", ["-euo", "pipefail", "-c", block.text], { env: { SHOAL_RUNS: runs, XDG_STATE_HOME: state } })
    : runProgram(block.text, true);

test("README's printed text is compared: what fits, fits, and what differs is named", () => {
  const printed = "> start\n\nwave 1 took 12 ms\nwave 2 took 3 ms\ndone\n";
  assert.equal(difference(printed, "…\nwave 1 took … ms\nwave 2 took … ms\ndone\n"), undefined);
  assert.equal(difference(printed, "…\ndone\n"), undefined);
  assert.match(difference(printed, "…\nwave 1 took … s\n…") ?? "", /nothing fits after …/);
  assert.match(difference("one\n", "two\n") ?? "", /printed "one", README: "two"/);
  assert.match(difference("one\ntwo\n", "one\n") ?? "", /more was printed: two/);
  assert.match(difference("one\n", "one\ntwo\n") ?? "", /less was printed: two/);
});

test("README's blocks are read with their kind and what they print", () => {
  const blocks = blocksOf(
    "# A\n```sh run\necho 1\n```\n\nprints\n\n```text\n1\n```\n```ts run\nx\n```\n## B\n```text\n2\n```\n",
  );
  assert.deepEqual(blocks.map(({ line, kind, printed }) => [line, kind, printed]), [
    [2, "sh run", "1\n"],
    [8, "text", undefined],
    [11, "ts run", undefined],
    [15, "text", undefined],
  ]);
});

test("README's programs that are wrong do not pass", async () => {
  const types = await runProgram(`const one: number = "1";\nconsole.log(one);\n`, true);
  assert.match(types.stdout, /error TS2322/);
  const throwing = await runProgram(`throw new Error("no");\nexport {};\n`, true);
  assert.notEqual(throwing.code, 0);
}, { timeoutMs });

const blocks = blocksOf(readFileSync(join(root, "README.md"), "utf8"));

test("README has a command and a program that are run", () => {
  for (const kind of ["sh run", "ts run"]) assert.ok(blocks.some((block) => block.kind === kind), kind);
});

for (const block of blocks) {
  const title = `README line ${block.line}: ${block.kind}`;
  if (block.kind === "ts check") {
    test(title, async () => {
      const said = await runProgram(block.text, false);
      assert.equal(said.code, 0, shown(said));
    }, { timeoutMs });
  }
  if (block.kind !== "sh run" && block.kind !== "ts run") continue;
  const body = async (): Promise<void> => {
    const said = await runBlock(block);
    assert.equal(said.code, 0, shown(said));
    const differs = block.printed === undefined ? undefined : difference(said.stdout, block.printed);
    assert.equal(differs, undefined, `${differs}\n${shown(said)}`);
  };
  // A command is the same whoever starts it: once is enough.
  if (block.kind === "ts run" || runtime === "node") test(title, body, { timeoutMs });
}
