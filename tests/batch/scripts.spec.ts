// Job scripts: nothing that a run is called or given becomes code, signals reach what runs, and what a scheduler would
// read otherwise is refused.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../command.ts";
import { assert, fc, property, root, test } from "../suite.ts";
import { pbsScheduler } from "../../runtime/launch/batch/pbs.ts";
import { isPlain, word } from "../../runtime/launch/batch/quoting.ts";
import { type Script, scriptText } from "../../runtime/launch/batch/script.ts";
import { sendJob } from "../../runtime/launch/batch/sending.ts";
import { faultAt, findSite, readSite } from "../../runtime/launch/batch/sites.ts";
import { slurmScheduler } from "../../runtime/launch/batch/slurm.ts";
import { readClock, readWalltime, walltimeText } from "../../runtime/launch/batch/walltime.ts";
import type { Wanted } from "../../runtime/launch/batch/wanted.ts";
import { sentJobs, takeJob } from "../../runtime/run/jobs.ts";
import { runLayout } from "../../runtime/run/layout.ts";
import { errorOf } from "../stores/world.ts";

const schedulers = [slurmScheduler(), pbsScheduler()];

/** What people and programs put where a name is expected. */
const hostile = fc.oneof(
  fc.constantFrom(
    "$(touch pwned)",
    "`touch pwned`",
    "'; touch pwned; '",
    '"; touch pwned; "',
    "a\ntouch pwned",
    "a\r\ntouch pwned\r\n",
    "\\'; touch pwned #",
    "#PBS -q x",
    "$HOME",
    "~",
    "*",
    "-rf",
    "--",
    "!!",
    "é ü 漢",
    "\t\x1b[31m",
    "",
  ),
  fc.string({ size: "max", maxLength: 40, unit: "binary" }).filter((text) => !text.includes("\0")),
);

function scriptOf(scheduler: Script["scheduler"], parts: Partial<Script>): string {
  return scriptText({
    scheduler,
    request: { name: "run-1", nodes: 1, walltimeSeconds: 60, warnSeconds: 10 },
    command: ["true"],
    folder: "/",
    output: "/dev/null",
    environment: {},
    ...parts,
  });
}

