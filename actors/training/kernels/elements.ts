// The routines that go over memory once: an input with room around it, what flows back through a rectifier and its
// bias, and a step of Adam. All arguments are addresses, counts and bytes.

import {
  add,
  advance,
  type Code,
  constant,
  copyBytes,
  count,
  type Lanes,
  load,
  type Local,
  multiply,
  plus,
  product,
  productSum,
  quotient,
  root,
  type Routine,
  routine,
  spread,
  store,
  sum,
  v128,
  where,
  zero,
  zeroBytes,
} from "./assembler.ts";

/** (from, to, batch, rows, rowBytes, top, bottom, left, right): rows with zeros around them. */
export function surround(): Routine {
  return routine("surround", 9, (parameters, local) => {
    const [from, to, batch, rows, rowBytes, top, bottom, left, right] = parameters as Nine;
    const [n, h, wide] = [local(), local(), local()];
    const clear = (bytes: Code): Code => [zeroBytes(to.get, bytes), to.set(add(to.get, bytes))];
    return [
      wide.set(add(rowBytes.get, add(left.get, right.get))),
      count(n, batch.get, [
        clear(multiply(top.get, wide.get)),
        count(h, rows.get, [
          clear(left.get),
          copyBytes(to.get, from.get, rowBytes.get),
          to.set(add(to.get, rowBytes.get)),
          from.set(add(from.get, rowBytes.get)),
          clear(right.get),
        ]),
        clear(multiply(bottom.get, wide.get)),
      ]),
    ];
  });
}

/**
 * (from, to, batch, rows, columns, placeBytes, imageBytes, startBytes, rowStep, columnStep): places apart from each
 * other, with zeros between and around them.
 */
export function scatter(): Routine {
  return routine("scatter", 10, (parameters, local) => {
    const [from, to, batch, rows, columns, placeBytes, imageBytes, start, rowStep] = parameters as Nine;
    const columnStep = parameters[9]!;
    const [n, h, w, at] = [local(), local(), local(), local()];
    return [
      zeroBytes(to.get, multiply(batch.get, imageBytes.get)),
      count(n, batch.get, [
        count(h, rows.get, [
          at.set(add(add(to.get, start.get), multiply(h.get, rowStep.get))),
          count(w, columns.get, [
            copyBytes(at.get, from.get, placeBytes.get),
            from.set(add(from.get, placeBytes.get)),
            at.set(add(at.get, columnStep.get)),
          ]),
        ]),
        to.set(add(to.get, imageBytes.get)),
      ]),
    ];
  });
}

type Nine = readonly [Local, Local, Local, Local, Local, Local, Local, Local, Local];

/** How many vectors are added up at once: each has a register. */
const vectorsAtOnce = 8;

/**
 * (change, value, out, sums, rows, columns): each channel's changes added up over all places; with `relu` only those
 * where the value is above zero, which are also written out. Adds up a row before it adds to the sums, for precision.
 */
export function channelSums(channels: number, relu: boolean): Routine {
  return routine("channelSums", 6, (parameters, local) => {
    const [change, value, out, sums, rows, columns] = parameters as Nine;
    const [r, q, at, valueAt, outAt] = [local(), local(), local(), local(), local()];
    const totals = Array.from({ length: vectorsAtOnce }, () => local(v128));
    const one = local(v128);
    const placeBytes = channels * 4;
    const vectors: { offset: number; lanes: Lanes }[] = [];
    for (let c = 0; c < channels; c += vectors.at(-1)!.lanes) {
      vectors.push({ offset: c * 4, lanes: c + 4 <= channels ? 4 : 1 });
    }
    const pass = (chosen: typeof vectors): Code => [
      at.set(change.get),
      valueAt.set(value.get),
      outAt.set(out.get),
      count(r, rows.get, [
        chosen.map((_, index) => totals[index]!.set(zero)),
        count(q, columns.get, [
          chosen.map(({ offset, lanes }, index) => [
            one.set(load(lanes, at.get, offset)),
            relu
              ? [
                one.set(where(one.get, load(lanes, valueAt.get, offset))),
                store(lanes, outAt.get, one.get, offset),
              ]
              : [],
            totals[index]!.set(sum(totals[index]!.get, one.get)),
          ]),
          [at, valueAt, outAt].map((address) => address.set(plus(address.get, placeBytes))),
        ]),
        chosen.map(({ offset, lanes }, index) =>
          store(lanes, sums.get, sum(load(lanes, sums.get, offset), totals[index]!.get), offset)
        ),
      ]),
    ];
    const passes: Code[] = [];
    for (let first = 0; first < vectors.length; first += vectorsAtOnce) {
      passes.push(pass(vectors.slice(first, first + vectorsAtOnce)));
    }
    return [zeroBytes(sums.get, constant(placeBytes)), passes];
  });
}

/** Where the numbers of a step of Adam lie, one after the other. */
export const adamNumbers = ["keep1", "take1", "keep2", "take2", "rate", "scale2", "epsilon"] as const;

/** (weights, gradient, first, second, newWeights, newFirst, newSecond, numbers, bytes). */
export function adam(): Routine {
  return routine("adam", 9, (parameters, local) => {
    const [weights, gradient, first, second, newWeights, newFirst, newSecond, numbers, bytes] = parameters as Nine;
    const [at, g, m, v] = [local(), local(v128), local(v128), local(v128)];
    const known = adamNumbers.map(() => local(v128));
    const number = (name: (typeof adamNumbers)[number]): Code => known[adamNumbers.indexOf(name)]!.get;
    const step = (lanes: Lanes): Code => [
      g.set(load(lanes, add(gradient.get, at.get))),
      m.set(productSum(number("take1"), g.get, product(number("keep1"), load(lanes, add(first.get, at.get))))),
      v.set(
        productSum(
          number("take2"),
          product(g.get, g.get),
          product(number("keep2"), load(lanes, add(second.get, at.get))),
        ),
      ),
      store(lanes, add(newFirst.get, at.get), m.get),
      store(lanes, add(newSecond.get, at.get), v.get),
      store(
        lanes,
        add(newWeights.get, at.get),
        productSum(
          number("rate"),
          quotient(m.get, sum(root(product(v.get, number("scale2"))), number("epsilon"))),
          load(lanes, add(weights.get, at.get)),
        ),
      ),
    ];
    return [
      known.map((each, index) => each.set(spread(numbers.get, index * 4))),
      at.set(constant(0)),
      advance(at, bytes.get, 16, step(4)),
      advance(at, bytes.get, 4, step(1)),
    ];
  });
}
