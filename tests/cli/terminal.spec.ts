// Where a verb writes: a drawn line only on a terminal, colours only where they are wanted, results on stdout alone.
import { flagsOf, helpLines, readFlags } from "../../runtime/cli/flags.ts";
import { permissionError } from "../../runtime/cli/permission.ts";
import { progressLine, tasksText } from "../../runtime/cli/progress.ts";
import { columns, duration, openTerminal, size } from "../../runtime/cli/terminal.ts";
import { runSummary } from "../../runtime/run/summary.ts";
import { assert, fc, property, test } from "../suite.ts";

interface Screen {
  out: string;
  err: string;
  at: number;
  open(
    options: { isTTY?: boolean; environment?: Record<string, string>; quiet?: boolean },
  ): ReturnType<typeof openTerminal>;
}

function screen(): Screen {
  const shown: Screen = {
    out: "",
    err: "",
    at: 0,
    open: ({ isTTY = false, environment = {}, quiet = false }) =>
      openTerminal({
        stdout: { isTTY, write: (text) => shown.out += text },
        stderr: { isTTY, columns: 30, write: (text) => shown.err += text },
        environment,
        now: () => shown.at,
      }, quiet),
  };
  return shown;
}

/** What stands on a terminal in the end: a line that is drawn over does not. */
function seen(text: string): string[] {
  return text.split("\n").map((line) => line.split("\r\x1b[K").at(-1)!);
}

test("openTerminal draws one line over again on a terminal, below what is said", () => {
  const shown = screen();
  const terminal = shown.open({ isTTY: true });
  terminal.progress("1 of 3");
  terminal.say("a word");
  terminal.progress("2 of 3 and more than thirty columns can hold");
  terminal.settle();
  terminal.say("the end");
  assert.deepEqual(seen(shown.err), ["a word", "2 of 3 and more than thirty c", "the end", ""]);
  assert.equal(shown.out, "");
});

test("openTerminal says how far it is every few seconds where nobody looks at a terminal", () => {
  const shown = screen();
  const terminal = shown.open({});
  for (shown.at = 0; shown.at <= 11_000; shown.at += 200) terminal.progress(`at ${shown.at}`);
  terminal.settle();
  assert.equal(shown.err, "at 5000\nat 10000\n");
  for (const environment of [{ TERM: "dumb" }]) assert.equal(screen().open({ isTTY: true, environment }).live, false);
});

test("openTerminal paints only on a terminal, and not against NO_COLOR", () => {
  const painted = (isTTY: boolean, environment: Record<string, string>): string =>
    screen().open({ isTTY, environment }).paint("x", "red");
  assert.equal(painted(true, {}), "\x1b[31mx\x1b[0m");
  assert.equal(painted(true, { NO_COLOR: "" }), "\x1b[31mx\x1b[0m");
  for (const plain of [painted(false, {}), painted(true, { NO_COLOR: "1" }), painted(true, { TERM: "dumb" })]) {
    assert.equal(plain, "x");
  }
});

test("openTerminal that is quiet still gives results", () => {
  const shown = screen();
  const terminal = shown.open({ isTTY: true, quiet: true });
  terminal.say("no");
  terminal.progress("no");
  terminal.result("yes");
  terminal.settle();
  assert.deepEqual([shown.out, shown.err], ["yes\n", ""]);
});

test("columns, duration and size are what people read", async () => {
  assert.deepEqual(columns([["a", "bb", "c"], ["aaa", "b", ""]]), ["a    bb  c", "aaa  b"]);
  const spans = [[0, "0.0 s"], [9_940, "9.9 s"], [59_400, "59 s"], [61_000, "1 min 1 s"], [7_260_000, "2 h 1 min"], [
    180_000_000,
    "2 d 2 h",
  ]] as const;
  for (const [ms, text] of spans) assert.equal(duration(ms), text);
  for (const [bytes, text] of [[0, "0 B"], [999, "999 B"], [1_000, "1.00 kB"], [1_342_177_280, "1.34 GB"]] as const) {
    assert.equal(size(bytes), text);
  }
  await property([fc.nat({ max: 1e15 })], (bytes) => {
    const [number = "", unit = ""] = size(bytes).split(" ");
    const factor = 1000 ** ["B", "kB", "MB", "GB", "TB"].indexOf(unit);
    assert.ok(
      Math.abs(Number(number) * factor - bytes) <= 0.005 * bytes + (unit === "B" ? 0 : 0.5 * factor),
      size(bytes),
    );
  });
});

