// Programs that actors run: typed outputs, and a typed end in bounded time for whatever a program may do.
import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { program, type ProgramOptions, text } from "../../actors/programs/program.ts";
import { recipe } from "../../actors/programs/recipe.ts";
import { isShoalError } from "../../runtime/mod.ts";
import { assert, long, skip, test } from "../suite.ts";

interface Place {
  readonly folder: string;
  readonly scratch: string;
  /** A shell script, as a program. */
  script(body: string, options?: Partial<ProgramOptions>): ReturnType<typeof program>;
}

async function inPlace(body: (place: Place) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "shoal-programs-"));
  const scratch = mkdtempSync(join(folder, "scratch-"));
  let count = 0;
  try {
    await body({
      folder,
      scratch,
      script(text, options = {}) {
        const executable = join(folder, `program-${count++}.sh`);
        writeFileSync(executable, `#!/bin/sh\n${text}\n`);
        chmodSync(executable, 0o755);
        return program({ executable, scratch, graceMs: 200, ...options });
      },
    });
    assert.deepEqual(readdirSync(scratch), [], "a scratch directory is left");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Whether a process of this id runs; one that has ended and was not waited for does not. */
function runs(pid: number): boolean {
  return /^[^ZX]/.test(spawnSync("ps", ["-o", "stat=", "-p", String(pid)], { encoding: "utf8" }).stdout.trim());
}

/** What a program has written into a file, once that is a whole line. */
function lineIn(path: string): string | undefined {
  const text = existsSync(path) ? readFileSync(path, "utf8") : "";
  return text.endsWith("\n") ? text.trim() : undefined;
}

/** Waits for a file that a program writes. */
async function written(path: string): Promise<string> {
  for (;;) {
    const line = lineIn(path);
    if (line !== undefined) return line;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test("program reads its files and arguments, and leaves what its readers read", () =>
  inPlace(async ({ script, folder }) => {
    const log = join(folder, "log");
    const sum = script('cat in.txt; cat; wc -c < tensor | tr -d " "; echo "$1 $MINE" > out.txt; exit 7', {
      environment: { MINE: "yes" },
    });
    const { outputs, said, exitCode } = await sum.run({
      arguments: ["first; $(second)"],
      files: { "in.txt": "hello\n", tensor: new Float64Array(5).subarray(2) },
      input: "typed\n",
      outputs: { "out.txt": text((read) => read.trim()) },
      log,
    });
    assert.equal(outputs["out.txt"], "first; $(second) yes");
    assert.equal(said, "hello\ntyped\n24\n");
    assert.equal(exitCode, 7, "an exit code is told, and fails nothing");
    assert.equal(readFileSync(log, "utf8"), said);
  }));

test("program fails by what it leaves, whatever its exit code says", () =>
  inPlace(async ({ script }) => {
    const number = text((read) => {
      if (!/^\d+\n$/.test(read)) throw new TypeError("no number");
      return Number(read);
    });
    const job = { arguments: [], outputs: { n: number } };
    await assert.rejects(script("echo gone wrong >&2").run(job), { code: "Missing", message: /no n; .*gone wrong/s });
    await assert.rejects(script("echo garbage > n").run(job), { code: "Corrupt", message: /no number/ });
    assert.equal((await script("echo 12 > n; exit 1").run(job)).outputs.n, 12);
  }));

test("program that is not there, or cannot start, is a typed error", () =>
  inPlace(async ({ script, scratch }) => {
    assert.throws(() => program({ executable: "no-such-program-at-all", cure: "pray" }), {
      code: "BadInput",
      message: /no-such-program-at-all.*pray/,
    });
    const job = { arguments: [], outputs: {} };
    await assert.rejects(script("", { scratch: join(scratch, "nowhere") }).run(job), { code: "Unavailable" });
    await assert.rejects(script("").run({ ...job, files: { "../out": "" } }), { code: "BadInput" });
  }));

for (
  const [what, body] of [
    ["ignores TERM", 'trap "" TERM; echo $$ > "$1"; sleep 1000 & wait; wait; sleep 1000'],
    ["leaves its work to children that ignore TERM", '(trap "" TERM; sleep 1000) & echo $! > "$1"; wait'],
    ["never ends", 'echo $$ > "$1"; exec sleep 1000'],
  ] as const
) {
  test(`program that ${what} is ended, with all that it started, at its deadline and when cancelled`, () =>
    inPlace(async ({ script, folder }) => {
      const path = join(folder, "late");
      // On a busy machine it may not have begun at its deadline: it is given more, until it was at its work.
      for (let timeoutMs = 200; lineIn(path) === undefined; timeoutMs *= 2) {
        const run = script(body, { timeoutMs }).run({ arguments: [path], outputs: {} });
        await assert.rejects(run, { code: "Timeout", outcome: "unknown" });
      }
      assert.equal(runs(Number(lineIn(path))), false, `process ${lineIn(path)} goes on`);

      const controller = new AbortController();
      const { signal } = controller;
      const run = script(body).run({ arguments: [join(folder, "cancel")], outputs: {}, signal });
      run.catch(() => {});
      const pid = Number(await written(join(folder, "cancel")));
      controller.abort();
      await assert.rejects(run, { code: "Cancelled", outcome: "unknown" });
      assert.equal(runs(pid), false, `process ${pid} goes on`);
      const aborted = AbortSignal.abort();
      const early = script("echo started > early").run({ arguments: [], outputs: {}, signal: aborted });
      await assert.rejects(early, { code: "Cancelled" });
    }));
}

test("program that ends while its children hold its output is over, and so are they", () =>
  inPlace(async ({ script, folder }) => {
    const path = join(folder, "pid");
    const { said } = await script('echo early; sleep 1000 & echo $! > "$1"').run({ arguments: [path], outputs: {} });
    assert.equal(said, "early\n");
    assert.equal(runs(Number(readFileSync(path, "utf8"))), false);
  }));

test("program that writes without end is ended, and what it wrote does not pile up", () =>
  inPlace(async ({ script }) => {
    const before = process.memoryUsage().rss;
    const run = script("exec yes", { outputBytesMax: 64 * 2 ** 20 }).run({ arguments: [], outputs: {} });
    await assert.rejects(run, { code: "TooLarge" });
    assert.ok(process.memoryUsage().rss - before < 200 * 2 ** 20);
  }));

test("program whose log takes no more is ended, and says why", () =>
  inPlace(async ({ script, folder }) => {
    const job = { arguments: [], outputs: {} };
    if (existsSync("/dev/full")) {
      const run = script("echo a; exec sleep 1000").run({ ...job, log: "/dev/full" });
      await assert.rejects(run, { code: "CapacityExceeded", message: /its log \/dev\/full cannot be written: ENOSPC/ });
    }
    const run = script("echo a").run({ ...job, log: join(folder, "nowhere", "log") });
    await assert.rejects(run, { code: "Unavailable", message: /its log .* cannot be written: ENOENT/ });
  }));

test("recipe runs its steps in one directory, and tells apart what each of them said", () =>
  inPlace(async ({ scratch, folder }) => {
    const log = join(folder, "log");
    const nasty = 'it\'s $(here) `now` \\ "so"\n# and\n';
    const job = {
      steps: [
        { executable: "printf", arguments: ["%s", nasty] },
        { executable: "sh", arguments: ["-c", 'echo aside >&2; cp "$1" b', "sh", "a"], leaves: ["b"] },
        { executable: "sh", arguments: ["-c", "cat b; printf last; exit 3"] },
      ],
      files: { a: "of a\n" },
      outputs: { b: text((read) => read) },
      log,
    } as const;
    const some = recipe({ executables: ["printf", "sh"], scratch });
    const { outputs, said, exitCode } = await some.run(job);
    assert.deepEqual(said, [nasty, "aside\n", "of a\nlast"]);
    assert.deepEqual([outputs.b, exitCode], ["of a\n", 3]);
    assert.match(readFileSync(log, "utf8"), /^# \w+ 2: sh -c .*\naside\n/m, "the log names each step");
  }));

test("recipe ends at the step that went wrong, and its error names the program", () =>
  inPlace(async ({ scratch, folder }) => {
    const some = recipe({ executables: ["true", "sh", "sleep"], scratch, timeoutMs: 60_000, graceMs: 200 });
    const after = join(folder, "after");
    const lost = some.run({
      steps: [
        { executable: "true", arguments: [] },
        { executable: "sh", arguments: ["-c", "echo gone wrong; exit 4"], leaves: ["b"] },
        { executable: "sh", arguments: ["-c", `: > '${after}'`] },
      ],
      outputs: { b: text((read) => read) },
    });
    await assert.rejects(lost, {
      code: "Missing",
      message: /^Cannot run sh: it left no b; it ended with 4.*gone wrong/s,
    });
    assert.ok(!existsSync(after), "what follows a step without its files does not run");
    const slow = recipe({ executables: ["true", "sleep"], scratch, timeoutMs: 300, graceMs: 200 }).run({
      steps: [{ executable: "true", arguments: [] }, { executable: "sleep", arguments: ["1000"] }],
      outputs: {},
    });
    await assert.rejects(slow, { code: "Timeout", message: /^Cannot run sleep: / });
    assert.throws(() => recipe({ executables: ["true", "no-such-program-at-all"], cure: "pray" }), {
      code: "BadInput",
      message: /no-such-program-at-all.*pray/,
    });
  }));

test("program that fills the disk of its scratch directory: CapacityExceeded, whatever it left and said", () =>
  inPlace(async ({ script, folder }) => {
    if (process.getuid?.() !== 0 || process.platform !== "linux") skip("only root mounts a file system");
    const scratch = join(folder, "small");
    mkdirSync(scratch);
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=256k", "tmpfs", scratch], { stdio: "ignore" });
    } catch {
      skip("this machine lets nobody mount a file system");
    }
    try {
      const outputs = { n: text((read) => JSON.parse(read) as unknown) };
      for (
        const [what, body] of [
          ["says it, and leaves nothing", "yes > big; echo 'No space left on device'; exit 0"],
          ["says nothing, and leaves half", "yes '[1,' 2> /dev/null > n; exit 0"],
          ["leaves no file that could be", "cat /dev/zero > big 2> /dev/null; : > n; exit 0"],
        ] as const
      ) {
        const run = script(body, { scratch }).run({ arguments: [], outputs });
        await assert.rejects(run, { code: "CapacityExceeded", message: /the disk of its scratch .* is full/ }, what);
      }
      const large = script("cp in n", { scratch }).run({ arguments: [], files: { in: "x".repeat(2 ** 20) }, outputs });
      await assert.rejects(large, { code: "CapacityExceeded" });
      const good = await script("echo 5 > n", { scratch }).run({ arguments: [], outputs });
      assert.equal(good.outputs.n, 5, "there is room again");
      assert.deepEqual(readdirSync(scratch), []);
    } finally {
      execFileSync("umount", ["-l", scratch]);
    }
  }));

test("programs leave no process and no descriptor behind, and cost little", () =>
  inPlace(async ({ script, scratch }) => {
    const open = (): number => existsSync("/proc/self/fd") ? readdirSync("/proc/self/fd").length : 0;
    const one = program({ executable: "true", scratch });
    const job = { arguments: [], files: { in: "1" }, outputs: {} };
    await one.run(job);
    const before = open();
    for (let i = 0; i < (long ? 10_000 : 100); i += 2) await Promise.all([one.run(job), one.run(job)]);
    assert.ok(open() <= before + 1, `${open()} descriptors, ${before} before`);
    const children = spawnSync("ps", ["-o", "stat=,args=", "--ppid", String(process.pid)], { encoding: "utf8" }).stdout;
    assert.doesNotMatch(children, /^Z/m);
    assert.ok(
      isShoalError(await script("exit 0").run({ ...job, outputs: { x: text(String) } }).catch((e: unknown) => e)),
    );
  }));
