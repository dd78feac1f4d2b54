// The records of a run: what was waited for is there, whatever happens to the writer; what is damaged is left out, and
// nothing else; what is kept of a task is what it answered.
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { realWorld } from "../../runtime/launch/world.ts";
import { digestOf } from "../../runtime/run/digest.ts";
import { type RunLayout, runLayout } from "../../runtime/run/layout.ts";
import { keptResult, runLedger, tensorsOf, valueOf } from "../../runtime/run/ledger.ts";
import { type Damage, readRecords } from "../../runtime/run/reader.ts";
import type { Fact, KeptResult, RunRecord } from "../../runtime/run/records.ts";
import { runSummary } from "../../runtime/run/summary.ts";
import { recordWriter } from "../../runtime/run/writer.ts";
import { assert, fc, property, test } from "../suite.ts";

function emptyRun(): RunLayout {
  const layout = runLayout(mkdtempSync(join(tmpdir(), "run-")));
  mkdirSync(layout.records);
  return layout;
}

const said = (text: string): RunRecord => ({ type: "MessageLogged", at: 1, node: "main", level: "info", text });
const textsIn = (layout: RunLayout, damaged: (damage: Damage) => void = () => {}): string[] =>
  [...readRecords(layout, damaged)].flatMap(({ record }) => record.type === "MessageLogged" ? [record.text] : []);

function open(layout: RunLayout, head = 1, failed: (error: Error) => void = () => {}): ReturnType<typeof recordWriter> {
  return recordWriter({ layout, head, environment: realWorld, failed });
}

test("recordWriter: what was waited for is in the file, in order, whoever waits", async () => {
  const texts = fc.array(fc.record({ text: fc.string({ unit: "binary", maxLength: 40 }), wait: fc.boolean() }), {
    maxLength: 60,
  });
  await property([texts], async (plan) => {
    const layout = emptyRun();
    const writer = await open(layout);
    const waits: Promise<void>[] = [];
    let written: string[] = [];
    for (const { text, wait } of plan) {
      writer.write(said(text));
      written = [...written, text];
      const soFar = written;
      if (wait) {
        waits.push(writer.written().then(() => assert.deepEqual(textsIn(layout).slice(0, soFar.length), soFar)));
      }
    }
    await Promise.all(waits);
    await writer.close();
    assert.deepEqual(textsIn(layout), written);
  }, { runs: 30 });
});

test("recordWriter.written settles at once where nothing is on its way, and while a write is", async () => {
  const layout = emptyRun();
  const writer = await open(layout);
  await writer.written();
  writer.write(said("a"));
  const first = writer.written();
  await new Promise((resolve) => setImmediate(resolve));
  await Promise.all([writer.written(), first, writer.written()]);
  assert.deepEqual(textsIn(layout), ["a"]);
  await writer.close();
});

test("recordWriter does not write into the file of another head", async () => {
  const layout = emptyRun();
  const writer = await open(layout);
  await assert.rejects(open(layout), /Cannot record the run: .*EEXIST/);
  await writer.close();
});

test("readRecords: a file cut at any byte, or spoilt at any, loses that record and no other", async () => {
  const layout = emptyRun();
  const texts = Array.from({ length: 8 }, (_, n) => `text ${n} é ${"x".repeat(n)}`);
  const lines = texts.map((text) => `${JSON.stringify(said(text))}\n`);
  const whole = new TextEncoder().encode(lines.join(""));
  const ends = lines.map((_, n) => new TextEncoder().encode(lines.slice(0, n + 1).join("")).length);
  const file = join(layout.records, "000001.jsonl");
  await property([fc.nat({ max: whole.length })], (at) => {
    writeFileSync(file, whole.subarray(0, at));
    const damage: Damage[] = [];
    const left = texts.filter((_, n) => ends[n]! <= at);
    assert.deepEqual(textsIn(layout, (found) => damage.push(found)), left);
    assert.equal(damage.length === 1 && damage[0]!.cutOff, at > 0 && !ends.includes(at));
    // A byte that breaks the line's form, or joins two lines.
    if (at >= whole.length) return;
    const spoilt = whole.slice();
    spoilt[at] = 0;
    writeFileSync(file, spoilt);
    const read = textsIn(layout);
    const own = ends.findIndex((end) => at < end);
    const joined = ends[own] === at + 1 ? [own, own + 1] : [own];
    assert.deepEqual(read, texts.filter((_, n) => !joined.includes(n)));
  }, { runs: 200 });
});

