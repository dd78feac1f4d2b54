// Every branch of the delivery core is reached by schedules: with bad input among them, long quiet streams,
// and, for the branches that only a broken rule takes, its mutants.
// only: node, the figure comes from V8's own block counts, of the compiled files
import { readFileSync } from "node:fs";
import { Session } from "node:inspector";
import { fileURLToPath } from "node:url";
import { rules } from "../../runtime/delivery/rules.ts";
import { assert, test } from "../suite.ts";
import { mutants, worldOf } from "./mutants.ts";
import { type Kind, type Op, planOf } from "./plan.ts";
import { storms } from "./storms.ts";
import type { WorldOptions } from "./options.ts";
import { violationOf } from "./ways.ts";

interface Coverage {
  readonly result: readonly {
    readonly url: string;
    readonly functions: readonly {
      readonly functionName: string;
      readonly ranges: readonly { readonly startOffset: number; readonly endOffset: number; readonly count: number }[];
    }[];
  }[];
}

const session = new Session();
session.connect();
const ask = (method: string, params: object = {}): Promise<object | undefined> =>
  new Promise((resolve, reject) =>
    session.post(method, params, (error, answer) => error === null ? resolve(answer) : reject(error))
  );
// Functions that ran before this are counted from here on, too.
await ask("Profiler.enable");
await ask("Profiler.startPreciseCoverage", { callCount: true, detailed: true });

/** Every sixth operation is bad input. */
const withOdd = (plan: readonly Op[]): Op[] =>
  plan.map(([kind, a, b], at) => at % 6 === 5 ? ["odd", (a * 7 + b) % 64, b] : [kind, a, b]);

const doing = (kind: Kind, times: number): Op[] => Array.from({ length: times }, () => [kind, 0, 1]);
/** A payment from its order to its end, where nothing fails. */
const workday: readonly Op[] = [
  ["send", 0, 0],
  ...["deliver", "run", "store", "deliver", "run", "store", "deliver"].flatMap((kind) => doing(kind as Kind, 3)),
];

function runAll(): number {
  let schedules = 0;
  const holds = (plan: readonly Op[], nodes = 2 + schedules % 2, more: Partial<WorldOptions> = {}): void => {
    const gone = schedules % 8 === 7 ? { gone: 0 } : {};
    schedules += 1;
    assert.equal(violationOf(plan, { nodes, rules, ...gone, ...more })?.message, undefined);
  };
  for (let seed = 1; seed <= 2_000; seed++) holds(planOf(seed, 60));
  for (let seed = 1; seed <= 1_000; seed++) holds(planOf(seed, 250));
  for (let seed = 1; seed <= 1_500; seed++) holds(withOdd(planOf(seed, 150)));
  for (let seed = 1; seed <= 500; seed++) holds(planOf(seed, 150), 2, { survives: "process" });
  for (let seed = 1; seed <= 500; seed++) {
    const { weights, limits = {} } = storms.find(({ name }) => name === "ends that are soon forgotten")!;
    holds(planOf(seed, 200, [], weights), 3, { limits });
  }
  // One in a thousand restores a node that kept an answer and then forgot it, with no snapshot between; as few find
  // that a receiver has turned to a new epoch while a snapshot was on its way into the journal.
  for (const seed of [3_625, 4_614, 6_353, 8_869, 18, 20, 28, 50]) holds(planOf(seed, 300), 2 + seed % 2);
  // More messages on one stream than an outbox forgets one by one.
  holds(Array.from({ length: 400 }, () => workday).flat());
  for (const mutant of mutants) {
    if (mutant.broken?.forgets === undefined && mutant.broken?.commitsCursor === undefined) continue;
    for (let seed = 1; seed <= 100; seed++) {
      schedules += 1;
      violationOf(planOf(seed, 100), { nodes: 2, ...worldOf(mutant) });
    }
  }
  return schedules;
}

test("Schedules reach every branch of the delivery core", async () => {
  const schedules = runAll();
  const { result } = await ask("Profiler.takePreciseCoverage") as Coverage;
  const files = result.filter(({ url }) => url.includes("/runtime/delivery/"));
  const missed: string[] = [];
  let branches = 0;
  for (const { url, functions } of files) {
    const text = readFileSync(fileURLToPath(url), "utf8");
    for (const { ranges, functionName } of functions) {
      for (const { startOffset, endOffset, count } of ranges) {
        branches += 1;
        if (count > 0) continue;
        const line = text.slice(0, startOffset).split("\n").length;
        const what = text.slice(startOffset, endOffset).trim().slice(0, 80);
        missed.push(`${url.split("/").at(-1)}:${line} ${functionName}: ${what}`);
      }
    }
  }
  const percent = (100 * (branches - missed.length) / branches).toFixed(2);
  console.log(`  ${percent} % of the core's ${branches} functions and blocks, in ${schedules} schedules`);
  assert.ok(files.length >= 9, `only ${files.length} files of the core were counted`);
  assert.deepEqual(missed, []);
}, { timeoutMs: 180_000 });