test("scriptText hands a command over word by word, whatever the words are", async () => {
  const folder = mkdtempSync(join(tmpdir(), "shoal-script-"));
  const where = join(folder, "a $(touch pwned) 'b'");
  mkdirSync(where);
  const said = join(folder, "said");
  try {
    await property(
      [fc.constantFrom(...schedulers), fc.array(hostile, { size: "max", maxLength: 6 })],
      async (scheduler, args) => {
        const command = ["sh", "-c", 'printf "%s\\0" "$PWD" "$@" >"$0"', said, ...args];
        const text = scriptOf(scheduler, { command, folder: where, output: join(where, "out %j") });
        writeFileSync(join(folder, "script"), text);
        const ran = await run("bash", [join(folder, "script")], { cwd: folder });
        assert.equal(ran.code, 0, `${ran.stderr}\n${text}`);
        // What is no text in UTF-8 cannot be an argument in the first place.
        const wanted = [where, ...args].map((text) => Buffer.from(text, "utf8").toString("utf8"));
        assert.deepEqual(readFileSync(said, "utf8").split("\0").slice(0, -1), wanted);
        assert.ok(!existsSync(join(folder, "pwned")) && !existsSync(join(where, "pwned")));
      },
      { runs: 40 },
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, { timeoutMs: 120_000 });

test("scriptText puts nothing hostile into the lines that a scheduler reads", async () => {
  await property([fc.constantFrom(...schedulers), hostile, hostile, hostile], (scheduler, queue, account, output) => {
    let text: string;
    try {
      const request = { name: "run-1", nodes: 1, warnSeconds: 10, queue, account };
      text = scriptOf(scheduler, { request, output });
    } catch (error) {
      assert.equal((error as { code?: string }).code, "BadInput");
      assert.ok(!isPlain(queue) || !isPlain(account));
      return;
    }
    assert.ok(isPlain(queue) && isPlain(account));
    const [, ...directives] = text.slice(0, text.indexOf("\n\n")).split("\n");
    for (const line of directives) assert.match(line, /^#(SBATCH --|PBS -)[\x21-\x7e]+( [\x21-\x7e]+)?$/);
  });
});

test("word is one word of a shell that it reads back", async () => {
  await property([fc.array(hostile, { size: "max", maxLength: 20 })], async (texts) => {
    const { stdout } = await run("sh", ["-c", `printf '%s\\0' ${texts.map(word).join(" ")}`]);
    const wanted = texts.length === 0 ? [""] : texts.map((text) => Buffer.from(text, "utf8").toString("utf8"));
    assert.deepEqual(stdout.split("\0").slice(0, -1), wanted);
  }, { runs: 30 });
  assert.throws(() => word("a\0b"), { code: "BadInput" });
});

for (const [sent, heard] of [["SIGTERM", "TERM"], ["SIGUSR1", "USR2"]] as const) {
  test(`a script that gets ${sent} tells its program ${heard}, and ends with the program's code`, async () => {
    const body = `trap 'echo heard ${heard}; exit 42' ${heard}; echo ready; while :; do sleep 0.05; done`;
    const text = scriptOf(slurmScheduler(), { command: ["bash", "-c", body] });
    const child = spawn("bash", ["-s"], { stdio: ["pipe", "pipe", "inherit"] });
    let said = "";
    const isReady = new Promise<void>((resolve) =>
      child.stdout.setEncoding("utf8").on("data", (more: string) => {
        said += more;
        if (said.includes("ready")) resolve();
      })
    );
    const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
    child.stdin.end(text);
    await isReady;
    // Its own kill() would have Deno tell of an end by that signal, whatever the end was.
    process.kill(child.pid!, sent);
    assert.equal(await ended, 42);
    assert.match(said, new RegExp(`heard ${heard}`));
  });
}

test("readWalltime reads what it says, and refuses what two schedulers would read differently", async () => {
  const right = { "01:00:00": 3_600, "1-00:00:30": 86_430, "1h30m": 5_400, "90m": 5_400, "45s": 45, "2d": 172_800 };
  for (const [text, seconds] of Object.entries(right)) assert.equal(readWalltime(text), seconds, text);
  for (const wrong of ["", "10:00", "60", "1:2", "-1h", "1h 2m", "0s", "99999h", "::", "1e3s"]) {
    assert.throws(() => readWalltime(wrong), { code: "BadInput" }, wrong);
  }
  await property([fc.integer({ min: 1, max: 86_400 * 300 })], (seconds) => {
    assert.equal(readWalltime(walltimeText(seconds)), seconds);
    assert.equal(readClock(walltimeText(seconds)), seconds);
  });
  const printed = { "1-02:03:04": 93_784, "03:04": 184, "59": 59, "UNLIMITED": undefined, "": undefined };
  for (const [text, seconds] of Object.entries(printed)) assert.equal(readClock(text), seconds, text);
});

test("every site that ships can be read, and takes what its guide says", () => {
  const folder = join(root, "runtime/launch/batch/sites");
  const names = readdirSync(folder).map((name) => name.replace(/\.toml$/, ""));
  assert.deepEqual(names.sort(), ["aurora", "polaris"]);
  const [aurora, polaris] = names.map((name) => findSite(name, "/nowhere"));
  const hour = { walltimeSeconds: 3_600, account: "me" };
  assert.equal(faultAt(polaris!, { ...hour, nodes: 2, queue: "debug" }), undefined);
  assert.equal(faultAt(aurora!, { ...hour, nodes: 2, queue: "debug" }), undefined);
  assert.match(faultAt(polaris!, { nodes: 1, queue: "debug", account: "me" })!, /wants --walltime/);
  assert.match(
    faultAt(polaris!, { ...hour, walltimeSeconds: 4 * 3_600, nodes: 12, queue: "prod" })!,
    /10 to 24 nodes for 03:00:00/,
  );
  assert.match(faultAt(aurora!, { ...hour, nodes: 300, queue: "debug" })!, /--queue prod would/);
});

test("readSite names what is wrong with a site", () => {
  const wrong: readonly (readonly [string, RegExp])[] = [
    ["", /names no scheduler/],
    ['scheduler = "lsf"', /scheduler is "lsf", expected slurm or pbs/],
    ['scheduler = "pbs"\nque = "x"', /no key que; did you mean queue/],
    ['scheduler = "pbs"\ngpus = 0', /gpus is 0, expected a whole number from 1/],
    ['scheduler = "pbs"\nselect = ":x\\n#PBS -q y"', /select is/],
    ['scheduler = "pbs"\ndirectives = ["a\\nb"]', /each one line/],
    ['scheduler = "pbs"\n[[queues]]\nname = "x"', /queues is/],
    ["scheduler", /line 1/],
  ];
  for (const [text, error] of wrong) assert.throws(() => readSite("mine", "mine.toml", text), error, text);
});

test("sendJob sends none where another was being sent when it was decided, or has been sent since", async () => {
  const folder = mkdtempSync(join(tmpdir(), "shoal-sending-"));
  try {
    const layout = runLayout(folder);
    const wanted: Wanted = {
      scheduler: "slurm",
      site: undefined,
      nodes: 1,
      walltimeSeconds: 60,
      queue: undefined,
      account: undefined,
      filesystems: undefined,
      drainSeconds: 10,
      autoResume: false,
      jobsMax: 20,
      pack: false,
    };
    const usual = { wanted, run: "one", layout, folder, command: ["true"], program: undefined };
    const who = { scheduler: "slurm", sentAt: Date.now(), host: "here", pid: 1 } as const;
    const taken = takeJob(layout, who, 1);
    const seen = sentJobs(layout).at(-1);
    assert.equal(seen?.number, 1);
    taken.sent({ ...who, job: "7", nodes: 1 });
    const sending = await errorOf("Conflict", () => sendJob({ ...usual, seen }));
    assert.match(sending.message, /process 1 on here is sending one/);
    const sent = await errorOf("Conflict", () => sendJob({ ...usual, seen: undefined }));
    assert.match(sent.message, /another process has just sent one/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
