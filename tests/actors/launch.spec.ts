// Launching: options and what is wrong with them, where it may not be called, systems side by side, what they record,
// and what a seed decides.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { loadProgram } from "../../runtime/launch/program.ts";
import { Actor, type ActorRef, isShoalError, launch, type RunRecord } from "../../runtime/mod.ts";
import { run, shown } from "../command.ts";
import { commandFor } from "../runner.ts";
import { assert, fc, property, root, runtime, test } from "../suite.ts";
import { errorOf } from "../stores/world.ts";
import { gate, held, leave, quiet, settledOf, stage } from "./stage.ts";

const timeoutMs = 8_000;

class Counter extends Actor {
  count = 0;
  add(value: number): number {
    return this.count += value;
  }
  async hang(): Promise<void> {
    await new Promise(() => {});
  }
  fail(): void {
    throw new Error("wrong");
  }
}

// Options

const unknown: [object, RegExp][] = [
  [{ stroe: "memory:" }, /stroe.*store/],
  [{ Store: "memory:" }, /Store.*store/],
  [{ limit: {} }, /limit.*limits/],
  [{ limits: { replyTimeout: 1 } }, /replyTimeout.*replyTimeoutMs/],
  [{ limits: { mailboxMax: 1 } }, /mailboxMax/],
  [{ supervision: { restartMax: 1 } }, /restartMax.*restartsMax/],
  [{ somethingElseAltogether: 1 }, /somethingElseAltogether.*store/],
];

for (const [options, expected] of unknown) {
  test(`launch refuses ${JSON.stringify(options)}, and names what is known`, async () => {
    assert.match((await errorOf("BadInput", () => launch(options))).message, expected);
  });
}

const wrong: [string, object][] = [
  ...[-1, Number.NaN, "5", null, undefined, {}].map((value): [string, object] => [
    "replyTimeoutMs",
    { limits: { replyTimeoutMs: value } },
  ]),
  ["mailboxMessagesMax", { limits: { mailboxMessagesMax: -1 } }],
  ["deadLettersMax", { limits: { deadLettersMax: 1.5 } }],
  ["limits", { limits: 5 }],
  ["on", { supervision: { on: "restrat" } }],
  ["on", { supervision: { on: undefined } }],
  ["beyond", { supervision: { beyond: "resume" } }],
  ["restartsMax", { supervision: { restartsMax: -1 } }],
  ["restartsMax", { supervision: { restartsMax: "3" } }],
  ["windowMs", { supervision: { windowMs: Number.NaN } }],
  ["backoffMs", { supervision: { backoffMs: -5 } }],
  ["backoffMaxMs", { supervision: { backoffMaxMs: null } }],
  ["supervision", { supervision: "restart" }],
  ["seed", { seed: Number.NaN }],
  ["seed", { seed: 1.5 }],
  ["seed", { seed: "7" }],
  ["name", { name: "" }],
  ["name", { name: "../elsewhere" }],
  ["name", { name: ".." }],
  ["name", { name: "a/b" }],
  ["name", { name: "a\0b" }],
  ["name", { name: "x".repeat(10_000) }],
  ["name", { name: 5 }],
  ["strict", { strict: "no" }],
  ["record", { record: {} }],
  ["store", { store: "memroy:" }],
  ["store", { store: "" }],
  ["store", { store: 5 }],
  ["store", { store: "memory:?capcity=4GB" }],
  ["hresholdBytes", { storeThresholdBytes: -1 }],
  ["hresholdBytes", { storeThresholdBytes: Number.NaN }],
];

test("launch refuses values that mean nothing, naming the option, and starts nothing", async () => {
  const taken: string[] = [];
  for (const [name, options] of wrong) {
    try {
      const system = await launch(options);
      await system.close();
      taken.push(`${name}: ${JSON.stringify(options)} was taken`);
    } catch (error) {
      if (!isShoalError(error, "BadInput") || !error.message.includes(name)) taken.push(`${name}: ${String(error)}`);
    }
  }
  assert.deepEqual(taken, []);
}, { timeoutMs });