test("readRecords leaves out what a head wrote after another took the run", () => {
  const layout = emptyRun();
  const first = join(layout.records, "000001.jsonl");
  writeFileSync(first, `${JSON.stringify(said("counts"))}\n`);
  const bytes = readFileSync(first).length;
  const started = { type: "RunStarted", at: 2, node: "main", version: 1, head: 2, sealed: { 1: bytes } };
  writeFileSync(join(layout.records, "000002.jsonl"), `${JSON.stringify(started)}\n${JSON.stringify(said("too"))}\n`);
  appendFileSync(first, `${JSON.stringify(said("of a zombie"))}\n`);
  assert.deepEqual(textsIn(layout), ["counts", "too"]);
});

/** What can be sent: data with everything in it that JSON has no word for. */
const sendable = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(null, true, false, NaN, Infinity, -Infinity, -0, 0, "", "$", "__proto"),
    fc.double(),
    fc.string({ unit: "binary", maxLength: 10 }),
    fc.bigInt(),
    fc.float32Array({ maxLength: 5 }),
    fc.uint8Array({ maxLength: 5 }),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(fc.string({ maxLength: 4 }).filter((key) => key !== "__proto__"), tie("value"), { maxKeys: 4 }),
  ),
})).value;

test("keptResult: what is kept of an answer is the answer, through a line of JSON", async () => {
  await property([sendable], (value) => {
    const kept: KeptResult = JSON.parse(JSON.stringify(keptResult(value)));
    assert.ok(!("notKept" in kept));
    const again = valueOf(kept);
    assert.ok(again !== undefined);
    assert.equal(digestOf([again.value]), digestOf([value]));
    // A digit that changed on the disk is found, and the task runs again.
    if ("frame" in kept) {
      const frame = (kept.frame.startsWith("B") ? "C" : "B") + kept.frame.slice(1);
      assert.equal(valueOf({ ...kept, frame }), undefined);
    } else if (kept.sum !== "void") assert.equal(valueOf({ ...kept, json: [kept.json] }), undefined);
  }, { runs: 300 });
  assert.deepEqual(valueOf(keptResult(undefined)), { value: undefined });
});

test("digestOf: the same for the same data in any order of members, another for other data", async () => {
  const shuffled = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(shuffled);
    if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value;
    return Object.fromEntries(Object.entries(value).reverse().map(([key, member]) => [key, shuffled(member)]));
  };
  await property([sendable, sendable], (a, b) => {
    assert.equal(digestOf([a]), digestOf([shuffled(a)]));
    assert.notEqual(digestOf([a, b]), digestOf([[a, b]]));
    if (digestOf([a]) === digestOf([b])) assert.deepEqual(shuffled(a), shuffled(b));
  }, { runs: 300 });
  const apart = [0, -0, "0", 0n, false, null, [], {}, [0], { 0: 0 }, "", [""], new Uint8Array(1), new Int8Array(1), [
    0,
    0,
  ], [[0], 0]];
  assert.equal(new Set(apart.map((value) => digestOf([value]))).size, apart.length);
});

test("tensorsOf finds what lies in a store, wherever it is in an answer", () => {
  const ref = {
    ref: "tensor",
    run: "r",
    id: "t1",
    dtype: "uint8",
    shape: [1],
    bytes: 1,
    checksum: "c",
    where: "file:///x",
  };
  const inside = { ...ref, id: "t2", inline: "AA==" };
  assert.deepEqual(tensorsOf([{ a: ref, b: [inside] }, null, new Uint8Array(3)]).map(({ id }) => id), ["t1"]);
});

