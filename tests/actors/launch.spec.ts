// Launching: the options and what is wrong with them, and where it may not be called.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { loadProgram } from "../../runtime/launch/program.ts";
import { Actor, isShoalError, launch, type RunRecord } from "../../runtime/mod.ts";
import { assert, root, test } from "../suite.ts";
import { errorOf } from "../stores/world.ts";
import { gate, held, leave, quiet, settledOf, stage } from "./stage.ts";
import { Counter, timeoutMs } from "./counter.ts";

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
