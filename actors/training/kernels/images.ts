// Convolutions in two dimensions on the heap: forward, and the gradients of the input and of the filter.

import type { Operations, TensorInfo } from "../tensorflow.ts";
import { convolve, type Filter, type Finish } from "./convolution.ts";
import { scatter, surround } from "./elements.ts";
import { filterGradient } from "./gradient.ts";
import type { Heap } from "./heap.ts";

/** What tfjs computes of a convolution's shapes. */
export type Geometry = ReturnType<Operations["backend_util"]["computeConv2DInfo"]>;

export interface Images {
  /** The input with the room that the filter needs around it; `free` gives the room back. */
  surrounded(x: TensorInfo, geometry: Geometry): { readonly padded: TensorInfo; free(): void };
  forward(x: TensorInfo, filter: TensorInfo, geometry: Geometry, finish?: Finished): TensorInfo;
  inputGradient(change: TensorInfo, filter: TensorInfo, geometry: Geometry): TensorInfo;
  filterGradient(x: TensorInfo, change: TensorInfo, geometry: Geometry): TensorInfo;
}

export interface Finished {
  readonly bias?: TensorInfo;
  readonly relu: boolean;
}

type Sides = Pick<Geometry["padInfo"], "top" | "bottom" | "left" | "right">;

/** The room that the filter needs at its last place, which may be more than what was asked for. */
function sidesOf({ padInfo, ...of }: Geometry): Sides {
  const { top, left } = padInfo;
  const height = (of.outHeight - 1) * of.strideHeight + of.effectiveFilterHeight;
  const width = (of.outWidth - 1) * of.strideWidth + of.effectiveFilterWidth;
  return {
    top,
    left,
    bottom: Math.max(padInfo.bottom, height - of.inHeight - top),
    right: Math.max(padInfo.right, width - of.inWidth - left),
  };
}

/** Whether the gradient of the input has all its numbers inside what is made for it. */
export function fits(geometry: Geometry): boolean {
  const { top, bottom, left, right } = sidesOf(geometry);
  return Math.max(top, bottom) < geometry.filterHeight && Math.max(left, right) < geometry.filterWidth;
}

