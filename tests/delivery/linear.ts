// Whether a history of calls could have happened one by one, each at a moment between its beginning and its end: the
// search of Wing, Gong and Lowe, which remembers where it has been. Beyond its budget it says that it does not know.

/** A call: between `from` and `to` if it was answered, at any time from `from` on or never if nobody knows (`to` none). */
export interface Call<In, Out> {
  readonly from: number;
  readonly to: number | undefined;
  readonly input: In;
  readonly output: Out | undefined;
}

/** What one object does: from a state and an input, its next state and its answer. States are told apart by `key`. */
export interface Model<State, In, Out> {
  readonly initial: State;
  apply(state: State, input: In): readonly [next: State, output: Out];
  key(state: State): string;
  same(a: Out, b: Out): boolean;
}

export type Verdict = "ok" | "violation" | "unknown";

export function linearizable<State, In, Out>(
  calls: readonly Call<In, Out>[],
  model: Model<State, In, Out>,
  stepsMax = 100_000,
): Verdict {
  const seen = new Set<string>();
  const done = calls.map(() => false);
  let open = calls.filter(({ to }) => to !== undefined).length;
  let steps = 0;

  function search(state: State): Verdict {
    if (open === 0) return "ok";
    if ((steps += 1) > stepsMax) return "unknown";
    const here = `${done.map(Number).join("")} ${model.key(state)}`;
    if (seen.has(here)) return "violation";
    seen.add(here);
    // Whatever comes next began before the first of those that are left had ended.
    let firstEnd = Infinity;
    for (const [at, { to }] of calls.entries()) if (!done[at] && to !== undefined) firstEnd = Math.min(firstEnd, to);
    for (const [at, { from, to, input, output }] of calls.entries()) {
      if (done[at] || from > firstEnd) continue;
      const [next, given] = model.apply(state, input);
      if (to !== undefined && !model.same(given, output!)) continue;
      done[at] = true;
      if (to !== undefined) open -= 1;
      const verdict = search(next);
      if (verdict !== "violation") return verdict;
      done[at] = false;
      if (to !== undefined) open += 1;
    }
    return "violation";
  }

  return search(model.initial);
}
