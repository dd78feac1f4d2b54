// Recorded runs on the command line: what actors were given, in threads and processes, is given to them again, and the
// first difference is shown. A recording that ends in the middle replays up to there.
// minutes: 1
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { entry, inFolder } from "../cli/stage.ts";
import { assert, test } from "../suite.ts";

const program = (factor: string): string => `
import { readdirSync, readFileSync } from "node:fs";
import { Actor } from ${JSON.stringify(entry)};

export class Walker extends Actor {
  at = 0;
  steps = [];
  async walk(count) {
    for (let step = 0; step < count; step++) this.steps.push(this.at += this.random.next() - 0.5);
    const draft = await this.store.allocate("float64", [2_000]);
    draft.data.fill(this.at);
    return await draft.seal();
  }
}

export class Trainer extends Actor {
  static durable = true;
  losses = [];
  deep = { seen: { count: 0 } };
  async train(field) {
    const { data } = await this.store.get(field);
    this.losses.push(data[0] * ${factor});
    this.deep.seen.count += ${factor};
    console.log("trained");
    this.after(1, "note", this.losses.length);
    return this.losses.length;
  }
  note(count) { this.noted = count; }
  async wait() {
    await new Promise((resolve) => setTimeout(resolve, 5));
    return [Date.now(), Math.random(), this.now()];
  }
}

export default async function (system) {
  const pool = await system.pool(Walker, { size: 4 });
  const trainer = await system.spawn(Trainer, undefined, { name: "trainer" });
  for await (const { value } of pool.results("walk", [1, 2, 3, 4, 5, 6, 7, 8])) await trainer.ask("train", value);
  await trainer.ask("wait");
  if (process.env.DIES) {
    // What actors do is gathered for a moment before it is written.
    const folder = "runs/killed/recording";
    const isWritten = () => readdirSync(folder).some((name) =>
      name.endsWith(".jsonl") && readFileSync(folder + "/" + name, "utf8").includes('"train"'));
    while (!isWritten()) await new Promise((resolve) => setTimeout(resolve, 5));
    process.kill(process.pid, "SIGKILL");
  }
  return {};
}
`;

interface Replayed {
  readonly same: boolean;
  readonly recorded: number;
  readonly changed: readonly string[];
  readonly foreign?: { readonly actor: string; readonly what: string };
  readonly actors: readonly {
    readonly actor: string;
    readonly class: string;
    readonly messages: number;
    readonly outcome: string;
    readonly lacks?: string;
    readonly difference?: { readonly message: string; readonly path: string; readonly recorded: unknown; now: unknown };
  }[];
}

const parsed = (text: string): Replayed => JSON.parse(text) as Replayed;

test("replay runs the recorded messages of threads and processes again, and shows the first difference", async () => {
  await inFolder(async ({ shoal, write }) => {
    const file = write("mine.mjs", program("1"));
    const ran = await shoal("run", "./mine.mjs", "--record", "--name", "both", "--nodes", "2", "--threads", "1");
    assert.equal(ran.code, 0, ran.stderr);
    const again = await shoal("replay", "both", "--json");
    assert.equal(again.code, 0, again.stdout + again.stderr);
    const { same, actors, changed, foreign } = parsed(again.stdout);
    assert.deepEqual([same, changed], [true, []]);
    assert.deepEqual([...new Set(actors.map(({ outcome }) => outcome))], ["same"]);
    const walkers = actors.filter((one) => one.class === "Walker");
    assert.ok(new Set(walkers.map(({ actor }) => actor.split("/")[0])).size > 1, "all were in one place");
    assert.equal(walkers.reduce((sum, { messages }) => sum + messages, 0), 8);
    assert.equal(foreign?.actor, "main/@trainer", `${JSON.stringify(foreign)}`);
    assert.match(foreign.what, /setTimeout|Date\.now|Math\.random/);
    assert.ok(!(again.stdout + again.stderr).includes("trained"), "what actors print was printed again");

    writeFileSync(file, program("2"));
    const other = await shoal("replay", "both", "trainer");
    assert.equal(other.code, 1, other.stdout + other.stderr);
    assert.match(other.stderr, /mine\.mjs has changed since it was recorded/);
    assert.match(
      other.stdout,
      /differs +trainer Trainer main\/@trainer.*\n +at message \d+, train: its state at \.\S+\n +recorded: /,
    );
    const { difference } = parsed((await shoal("replay", "both", "trainer", "--json")).stdout).actors[0]!;
    // Which member of the state comes first is up to the order in which it was written.
    assert.match(difference!.path, /^its state at \.(losses\[0\]|deep\.seen\.count)$/);
    assert.equal(difference!.now, 2 * Number(difference!.recorded));

    const unknown = await shoal("replay", "both", "nobody");
    assert.equal(unknown.code, 2);
    assert.match(unknown.stderr, /no actor nobody was recorded; there are .*main\/@trainer \(Trainer\)/);
  });
}, { timeoutMs: 120_000 });

test("replay goes as far as the record does: of a run that was killed, and of one that had no room", async () => {
  await inFolder(async ({ shoal, start, write, path }) => {
    write("mine.mjs", program("1"));
    const words = ["run", "./mine.mjs", "--record", "--threads", "0"];
    const killed = await start([...words, "--name", "killed"], { env: { DIES: "1" } }).ended;
    assert.equal(killed.signal, "SIGKILL", killed.stderr);
    const again = await shoal("replay", "killed", "--json");
    assert.equal(again.code, 0, again.stdout + again.stderr);
    const { actors } = parsed(again.stdout);
    assert.ok(actors.length > 0 && actors.every(({ outcome, lacks }) => outcome === "same" && lacks !== undefined));

    const bounds = ["--set", "recording.bytesMax=6000", "--set", "recording.tensorBytesMax=20000"];
    const full = await shoal(...words, "--name", "full", ...bounds);
    assert.equal(full.code, 0, full.stderr);
    const short = await shoal("replay", "full");
    assert.equal(short.code, 0, short.stdout + short.stderr);
    assert.match(short.stdout, /as far as its record goes: its record is full: 6000 bytes \(recording\.bytesMax\)/);

    const bare = await shoal(...words, "--name", "bare", "--set", "recording.tensorBytesMax=20000");
    assert.equal(bare.code, 0, bare.stderr);
    assert.equal(readdirSync(join(path, "runs/bare/recording/tensors")).length, 1);
    const lacking = parsed((await shoal("replay", "bare", "trainer", "--json")).stdout).actors[0]!;
    assert.equal(lacking.outcome, "same");
    assert.match(lacking.lacks!, /tensor .* was not kept: the record had no room for it \(recording\.tensorBytesMax\)/);
  });
}, { timeoutMs: 120_000 });

test("replay refuses a run that was not recorded, and says how to record one", async () => {
  await inFolder(async ({ shoal, write }) => {
    write("mine.mjs", program("1"));
    const ran = await shoal("run", "./mine.mjs", "--name", "plain", "--threads", "0");
    assert.equal(ran.code, 0, ran.stderr);
    const refused = await shoal("replay", "plain");
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /what its actors did was not recorded; record one: shoal run … --record/);
  });
}, { timeoutMs: 120_000 });