test("launch takes nothing, an empty object, and every option at once", async () => {
  for (const options of [undefined, {}, { limits: {}, supervision: {} }]) {
    const system = await launch(options);
    assert.match(system.run, /^\d{8}-\d{6}-[0-9a-f]{6}$/);
    assert.ok(Number.isSafeInteger(system.seed));
    await system.close();
  }
  const records: RunRecord[] = [];
  const system = await launch({
    store: "memory:?capacity=1MB",
    storeThresholdBytes: 0,
    name: "run-42",
    seed: 42,
    strict: true,
    limits: { replyTimeoutMs: Number.POSITIVE_INFINITY, deadLettersMax: 0, timersMax: 0 },
    supervision: { on: () => "resume", restartsMax: Number.POSITIVE_INFINITY },
    record: (record) => void records.push(record),
  });
  assert.deepEqual([system.run, system.seed], ["run-42", 42]);
  const counter = await system.spawn(Counter);
  await errorOf("HandlerError", () => counter.ask("fail"));
  await errorOf(
    "CapacityExceeded",
    () =>
      system.store.put({ data: new Float64Array(10_000_000) }, { signal: AbortSignal.timeout(1) }).catch((error) => {
        // Waiting for room that can never be is no better.
        throw isShoalError(error, "Cancelled") ? new Error("it waits for room that can never be") : error;
      }),
  ).catch((error: unknown) => {
    if (!(isShoalError((error as Error).cause) && isShoalError((error as Error).cause, "TooLarge"))) throw error;
  });
  await system.close();
  assert.ok(records.length > 0);
});

test("strict is what SHOAL_STRICT says, unless an option says otherwise", async () => {
  const before = process.env["SHOAL_STRICT"];
  try {
    for (
      const [variable, option, expected] of [
        ["1", undefined, true],
        ["0", undefined, false],
        [undefined, undefined, false],
        ["1", false, false],
        [undefined, true, true],
      ] as const
    ) {
      if (variable === undefined) delete process.env["SHOAL_STRICT"];
      else process.env["SHOAL_STRICT"] = variable;
      const system = await launch(option === undefined ? {} : { strict: option });
      const draft = await system.store.allocate("float64", [4_000]);
      await draft.seal();
      draft.data[0] = 1;
      const [closed] = await settledOf([system.close()]);
      assert.match(closed ?? "hangs", expected ? /^Corrupt/ : /^value/, `${variable} ${option}`);
    }
  } finally {
    if (before === undefined) delete process.env["SHOAL_STRICT"];
    else process.env["SHOAL_STRICT"] = before;
  }
});

// Where it may not be called

test("launch inside an actor's constructor, started, handler or stopping is BadInput and names the actor", async () => {
  const at = stage({ supervision: { on: "resume" } });
  const found: Record<string, unknown> = {};
  const attempt = async (where: string): Promise<void> => {
    try {
      await (await launch()).close();
      found[where] = "launched";
    } catch (error) {
      found[where] = isShoalError(error, "BadInput") && /Nested/.test(error.message) ? "refused" : error;
    }
  };
  class Nested extends Actor {
    readonly tried: Promise<void>;
    constructor() {
      super();
      this.tried = attempt("constructor");
    }
    async started(): Promise<void> {
      await attempt("started");
    }
    async handle(): Promise<void> {
      await attempt("async handler");
    }
    handleAtOnce(): void {
      void attempt("handler");
    }
    async handleLate(): Promise<void> {
      await new Promise(setImmediate);
      await new Promise(setImmediate);
      await attempt("handler, after an await");
    }
    async *stream(): AsyncGenerator<number> {
      await attempt("generator");
      yield 1;
    }
    async stopping(): Promise<void> {
      await attempt("stopping");
    }
  }
  const nested = await at.system.spawn(Nested);
  await nested.ask("handle");
  await nested.ask("handleAtOnce");
  await nested.ask("handleLate");
  for await (const _ of nested.stream("stream"));
  await at.system.stop(nested, {});
  await quiet();
  const handlers = ["async handler", "handler", "handler, after an await", "generator"];
  const refused = ["constructor", "started", ...handlers, "stopping"];
  assert.deepEqual(found, Object.fromEntries(refused.map((where) => [where, "refused"])));
  // Outside of it, it may be called again.
  await (await launch()).close();
  await leave(at);
});

const modUrl = pathToFileURL(
  import.meta.url.endsWith(".ts") ? join(root, "runtime/mod.ts") : join(root, "dist/runtime/mod.js"),
).href;

