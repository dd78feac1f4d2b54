// Dense layers forward and back over memory, row by row. What is zero is left out: the bits of a fingerprint nearly all
// are, and so is half of what comes through a rectifier. All arguments are addresses and counts.

import {
  across,
  add,
  advance,
  type Code,
  constant,
  count,
  type Lanes,
  load,
  type Local,
  plus,
  positive,
  productSum,
  type Routine,
  routine,
  spread,
  store,
  sum,
  v128,
  whereNotZero,
  zero,
  zeroBytes,
} from "./assembler.ts";

interface Vector {
  readonly offset: number;
  readonly lanes: Lanes;
}

/** How many vectors are added up at once: each has a register. */
const vectorsAtOnce = 16;

function vectorsOf(outputs: number): Vector[] {
  const vectors: Vector[] = [];
  for (let at = 0; at < outputs; at += vectors.at(-1)!.lanes) {
    vectors.push({ offset: at * 4, lanes: at + 4 <= outputs ? 4 : 1 });
  }
  return vectors;
}

function passesOf(outputs: number): Vector[][] {
  const vectors = vectorsOf(outputs);
  const passes: Vector[][] = [];
  while (vectors.length > 0) passes.push(vectors.splice(0, vectorsAtOnce));
  return passes;
}

/**
 * Runs the body for each number of a row that is not zero, with where it lies beyond `at`, and which it is beyond `row`,
 * by the bytes that a row has. They are looked at by fours, since mostly all of them are zero.
 */
function eachNotZero(
  at: Local,
  end: Code,
  row: Local,
  rowBytes: number,
  body: (at: number, row: number) => Code,
): Code {
  const some = (lanes: Lanes): Code => [
    advance(at, end, lanes * 4, [
      whereNotZero(
        lanes,
        at.get,
        Array.from({ length: lanes }, (_, lane) => whereNotZero(1, at.get, body(lane * 4, lane * rowBytes), lane * 4)),
      ),
      row.set(plus(row.get, lanes * rowBytes)),
    ]),
  ];
  return [some(4), some(1)];
}

/** (inputs, weights, bias, outputs, rows): outputs = inputs · weights + bias, through a rectifier if there is one. */
export function denseForward(inputs: number, outputs: number, relu: boolean): Routine {
  return routine("denseForward", 5, (parameters, local) => {
    const [from, weights, bias, to, rows] = parameters as [Local, Local, Local, Local, Local];
    const [r, at, end, weightsAt, toAt, one] = [local(), local(), local(), local(), local(), local(v128)];
    const totals = Array.from({ length: vectorsAtOnce }, () => local(v128));
    const pass = (chosen: readonly Vector[]): Code => [
      at.set(from.get),
      toAt.set(to.get),
      count(r, rows.get, [
        chosen.map(({ offset, lanes }, index) => totals[index]!.set(load(lanes, bias.get, offset))),
        end.set(plus(at.get, inputs * 4)),
        weightsAt.set(weights.get),
        eachNotZero(at, end.get, weightsAt, outputs * 4, (place, row) => [
          one.set(spread(at.get, place)),
          chosen.map(({ offset, lanes }, index) =>
            totals[index]!.set(productSum(one.get, load(lanes, weightsAt.get, row + offset), totals[index]!.get))
          ),
        ]),
        chosen.map(({ offset, lanes }, index) =>
          store(lanes, toAt.get, relu ? positive(totals[index]!.get) : totals[index]!.get, offset)
        ),
        toAt.set(plus(toAt.get, outputs * 4)),
      ]),
    ];
    return passesOf(outputs).map(pass);
  });
}

/** (inputs, change, weightsChange, biasChange, rows): what the changes of the outputs ask of the weights. */
export function denseWeightsChange(inputs: number, outputs: number): Routine {
  return routine("denseWeightsChange", 5, (parameters, local) => {
    const [from, change, weightsChange, biasChange, rows] = parameters as [Local, Local, Local, Local, Local];
    const [r, at, end, changeAt, weightsAt, one] = [local(), local(), local(), local(), local(), local(v128)];
    const changes = Array.from({ length: vectorsAtOnce }, () => local(v128));
    const pass = (chosen: readonly Vector[]): Code => [
      at.set(from.get),
      changeAt.set(change.get),
      count(r, rows.get, [
        chosen.map(({ offset, lanes }, index) => [
          changes[index]!.set(load(lanes, changeAt.get, offset)),
          store(lanes, biasChange.get, sum(load(lanes, biasChange.get, offset), changes[index]!.get), offset),
        ]),
        end.set(plus(at.get, inputs * 4)),
        weightsAt.set(weightsChange.get),
        eachNotZero(at, end.get, weightsAt, outputs * 4, (place, row) => [
          one.set(spread(at.get, place)),
          chosen.map(({ offset, lanes }, index) =>
            store(
              lanes,
              weightsAt.get,
              productSum(one.get, changes[index]!.get, load(lanes, weightsAt.get, row + offset)),
              row + offset,
            )
          ),
        ]),
        changeAt.set(plus(changeAt.get, outputs * 4)),
      ]),
    ];
    return [
      zeroBytes(weightsChange.get, constant(inputs * outputs * 4)),
      zeroBytes(biasChange.get, constant(outputs * 4)),
      passesOf(outputs).map(pass),
    ];
  });
}

/**
 * (inputs, weights, change, inputsChange, rows): what the changes of the outputs ask of the inputs; nothing, with `relu`,
 * of those that came through a rectifier as zero.
 */
export function denseInputsChange(inputs: number, outputs: number, relu: boolean): Routine {
  return routine("denseInputsChange", 5, (parameters, local) => {
    const [from, weights, change, to, rows] = parameters as [Local, Local, Local, Local, Local];
    const [r, at, end, weightsAt, total] = [local(), local(), local(), local(), local(v128)];
    const one: Code = [
      total.set(zero),
      vectorsOf(outputs).map(({ offset, lanes }) =>
        total.set(productSum(load(lanes, weightsAt.get, offset), load(lanes, change.get, offset), total.get))
      ),
      across(total),
      store(1, to.get, total.get),
    ];
    return [
      at.set(from.get),
      count(r, rows.get, [
        end.set(add(at.get, constant(inputs * 4))),
        weightsAt.set(weights.get),
        advance(at, end.get, 4, [
          relu ? [store(1, to.get, zero), whereNotZero(1, at.get, one)] : one,
          to.set(plus(to.get, 4)),
          weightsAt.set(plus(weightsAt.get, outputs * 4)),
        ]),
        change.set(plus(change.get, outputs * 4)),
      ]),
    ];
  });
}
