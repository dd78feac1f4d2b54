// The routine of a convolution's other gradient: what its padded input and the changes of its result say of the filter.

import {
  add,
  advance,
  type Code,
  constant,
  count,
  type Lanes,
  load,
  type Local,
  multiply,
  plus,
  productSum,
  type Routine,
  routine,
  scaled,
  spread,
  spreadLane,
  store,
  sum,
  turned,
  v128,
  zero,
  zeroBytes,
} from "./assembler.ts";
import { blocks, bytesEach, type Filter, range } from "./convolution.ts";

/** Numbers of the filter whose gradients are computed at once, beside two vectors of channels. */
const tapsAtOnce = 4;

type Eight = readonly [Local, Local, Local, Local, Local, Local, Local, Local];

/** (padded, change, gradient, batch, rows, columns, paddedRows, paddedColumns): `gradient` is like the filter. */
export function filterGradient(filter: Filter): Routine {
  const { outputs, inputs, rows, columns } = filter;
  const across4 = columns * inputs;
  const placeBytes = filter.columnStride * inputs * bytesEach;
  const outBytes = outputs * bytesEach;
  const { eights, four, firstSingle } = blocks(outputs);
  return routine("filterGradient", 8, (parameters, local) => {
    const [padded, change, gradient, batch, height, width, paddedHeight, paddedWidth] = parameters as Eight;
    const [n, h, i, c, tap] = [local(), local(), local(), local(), local()];
    const [rowBytes, row, changeRow, changeEnd] = [local(), local(), local(), local()];
    const [x, y, into] = [local(), local(), local()];
    const sums = Array.from({ length: tapsAtOnce * 2 }, () => local(v128));
    const [y0, y1, inputsHere, spreadOne] = [local(v128), local(v128), local(v128), local(v128)];
    const addTo = (lanes: Lanes, offset: number, value: Code): Code =>
      store(lanes, into.get, sum(load(lanes, into.get, offset), value), offset);

    /** Some products of a row's inputs, from `tap` on, with a vector or two of channels from `c` on. */
    const tile = (taps: number, vectors: number): Code => {
      const at = (index: number, vector: number): Local => sums[index * 2 + vector]!;
      const each = (write: (index: number, vector: number) => Code): Code =>
        range(taps).map((index) => range(vectors).map((vector) => write(index, vector)));
      return [
        each((index, vector) => at(index, vector).set(zero)),
        x.set(add(row.get, scaled(tap.get, bytesEach))),
        y.set(add(changeRow.get, c.get)),
        advance(
          y,
          changeEnd.get,
          outBytes,
          [
            y0.set(load(4, y.get)),
            vectors === 2 ? y1.set(load(4, y.get, 16)) : [],
            taps === 4 ? inputsHere.set(load(4, x.get)) : [],
            range(taps).map((index) => [
              spreadOne.set(taps === 4 ? spreadLane(inputsHere, index) : spread(x.get, index * bytesEach)),
              range(vectors).map((vector) => {
                const sum = at(index, vector);
                return sum.set(productSum(spreadOne.get, (vector === 0 ? y0 : y1).get, sum.get));
              }),
            ]),
            x.set(plus(x.get, placeBytes)),
          ],
          vectors * 16,
        ),
        into.set(add(add(gradient.get, c.get), scaled(add(scaled(i.get, across4), tap.get), outBytes))),
        each((index, vector) => addTo(4, index * outBytes + vector * 16, at(index, vector).get)),
      ];
    };
    const pass = (vectors: number): Code => [
      tap.set(constant(0)),
      advance(tap, constant(across4), tapsAtOnce, tile(tapsAtOnce, vectors)),
      across4 % tapsAtOnce > 0 ? tile(across4 % tapsAtOnce, vectors) : [],
    ];

    /** One channel: vectors along the inputs of a row; its gradients lie apart, and are stored lane by lane. */
    const single = (channel: number): Code => {
      const run = (vectors: number, lanes: Lanes): Code => [
        range(vectors).map((index) => sums[index]!.set(zero)),
        x.set(add(row.get, scaled(tap.get, bytesEach))),
        y.set(plus(changeRow.get, channel * bytesEach)),
        advance(
          y,
          changeEnd.get,
          outBytes,
          [
            spreadOne.set(spread(y.get)),
            range(vectors).map((index) => {
              const sum = sums[index]!;
              return sum.set(productSum(load(lanes, x.get, index * 16), spreadOne.get, sum.get));
            }),
            x.set(plus(x.get, placeBytes)),
          ],
          bytesEach,
        ),
        into.set(
          plus(add(gradient.get, scaled(add(scaled(i.get, across4), tap.get), outBytes)), channel * bytesEach),
        ),
        range(vectors).map((index) =>
          range(lanes).map((lane) => addTo(1, (index * 4 + lane) * outBytes, turned(sums[index]!, lane)))
        ),
      ];
      return [
        tap.set(constant(0)),
        advance(tap, constant(across4), 24, run(6, 4)),
        advance(tap, constant(across4), 4, run(1, 4)),
        advance(tap, constant(across4), 1, run(1, 1)),
      ];
    };

    return [
      rowBytes.set(scaled(paddedWidth.get, inputs * bytesEach)),
      zeroBytes(gradient.get, constant(rows * across4 * outBytes)),
      changeRow.set(change.get),
      count(
        n,
        batch.get,
        count(h, height.get, [
          changeEnd.set(add(changeRow.get, scaled(width.get, outBytes))),
          count(i, constant(rows), [
            row.set(
              add(
                padded.get,
                multiply(
                  rowBytes.get,
                  add(add(multiply(n.get, paddedHeight.get), scaled(h.get, filter.rowStride)), i.get),
                ),
              ),
            ),
            c.set(constant(0)),
            eights > 0 ? advance(c, constant(eights * 32), 32, pass(2)) : [],
            four ? [c.set(constant(eights * 32)), pass(1)] : [],
            range(outputs - firstSingle).map((index) => single(firstSingle + index)),
          ]),
          changeRow.set(changeEnd.get),
        ]),
      ),
    ];
  });
}
