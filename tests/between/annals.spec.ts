// Steps that are written down are read as they were, whatever neighbours have in common.
import type { StepRecord } from "../../runtime/delivery/protocol.ts";
import { commitIn, commitText } from "../../runtime/nodes/annals.ts";
import { plainBody } from "../../runtime/nodes/body.ts";
import { isShoalError } from "../../stores/error.ts";
import { assert, fc, property, test } from "../suite.ts";

const epoch = 3;
const few = fc.constantFrom("a/1", "a/@b", 'b/@"quoted"');
const body: fc.Arbitrary<unknown> = fc.oneof(
  fc.jsonValue().map((value) => plainBody(value)),
  fc.constant(plainBody(undefined)),
  fc.float64Array({ maxLength: 3 }).map((value) => plainBody({ value }, { special: true, tensors: undefined })),
);
const list = <T>(one: fc.Arbitrary<T>): fc.Arbitrary<readonly T[]> =>
  fc.oneof(fc.constant([]), fc.array(one, { maxLength: 4 }));
const answer = fc.record({
  epoch: fc.integer({ min: 1, max: 2 }),
  sequence: fc.nat(),
  key: fc.constantFrom("", "key"),
  digest: fc.constantFrom("", "digest"),
  result: fc.constantFrom("value" as const, "value" as const, "threw" as const, "conflict" as const),
  body: fc.oneof({ weight: 4, arbitrary: body }, fc.constant(undefined)),
}, { noNullPrototype: true });
const cursor = fc.record({
  source: few,
  node: fc.constantFrom("a", "b"),
  epoch: fc.integer({ min: 1, max: 2 }),
  sequence: fc.nat(),
  got: fc.nat(),
  base: fc.nat(),
  kept: list(answer),
  forgotten: list(fc.string()),
}, { noNullPrototype: true })
  // A node's name is in its actors' addresses.
  .map((one) => ({ ...one, node: one.source[0]! }));
const entry = fc.record({
  sequence: fc.nat(),
  born: fc.nat(),
  kind: fc.constantFrom("tell" as const, "call" as const),
  body: body,
  bytes: fc.nat(),
  pins: list(fc.string()),
  key: fc.string(),
  digest: fc.string(),
  chain: list(few),
}, { noNullPrototype: true });
const sent = fc.record({
  destination: few,
  node: few,
  incarnation: fc.nat(),
  start: fc.nat(),
  acked: fc.nat(),
  last: fc.nat(),
  entries: list(entry),
  openings: list(fc.record({ epoch: fc.nat(), base: fc.nat() }, { noNullPrototype: true })),
}, { noNullPrototype: true });
const timer = fc.record({ id: fc.string(), at: fc.nat() }, { noNullPrototype: true });
const input = { source: "a/1", epoch: 1, sequence: 1, identity: "a/1~1.1", timer: "" };
const step: fc.Arbitrary<StepRecord> = fc.record({
  actor: few,
  epoch: fc.constant(epoch),
  whole: fc.boolean(),
  cursors: list(cursor),
  sent: list(sent),
  change: fc.option(
    fc.tuple(body, body).map(([fields, born]) => {
      const birth = { class: "c#C", name: "n", input: born, seed: 1, options: {} };
      return { state: { birth, fields } };
    }),
    { nil: undefined },
  ),
  timersSet: list(timer),
  timersDone: list(fc.string()),
  pins: fc.option(list(fc.string()), { nil: undefined }),
  input: fc.option(fc.nat().map((bytes) => ({ ...input, bytes })), { nil: undefined }),
}, { noNullPrototype: true });

/** What a successor has to find: of the states of one actor its last, and of what a step ran on its weight. */
function expected(records: readonly StepRecord[]): readonly StepRecord[] {
  return records.map((record, index) => {
    const isLast = record.whole ||
      !records.slice(index + 1).some(({ actor, change }) => actor === record.actor && change !== undefined);
    const { bytes } = record.input ?? { bytes: 0 };
    const weight = { source: "", epoch: 0, sequence: 0, identity: "", bytes, timer: "" };
    return {
      ...record,
      change: isLast ? record.change : undefined,
      input: record.input === undefined ? undefined : weight,
    };
  });
}

const shown = (records: readonly StepRecord[]): unknown => JSON.parse(JSON.stringify(records));

test("annals: a commit is read as it was written, but for states that nobody will read", () =>
  property([fc.array(step, { maxLength: 12, size: "max" }), fc.nat()], (records, number) => {
    const ended = records.map((record, index) => index % 3 === 0 ? { ...record, ended: true as const } : record);
    const read = commitIn("n", commitText(epoch, number, ended));
    assert.equal(read.number, number);
    assert.deepEqual(shown(read.records), shown(expected(ended)));
  }, { runs: 300 }));

test("annals: a step that answers, and no more, takes less room than a hundred bytes", () => {
  const records = Array.from({ length: 256 }, (_, index): StepRecord => {
    const sequence = 1_000_000 + index;
    const kept = [{ epoch: 1, sequence, key: "", digest: "", result: "value" as const, body: plainBody(index) }];
    return {
      actor: "main/@counter",
      epoch,
      whole: false,
      cursors: [{
        source: "main/0",
        node: "main",
        epoch: 1,
        sequence,
        got: sequence - 9,
        base: 0,
        kept,
        forgotten: [],
      }],
      sent: [],
      change: undefined,
      timersSet: [],
      timersDone: [],
      pins: [],
      input: { ...input, bytes: 0 },
    };
  });
  assert.ok(commitText(epoch, 1, records).length < 100 * records.length);
});

test("annals: what another version has written is refused, with the cure", () => {
  for (const text of ['{"number":1,"records":[]}', "[1,1,1]", "null"]) {
    assert.throws(() => commitIn("n", text), (error) => {
      assert.ok(isShoalError(error, "Incompatible"));
      assert.match(
        error.message,
        /journal of node n: another version of shoal has written it; go on with that version/,
      );
      return true;
    });
  }
});