export function images(heap: Heap): Images {
  function surrounded(x: TensorInfo, geometry: Geometry): { padded: TensorInfo; free(): void } {
    const { top, bottom, left, right } = sidesOf(geometry);
    // One that needs no room is read where it lies.
    if (top + bottom + left + right === 0) return { padded: x, free() {} };
    const [batch, rows, columns, channels] = x.shape as Four;
    const padded = heap.make([batch, rows + top + bottom, columns + left + right, channels]);
    const bytes = channels * 4;
    const call = heap.routine("surround", surround);
    call(heap.at(x), heap.at(padded), batch, rows, columns * bytes, top, bottom, left * bytes, right * bytes);
    return { padded, free: () => heap.drop(padded) };
  }

  /** Convolves what is padded already; the filter's numbers are read from `weights`. */
  function run(padded: TensorInfo, weights: TensorInfo, filter: Filter, out: TensorInfo, finish: Finished): void {
    const { rows, columns, inputs, outputs } = filter;
    const left = outputs % 4;
    const terms = rows * columns * inputs;
    const singles = left > 0 ? heap.make([left, terms]) : undefined;
    if (singles !== undefined) {
      const from = heap.floats(weights);
      const to = heap.floats(singles);
      for (let index = 0; index < left * terms; index++) {
        to[index] = from[(index % terms) * outputs + outputs - left + Math.floor(index / terms)]!;
      }
    }
    const kind: Finish = { bias: finish.bias !== undefined, relu: finish.relu };
    const [batch, height, width] = out.shape as Four;
    const [, paddedHeight, paddedWidth] = padded.shape as Four;
    heap.routine(`convolve ${keyOf(filter)} ${kind.bias} ${kind.relu}`, () => convolve(filter, kind))(
      heap.at(padded),
      heap.at(weights),
      singles === undefined ? 0 : heap.at(singles),
      finish.bias === undefined ? 0 : heap.at(finish.bias),
      heap.at(out),
      batch,
      height,
      width,
      paddedHeight,
      paddedWidth,
    );
    if (singles !== undefined) heap.drop(singles);
  }

  return {
    surrounded,

    forward(x, weights, geometry, finish = { relu: false }) {
      const { padded, free } = surrounded(x, geometry);
      const out = heap.make([geometry.batchSize, geometry.outHeight, geometry.outWidth, geometry.outChannels]);
      run(padded, weights, filterOf(geometry), out, finish);
      free();
      return out;
    },

    // The changes of the output, as far apart as the strides took them, convolved with the filter turned around.
    inputGradient(change, weights, geometry) {
      const { batchSize, inHeight, inWidth, inChannels, outHeight, outWidth, outChannels } = geometry;
      const { filterHeight, filterWidth, strideHeight, strideWidth, padInfo } = geometry;
      const top = filterHeight - 1 - padInfo.top;
      const left = filterWidth - 1 - padInfo.left;
      const height = inHeight + filterHeight - 1;
      const width = inWidth + filterWidth - 1;
      const bytes = outChannels * 4;
      const apart = heap.make([batchSize, height, width, outChannels]);
      if (strideHeight === 1 && strideWidth === 1) {
        heap.routine("surround", surround)(
          heap.at(change),
          heap.at(apart),
          batchSize,
          outHeight,
          outWidth * bytes,
          top,
          height - outHeight - top,
          left * bytes,
          (width - outWidth - left) * bytes,
        );
      } else {
        heap.routine("scatter", scatter)(
          heap.at(change),
          heap.at(apart),
          batchSize,
          outHeight,
          outWidth,
          bytes,
          height * width * bytes,
          (top * width + left) * bytes,
          strideHeight * width * bytes,
          strideWidth * bytes,
        );
      }
      const around = heap.make([filterHeight, filterWidth, outChannels, inChannels]);
      const out = heap.make([batchSize, inHeight, inWidth, inChannels]);
      turn(heap.floats(weights), heap.floats(around), filterHeight * filterWidth, inChannels, outChannels);
      const filter: Filter = {
        rows: filterHeight,
        columns: filterWidth,
        inputs: outChannels,
        outputs: inChannels,
        rowStride: 1,
        columnStride: 1,
      };
      run(apart, around, filter, out, { relu: false });
      heap.drop(apart);
      heap.drop(around);
      return out;
    },

    filterGradient(x, change, geometry) {
      const { padded, free } = surrounded(x, geometry);
      const filter = filterOf(geometry);
      const out = heap.make([filter.rows, filter.columns, filter.inputs, filter.outputs]);
      const [, paddedHeight, paddedWidth] = padded.shape as Four;
      heap.routine(`filterGradient ${keyOf(filter)}`, () => filterGradient(filter))(
        heap.at(padded),
        heap.at(change),
        heap.at(out),
        geometry.batchSize,
        geometry.outHeight,
        geometry.outWidth,
        paddedHeight,
        paddedWidth,
      );
      free();
      return out;
    },
  };
}

type Four = [number, number, number, number];

function filterOf(geometry: Geometry): Filter {
  return {
    rows: geometry.filterHeight,
    columns: geometry.filterWidth,
    inputs: geometry.inChannels,
    outputs: geometry.outChannels,
    rowStride: geometry.strideHeight,
    columnStride: geometry.strideWidth,
  };
}

const keyOf = ({ rows, columns, inputs, outputs, rowStride, columnStride }: Filter): string =>
  [rows, columns, inputs, outputs, rowStride, columnStride].join(" ");

/** The filter from its last place to its first, inputs and outputs exchanged. */
function turn(from: Float32Array, to: Float32Array, places: number, inputs: number, outputs: number): void {
  for (let place = 0; place < places; place++) {
    const source = place * inputs * outputs;
    const target = (places - 1 - place) * inputs * outputs;
    for (let input = 0; input < inputs; input++) {
      for (let output = 0; output < outputs; output++) {
        to[target + output * inputs + input] = from[source + input * outputs + output]!;
      }
    }
  }
}
