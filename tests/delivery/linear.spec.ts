// The linearizability checker against brute force, at its budget, and on histories whose verdict is known.
import { assert, fc, property, test } from "../suite.ts";
import { type Call, linearizable, type Model, type Verdict } from "./linear.ts";

type Step = { readonly add: number };

/** A counter that answers what it holds after an addition; adding nothing is a read. */
const counter: Model<number, Step, number> = {
  initial: 0,
  apply: (state, { add }) => [state + add, state + add],
  key: String,
  same: (a, b) => a === b,
};

type History = readonly Call<Step, number>[];

/** Every subset that holds all answered calls, in every order: too slow for anything but a check of the check. */
function bruteForce(calls: History): Verdict {
  const fits = (left: History, order: History, state: number): boolean => {
    if (left.every(({ to }) => to === undefined)) return true;
    return left.some((call) => {
      if (left.some((other) => other !== call && other.to !== undefined && other.to < call.from)) return false;
      const after = state + call.input.add;
      if (call.to !== undefined && after !== call.output) return false;
      return fits(left.filter((other) => other !== call), [...order, call], after);
    });
  };
  return fits(calls, [], 0) ? "ok" : "violation";
}

const call = (from: number, to: number | undefined, add: number, output?: number): Call<Step, number> => {
  return { from, to, input: { add }, output };
};

test("Checker agrees with brute force on small histories", async () => {
  const verdicts = new Set<Verdict>();
  const one = fc.record({
    from: fc.nat(8),
    span: fc.option(fc.nat(5), { nil: undefined }),
    add: fc.nat(2),
    output: fc.nat(5),
  });
  await property([fc.array(one, { maxLength: 5 })], (drawn) => {
    const history = drawn.map(({ from, span, add, output }) =>
      call(from, span === undefined ? undefined : from + span, add, output)
    );
    const verdict = linearizable(history, counter);
    verdicts.add(verdict);
    assert.equal(verdict, bruteForce(history));
  }, { runs: 2_000 });
  assert.deepEqual([...verdicts].sort(), ["ok", "violation"]);
});

test("Checker lets an unknown call happen late or never, and no answered one out of its time", () => {
  assert.equal(linearizable([call(0, undefined, 1), call(5, 6, 0, 1)], counter), "ok");
  assert.equal(linearizable([call(0, undefined, 1), call(5, 6, 0, 0)], counter), "ok");
  assert.equal(linearizable([call(0, 1, 1, 1), call(5, 6, 0, 0)], counter), "violation");
  assert.equal(linearizable([call(0, 1, 1, 1), call(2, 3, 1, 1)], counter), "violation");
  assert.equal(linearizable([call(7, undefined, 1), call(5, 6, 0, 1)], counter), "violation");
});

test("Checker says unknown beyond its budget, of what holds and of what does not", () => {
  const many = Array.from({ length: 12 }, () => call(0, 100, 1, 1));
  const wide = Array.from({ length: 14 }, (_, at) => call(0, undefined, 2 ** at));
  const impossible = [...wide, call(0, 100, 0, -1)];
  assert.equal(linearizable(impossible, counter, 50), "unknown");
  assert.equal(linearizable(many.map((one, at) => ({ ...one, output: at + 1 })), counter, 5), "unknown");
});