/** A ledger whose records are at hand, and are on the disk at once. */
function ledgerOf(kept: Map<string, KeptResult> = new Map()) {
  const facts: Fact[] = [];
  const ledger = runLedger({
    environment: realWorld,
    kept,
    record: (fact) => facts.push(fact),
    written: () => Promise.resolve(),
  });
  return { facts, ledger };
}

test("runLedger: the same input under the same name once more is another task", async () => {
  const first = ledgerOf();
  const settled: unknown[] = [];
  for (const answer of [1, 2, 3]) {
    const task = first.ledger.enter("name", "Class", "run", { x: 1 });
    assert.equal(task.recorded, undefined);
    task.ended(undefined, answer, (_, value) => settled.push(value));
  }
  await Promise.resolve();
  await Promise.resolve();
  assert.deepEqual(settled, [1, 2, 3]);
  const kept = new Map(
    first.facts.flatMap((fact): [string, KeptResult][] =>
      fact.type === "TaskFinished" && fact.result !== undefined ? [[fact.task, fact.result]] : []
    ),
  );
  assert.equal(kept.size, 3);
  const { ledger } = ledgerOf(kept);
  const enter = (name: string, className: string, method: string, x: number): unknown =>
    ledger.enter(name, className, method, { x }).recorded?.value;
  assert.equal(enter("other", "Class", "run", 1), undefined);
  assert.equal(enter("name", "Another", "run", 1), undefined);
  assert.equal(enter("name", "Class", "walk", 1), undefined);
  assert.equal(enter("name", "Class", "run", 2), undefined);
  assert.deepEqual([1, 2, 3, 4].map(() => enter("name", "Class", "run", 1)), [1, 2, 3, undefined]);
});

test("runLedger counts tasks without a name, and refuses names that are none", () => {
  const { facts, ledger } = ledgerOf();
  for (let i = 0; i < 5; i++) {
    const task = ledger.enter(undefined, "Class", "run", i);
    task.began({ id: "main/1", class: "Class" }, 1);
    if (i < 4) task.ended(i === 0 ? new Error("no") : undefined, i, () => {});
  }
  ledger.close();
  assert.deepEqual(facts, [{ type: "TasksCounted", kind: "Class.run", begun: 5, done: 3, failed: 1 }]);
  for (const name of ["", "x".repeat(201)]) {
    assert.throws(() => ledger.enter(name, "Class", "run", 1), /a name has 1 to 200/);
  }
});

test("runSummary: what has a name stays done under the next head, what has none begins again", () => {
  const summary = runSummary();
  const happened = (fact: Fact): RunRecord => ({ at: 5, node: "main", ...fact });
  summary.take(1, happened({ type: "TasksPlanned", kind: "a", tasks: 3 }));
  summary.take(1, happened({ type: "TaskFinished", kind: "a", task: "t1", outcome: "done" }));
  summary.take(1, happened({ type: "TaskStarted", kind: "a", task: "t2", actor: { id: "1", class: "C" }, attempt: 1 }));
  summary.take(1, happened({ type: "TasksCounted", kind: "b", begun: 4, done: 2, failed: 1 }));
  const read = (): object => Object.fromEntries(summary.read().tasks);
  assert.deepEqual(read(), {
    a: { planned: 3, done: 1, failed: 0, underWay: 1 },
    b: { planned: undefined, done: 2, failed: 1, underWay: 1 },
  });
  summary.take(2, happened({ type: "TasksPlanned", kind: "a", tasks: 3 }));
  assert.deepEqual(read(), {
    a: { planned: 3, done: 1, failed: 0, underWay: 0 },
    b: { planned: undefined, done: 0, failed: 0, underWay: 0 },
  });
});
