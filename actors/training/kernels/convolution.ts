// The routine of a convolution of a padded input with a filter. All arguments are addresses and sizes. Inputs are (batch, rows, columns, channels), filters (rows, columns, in, out).

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
  multiply,
  plus,
  positive,
  productSum,
  type Routine,
  routine,
  scaled,
  spread,
  spreadLane,
  store,
  sum,
  v128,
  zero,
} from "./assembler.ts";

/** What a routine is written for: sizes of the filter, and how far it moves from one place to the next. */
export interface Filter {
  readonly rows: number;
  readonly columns: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly rowStride: number;
  readonly columnStride: number;
}

/** What follows the sum of products. */
export interface Finish {
  readonly bias: boolean;
  readonly relu: boolean;
}

export const bytesEach = 4;
/**
 * Places of one row that are computed at once, beside two vectors of channels: with more of them, or with longer loops,
 * the engines run out of registers. Inputs are read four at a time, since Deno checks each access to memory.
 */
const placesAtOnce = 4;
/** The channels of a row in vectors of eight, then four; what is left comes singly. */
export function blocks(outputs: number): { eights: number; four: boolean; firstSingle: number } {
  const eights = outputs >> 3;
  const four = (outputs & 4) !== 0;
  return { eights, four, firstSingle: eights * 8 + (four ? 4 : 0) };
}

/**
 * (padded, filter, singles, bias, out, batch, rows, columns, paddedRows, paddedColumns): `singles` has the filter of
 * each channel that is left over, one after the other.
 */
export function convolve(filter: Filter, { bias, relu }: Finish): Routine {
  const { outputs, inputs, rows, columns } = filter;
  const across4 = columns * inputs;
  const placeBytes = filter.columnStride * inputs * bytesEach;
  const outBytes = outputs * bytesEach;
  const { eights, four, firstSingle } = blocks(outputs);
  return routine("convolve", 10, (parameters, local) => {
    const [padded, weights, singles, biases, out, batch, height, width, paddedHeight, paddedWidth] = parameters as Ten;
    const [n, h, q, c, i, j] = [local(), local(), local(), local(), local(), local()];
    const [rowBytes, row, outRow, x, w, end] = [local(), local(), local(), local(), local(), local()];
    const sums = Array.from({ length: placesAtOnce * 2 }, () => local(v128));
    const inputsOf = Array.from({ length: placesAtOnce }, () => local(v128));
    const [w0, w1, one] = [local(v128), local(v128), local(v128)];
    const finished = (value: Code): Code => relu ? positive(value) : value;

    /** Some places of a row, and a vector or two of channels from `c` on. */
    const tile = (places: number, vectors: number): Code => {
      const at = (place: number, vector: number): Local => sums[place * 2 + vector]!;
      const each = (write: (place: number, vector: number) => Code): Code =>
        range(places).map((place) => range(vectors).map((vector) => write(place, vector)));
      const tap = (index: number, input: (place: number) => Code): Code => [
        w0.set(load(4, w.get, index * outBytes)),
        vectors === 2 ? w1.set(load(4, w.get, index * outBytes + 16)) : [],
        range(places).map((place) => [
          one.set(input(place)),
          range(vectors).map((vector) => {
            const into = at(place, vector);
            return into.set(productSum(one.get, (vector === 0 ? w0 : w1).get, into.get));
          }),
        ]),
      ];
      const onwards = (taps: number): Code => [
        x.set(plus(x.get, taps * bytesEach)),
        w.set(plus(w.get, taps * outBytes)),
      ];
      const fourTaps: Code = [
        range(places).map((place) => inputsOf[place]!.set(load(4, x.get, place * placeBytes))),
        range(4).map((index) => tap(index, (place) => spreadLane(inputsOf[place]!, index))),
        onwards(4),
      ];
      const oneTap: Code = [tap(0, (place) => spread(x.get, place * placeBytes)), onwards(1)];
      return [
        each((place, vector) => at(place, vector).set(bias ? load(4, add(biases.get, c.get), vector * 16) : zero)),
        w.set(add(weights.get, c.get)),
        count(i, constant(rows), [
          x.set(add(add(row.get, scaled(q.get, placeBytes)), multiply(i.get, rowBytes.get))),
          count(j, constant(across4 >> 2), fourTaps),
          across4 % 4 > 0 ? count(j, constant(across4 % 4), oneTap) : [],
        ]),
        x.set(add(add(outRow.get, scaled(q.get, outBytes)), c.get)),
        each((place, vector) => store(4, x.get, finished(at(place, vector).get), place * outBytes + vector * 16)),
      ];
    };

    /** All places of a row, for the channels from `c` on. */
    const pass = (vectors: number): Code => [
      q.set(constant(0)),
      [placesAtOnce, 1].map((places) => advance(q, width.get, places, tile(places, vectors))),
    ];

    /** One channel of some places: the products of a place are added up across the lanes. */
    const singleTile = (channel: number, places: number): Code => {
      const each = (write: (place: number) => Code): Code => range(places).map((place) => write(place));
      const [fours, ones] = [(place: number) => sums[place * 2]!, (place: number) => sums[place * 2 + 1]!];
      const tap = (lanes: Lanes): Code => [
        w0.set(load(lanes, w.get)),
        each((place) => {
          const into = lanes === 4 ? fours(place) : ones(place);
          return into.set(productSum(load(lanes, x.get, place * placeBytes), w0.get, into.get));
        }),
        w.set(plus(w.get, lanes * bytesEach)),
      ];
      return [
        each((place) => [
          fours(place).set(zero),
          ones(place).set(bias ? load(1, biases.get, channel * bytesEach) : zero),
        ]),
        w.set(plus(singles.get, (channel - firstSingle) * rows * across4 * bytesEach)),
        count(i, constant(rows), [
          x.set(add(add(row.get, scaled(q.get, placeBytes)), multiply(i.get, rowBytes.get))),
          end.set(plus(x.get, across4 * bytesEach)),
          advance(x, end.get, 16, tap(4)),
          advance(x, end.get, 4, tap(1)),
        ]),
        x.set(add(outRow.get, scaled(q.get, outBytes))),
        each((place) => [
          fours(place).set(sum(fours(place).get, ones(place).get)),
          across(fours(place)),
          store(1, x.get, finished(fours(place).get), place * outBytes + channel * bytesEach),
        ]),
      ];
    };
    const single = (channel: number): Code => [
      q.set(constant(0)),
      [placesAtOnce, 1].map((places) => advance(q, width.get, places, singleTile(channel, places))),
    ];

    const eight: Code = [c.set(constant(0)), advance(c, constant(eights * 32), 32, pass(2))];
    return [
      rowBytes.set(scaled(paddedWidth.get, inputs * bytesEach)),
      outRow.set(out.get),
      count(
        n,
        batch.get,
        count(h, height.get, [
          row.set(
            add(
              padded.get,
              multiply(rowBytes.get, add(multiply(n.get, paddedHeight.get), scaled(h.get, filter.rowStride))),
            ),
          ),
          eights > 0 ? eight : [],
          four ? [c.set(constant(eights * 32)), pass(1)] : [],
          range(outputs - firstSingle).map((index) => single(firstSingle + index)),
          outRow.set(add(outRow.get, scaled(width.get, outBytes))),
        ]),
      ),
    ];
  });
}

type Eight = readonly [Local, Local, Local, Local, Local, Local, Local, Local];
type Ten = readonly [...Eight, Local, Local];

/** The numbers from 0 on. */
export const range = (length: number): number[] => Array.from({ length }, (_, index) => index);