async function withModule(text: string, use: (url: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "launch-"));
  try {
    writeFileSync(join(folder, "program.mjs"), text);
    await use(pathToFileURL(join(folder, "program.mjs")).href);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("launch in a module that is loaded for its actors is BadInput and names the file", async () => {
  const module = `import { launch } from ${
    JSON.stringify(modUrl)
  };\nconst system = await launch();\nexport default function () {}\n`;
  await withModule(module, async (url) => {
    const error = await errorOf("BadInput", () => loadProgram(url, "waves.ts"));
    assert.match(error.message, /waves\.ts/);
    assert.match(error.message, /default/);
  });
  // Afterwards launch works again, also after a module that does not load at all.
  await withModule("export default nothing at all", async (url) => {
    await errorOf("BadInput", () => loadProgram(url, "broken.ts"));
  });
  await withModule("export const x = 1;", async (url) => {
    assert.match((await errorOf("BadInput", () => loadProgram(url, "none.ts"))).message, /default/);
  });
  await (await launch()).close();
});

test("launch stays forbidden to a module that loads while another has loaded", async () => {
  const { promise: slow, open } = ((): { promise: Promise<void>; open: () => void } => {
    const hold = gate();
    return { promise: hold.passed, open: hold.open };
  })();
  (globalThis as { launchSpecGate?: Promise<void> }).launchSpecGate = slow;
  const late = `import { launch } from ${
    JSON.stringify(modUrl)
  };\nawait globalThis.launchSpecGate;\nawait (await launch()).close();\nexport default function () {}\n`;
  await withModule(late, async (lateUrl) => {
    await withModule("export default function () {}", async (quickUrl) => {
      const [first] = held(loadProgram(lateUrl, "late.ts"));
      await loadProgram(quickUrl, "quick.ts");
      open();
      await errorOf("BadInput", () => first);
    });
  });
  delete (globalThis as { launchSpecGate?: Promise<void> }).launchSpecGate;
  await (await launch()).close();
}, { timeoutMs });

// Side by side

test("Two systems know nothing of each other: names, numbers, tensors, ends", async () => {
  const [one, two] = await Promise.all([launch({ storeThresholdBytes: 0 }), launch({ storeThresholdBytes: 0 })]);
  assert.notEqual(one.run, two.run);
  const [a, b] = await Promise.all([one, two].map((system) => system.spawn(Counter, undefined, { name: "counter" })));
  assert.equal(await a!.ask("add", 1), 1);
  assert.equal(await b!.ask("add", 10), 10);
  assert.equal(await (await two.find(Counter, "counter"))!.ask("add", 1), 11);
  const ref = await one.store.put({ data: Float64Array.of(1) });
  await assert.rejects(two.store.get(ref), (error) => isShoalError(error) && error.outcome === "failed");
  await one.close();
  assert.equal(await b!.ask("add", 1), 12);
  assert.equal(one.statistics().actors, 0);
  assert.equal(two.statistics().actors, 1);
  await two.close();
});

test("A reference to an actor of another system never reaches an actor of this one", async () => {
  for (const strict of [false, true]) {
    const one = stage({ strict, run: "run-1" });
    const two = stage({ strict, run: "run-2" });
    const heard: string[] = [];
    class Local extends Actor {
      readonly #where: string;
      constructor(where: string) {
        super();
        this.#where = where;
      }
      hear(): void {
        heard.push(this.#where);
      }
      async pass(other: ActorRef<Local>): Promise<void> {
        await other.tell("hear");
      }
    }
    const foreign = await one.system.spawn(Local, "one");
    const [first, second] = [
      await two.system.spawn(Local, "first of two"),
      await two.system.spawn(Local, "second of two"),
    ];
    for (const local of [first, second]) await settledOf([local.ask("pass", foreign)]);
    await errorOf("BadInput", () => two.system.stop(foreign, {}));
    await errorOf("BadInput", () => two.system.watch(foreign));
    await settledOf([two.system.spawn(Local, foreign as unknown as string)]);
    assert.ok(!heard.some((where) => where.endsWith("of two")), `strict ${strict}: ${heard.join(", ")}`);
    assert.equal(await first.ask("hear").then(() => "alive"), "alive");
    await leave(two);
    await leave(one);
  }
});

// The end

test("close twice is once, with calls under way, on the real clock", async () => {
  const system = await launch();
  const counter = await system.spawn(Counter);
  const calls = held(counter.ask("hang"), counter.ask("add", 1));
  await quiet();
  await Promise.all([system.close({ now: true }), system.close({ now: true }), system.close()]);
  assert.deepEqual(await settledOf([...calls, system.ended]), ["Ended unknown", "Ended failed", "value undefined"]);
});

for (const how of ["close", "drain-first"]) {
  test(`A program that closes its system with calls under way ends by itself (${how})`, async () => {
    const [command, ...args] = commandFor(runtime, join(root, "tests/actors/exits.ts"));
    const said = await run(command, [...args, how]);
    assert.equal(said.code, 0, shown(said));
    assert.equal(said.stderr, "", shown(said));
    const lines = said.stdout.trim().split("\n");
    assert.equal(lines.length, 9, shown(said));
    assert.deepEqual(lines.slice(-2), ["done", "done"]);
    for (const line of lines.slice(0, 7)) assert.match(line, /^(Ended|Cancelled)$/);
  }, { timeoutMs: 20_000 });
}

// Records

test("Records tell each actor's story in order, and agree with the statistics", async () => {
  const does = fc.array(
    fc.constantFrom("spawn", "child", "bad", "bad later", "fail", "fail start", "tell dead", "stop", "stop now", "ask"),
    { maxLength: 25 },
  );
  await property([does], async (some) => {
    const at = stage({ supervision: { restartsMax: 2 } });
    let broken = false;
    class Person extends Actor {
      readonly #how: string;
      constructor(how: string) {
        super();
        this.#how = how;
        if (how === "bad" || broken) throw new Error("bad start");
      }
      async started(): Promise<void> {
        if (this.#how === "child") await this.spawn(Person, "leaf");
        await Promise.resolve();
        if (this.#how === "bad later") throw new Error("bad start");
      }
      hello(): void {}
      fail(): void {
        throw new Error("wrong");
      }
    }
    let last: ActorRef<Person> | undefined;
    for (const what of some) {
      if (what === "spawn" || what === "child") last = await at.system.spawn(Person, what);
      else if (what.startsWith("bad")) await errorOf("HandlerError", () => at.system.spawn(Person, what));
      else if (last === undefined) continue;
      else if (what === "tell dead") void held(last.tell("hello"));
      else if (what.startsWith("stop")) await at.system.stop(last, { now: what === "stop now" });
      else if (what === "ask") await settledOf([last.ask("hello")]);
      else {
        broken = what === "fail start";
        await settledOf([last.ask("fail")]);
        broken = false;
      }
    }
    await at.system.close();
    const stories = new Map<string, RunRecord[]>();
    let when = 0;
    for (const record of at.records) {
      assert.equal(record.node, "main");
      assert.ok(record.at >= when, "time goes back");
      when = record.at;
      const who = record.type === "MessageDied" ? record.to : "actor" in record ? record.actor : undefined;
      if (who === undefined) continue;
      assert.equal(who.class, "Person");
      if (record.type === "ActorSpawned" && record.parent !== undefined) {
        assert.ok(stories.has(record.parent), `${record.parent} has a child before it is`);
      }
      stories.set(who.id, [...stories.get(who.id) ?? [], record]);
    }
    for (const [id, story] of stories) {
      const told = story.map(({ type }) => type).join(" ");
      assert.match(
        told,
        /^ActorSpawned( ActorCrashed( ActorRestarted)?)*( MessageDied)* ActorEnded( MessageDied)*$/,
        `the story of ${id}`,
      );
      const incarnations = story.flatMap((record) => record.type === "ActorRestarted" ? [record.incarnation] : []);
      assert.deepEqual(incarnations, incarnations.map((_, index) => index + 2));
    }
    const count = (type: RunRecord["type"]): number => at.records.filter((record) => record.type === type).length;
    const { spawned, crashes, restarts, deadLetters } = at.system.statistics();
    assert.deepEqual({ spawned, crashes, restarts, deadLetters }, {
      spawned: count("ActorSpawned"),
      crashes: count("ActorCrashed"),
      restarts: count("ActorRestarted"),
      deadLetters: count("MessageDied"),
    });
    assert.equal(count("ActorEnded"), count("ActorSpawned"));
    await leave(at);
  }, { runs: 60 });
});

test("Log lines are records with who said them, and during what", async () => {
  const at = stage();
  class Talker extends Actor {
    constructor() {
      super();
      this.log.debug("constructed");
    }
    async talk(): Promise<void> {
      this.log.info("first", { n: 1 });
      await quiet();
      this.log.warn("second");
    }
    tell(): void {
      this.log.error("told");
    }
  }
  const talker = await at.system.spawn(Talker, undefined, { name: "talker" });
  await talker.ask("talk");
  await talker.tell("tell");
  await quiet();
  const lines = at.records.flatMap((record) =>
    record.type === "MessageLogged"
      ? [[record.level, record.text, record.during, record.fields, record.actor?.name]]
      : []
  );
  assert.deepEqual(lines, [
    ["debug", "constructed", undefined, undefined, "talker"],
    ["info", "first", "talk", { n: 1 }, "talker"],
    ["warn", "second", "talk", undefined, "talker"],
    ["error", "told", "tell", undefined, "talker"],
  ]);
  await leave(at);
});

// Seeds

class Gambler extends Actor {
  draw(count: number): number[] {
    return Array.from({ length: count }, () => this.random.next());
  }
  fail(): void {
    throw new Error("wrong");
  }
}

/** What each of these actors draws in a run with this seed. */
async function draws(seed: number, names: readonly (string | undefined)[]): Promise<number[][]> {
  const at = stage({ seed });
  const found: number[][] = [];
  const all: ActorRef<Gambler>[] = [];
  for (const name of names) all.push(await at.system.spawn(Gambler, undefined, name === undefined ? {} : { name }));
  for (const one of all) found.push(await one.ask("draw", 4));
  await leave(at);
  return found;
}

const namesOfGamblers = fc.uniqueArray(
  fc.constantFrom("a", "aa", "1", "2", "3", "1/2", "#1", "#2", "e"),
  {
    maxLength: 6,
  },
).chain((names) =>
  fc.array(fc.constant(undefined), { maxLength: 4 }).chain((nameless) =>
    fc.shuffledSubarray([...names, ...nameless], { minLength: names.length + nameless.length })
  )
);

test("this.random is the same for the same seed and actor, and another for every other seed and actor", async () => {
  await property([fc.integer({ min: 0, max: 2 ** 32 - 1 }), namesOfGamblers], async (seed, names) => {
    const first = await draws(seed, names);
    assert.deepEqual(await draws(seed, names), first);
    const all = first.map((numbers) => numbers.join(" "));
    assert.equal(new Set(all).size, names.length, `${JSON.stringify(names)} draw alike`);
    const others = (await draws(seed + 1, names)).map((numbers) => numbers.join(" "));
    assert.ok(!others.some((numbers) => all.includes(numbers)), "another seed draws alike");
  }, { runs: 40 });
});

test("this.random of one actor does not depend on what others draw, nor when they do", async () => {
  const alone = await draws(5, ["a", "b"]);
  const at = stage({ seed: 5 });
  const [a, b] = [
    await at.system.spawn(Gambler, undefined, { name: "a" }),
    await at.system.spawn(Gambler, undefined, { name: "b" }),
  ];
  const found: [number[], number[]] = [[], []];
  for (const turn of [0, 1, 1, 0, 1, 0, 0, 1]) found[turn]!.push(...await [a, b][turn]!.ask("draw", 1));
  assert.deepEqual(found, alone);
  await leave(at);
});

test("A seed is drawn where none is given, and a launch with it repeats the run", async () => {
  // The tests' own seed stands in the environment, where a launch would take its seed from.
  const said = process.env["SHOAL_SEED"];
  delete process.env["SHOAL_SEED"];
  const first = await launch();
  const second = await launch();
  if (said !== undefined) process.env["SHOAL_SEED"] = said;
  assert.notEqual(first.seed, second.seed);
  const one = await (await first.spawn(Gambler)).ask("draw", 4);
  const two = await (await second.spawn(Gambler)).ask("draw", 4);
  assert.notDeepEqual(one, two);
  const again = await launch({ seed: first.seed });
  assert.deepEqual(await (await again.spawn(Gambler)).ask("draw", 4), one);
  await Promise.all([first.close(), second.close(), again.close()]);
});