test("progressLine names the kinds of tasks, done, to do and failed", () => {
  const summary = runSummary();
  assert.equal(progressLine(summary.read(), 1_500), "1.5 s · no tasks yet");
  const head = { at: 1, node: "main" };
  summary.take(1, { ...head, type: "TasksPlanned", kind: "fields", tasks: 4 });
  summary.take(1, { ...head, type: "TaskFinished", kind: "fields", task: "a", outcome: "done" });
  summary.take(1, { ...head, type: "TaskFinished", kind: "fields", task: "b", outcome: "failed" });
  assert.equal(progressLine(summary.read(), 1_500), "1.5 s · fields ▰▰▰▱▱▱▱▱▱▱▱▱ 1/4, 1 failed");
  assert.equal(tasksText({ planned: undefined, done: 7, failed: 0, underWay: 2 }), "7 done, 2 under way");
});

test("readFlags reads values, switches, lists, and all that follows two dashes as words", () => {
  const flags = flagsOf([{
    title: "All",
    flags: {
      size: { default: 3, about: "", least: 1 },
      share: { default: 0.5, about: "" },
      set: { default: [], about: "" },
      quick: { default: false, about: "" },
      pack: { default: true, about: "" },
      mode: { default: "a", about: "", choices: ["a", "bee"] },
    },
  }]);
  const { values, typed, rest } = readFlags([
    "x",
    "--size=7",
    "--set",
    "a=1",
    "--quick",
    "--no-pack",
    "--set=b=2",
    "-",
    "--",
    "--size",
  ], flags);
  assert.deepEqual({ ...values }, { size: 7, share: 0.5, set: ["a=1", "b=2"], quick: true, pack: false, mode: "a" });
  assert.deepEqual([[...typed], rest], [["size", "set", "quick", "pack"], ["x", "-", "--size"]]);
  const wrong: [string[], RegExp][] = [
    [["--size", "0"], /expected a whole number from 1/],
    [["--size", "1.5"], /expected a whole number from 1/],
    [["--share", "x"], /expected a number from 0/],
    [["--mode", "be"], /did you mean bee\?/],
    [["--sise", "1"], /did you mean --size\?/],
    [["--quick=1"], /it takes no value/],
    [["--no-quick"], /there is no such flag/],
    [["--no-pakc"], /did you mean --no-pack\?/],
    [["--size"], /it needs a value/],
    [["--__proto__", "1"], /there is no such flag/],
  ];
  for (const [words, says] of wrong) assert.throws(() => readFlags(words, flags), says);
  assert.deepEqual(
    helpLines([{
      title: "T",
      flags: { size: { default: 3, about: "how many" }, pack: { default: true, about: "none" } },
    }]),
    [
      "",
      "T",
      "  --size N   how many (3)",
      "  --no-pack  none",
    ],
  );
});

test("permissionError finds what Deno did not permit, however deep it lies", () => {
  const denied = Object.assign(new Error(`Requires write access to "/x", run again with the --allow-write flag`), {
    name: "NotCapable",
  });
  const error = permissionError(new Error("a", { cause: new Error("b", { cause: denied }) }));
  assert.equal(error?.code, "Unauthorized");
  assert.match(error?.message ?? "", /without write access to \/x; add --allow-write=\/x to deno run/);
  assert.equal(permissionError(new Error("other")), undefined);
});
