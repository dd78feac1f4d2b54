// The gradients of windows, in the plane and in space, and of what was repeated: the backend's own lose some changes, or
// share them out over places that are not there.

import type { TensorInfo } from "../tensorflow.ts";
import type { Heap } from "./heap.ts";

/** Windows in space; those in the plane have a depth of 1. */
export interface Windows {
  readonly batchSize: number;
  readonly inChannels: number;
  readonly inDepth: number;
  readonly inHeight: number;
  readonly inWidth: number;
  readonly outDepth: number;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly strideDepth: number;
  readonly strideHeight: number;
  readonly strideWidth: number;
  readonly filterDepth: number;
  readonly filterHeight: number;
  readonly filterWidth: number;
  readonly padInfo: { readonly front: number; readonly top: number; readonly left: number };
}

/** Calls back for each window: where its places begin in the input, how many they are, and where its result begins. */
function eachWindow(windows: Windows, visit: (places: Int32Array, count: number, outputAt: number) => void): void {
  const { batchSize, inChannels, inDepth, inHeight, inWidth, outDepth, outHeight, outWidth, padInfo } = windows;
  const { strideDepth, strideHeight, strideWidth, filterDepth, filterHeight, filterWidth } = windows;
  const places = new Int32Array(filterDepth * filterHeight * filterWidth);
  let outputAt = 0;
  for (let image = 0; image < batchSize; image++) {
    for (let d = 0; d < outDepth; d++) {
      for (let h = 0; h < outHeight; h++) {
        for (let w = 0; w < outWidth; w++, outputAt += inChannels) {
          let count = 0;
          for (let place = 0; place < places.length; place++) {
            const x = d * strideDepth - padInfo.front + Math.floor(place / filterWidth / filterHeight);
            const y = h * strideHeight - padInfo.top + Math.floor(place / filterWidth) % filterHeight;
            const z = w * strideWidth - padInfo.left + place % filterWidth;
            if (x < 0 || y < 0 || z < 0 || x >= inDepth || y >= inHeight || z >= inWidth) continue;
            places[count++] = (((image * inDepth + x) * inHeight + y) * inWidth + z) * inChannels;
          }
          visit(places, count, outputAt);
        }
      }
    }
  }
}

/** The largest number of each window; the backend's own takes none below 0. */
export function maximum(heap: Heap, x: TensorInfo, windows: Windows, shape: readonly number[]): TensorInfo {
  const out = heap.make(shape);
  const [inputs, result] = [heap.floats(x), heap.floats(out)];
  eachWindow(windows, (places, count, outputAt) => {
    for (let channel = 0; channel < windows.inChannels; channel++) {
      let best = Number.NEGATIVE_INFINITY;
      for (let place = 0; place < count; place++) best = Math.max(best, inputs[places[place]! + channel]!);
      result[outputAt + channel] = best;
    }
  });
  return out;
}

/** Each change goes to the first of the largest numbers of its window. */
export function maximumGradient(heap: Heap, x: TensorInfo, change: TensorInfo, windows: Windows): TensorInfo {
  const out = heap.make(x.shape);
  const [inputs, changes, result] = [heap.floats(x), heap.floats(change), heap.floats(out)];
  result.fill(0);
  eachWindow(windows, (places, count, outputAt) => {
    if (count === 0) return;
    for (let channel = 0; channel < windows.inChannels; channel++) {
      let best = places[0]! + channel;
      for (let place = 1; place < count; place++) {
        if (inputs[places[place]! + channel]! > inputs[best]!) best = places[place]! + channel;
      }
      result[best]! += changes[outputAt + channel]!;
    }
  });
  return out;
}

/** Each change goes in equal parts to the places that its window has inside the input. */
export function meanGradient(heap: Heap, x: TensorInfo, change: TensorInfo, windows: Windows): TensorInfo {
  const out = heap.make(x.shape);
  const [changes, result] = [heap.floats(change), heap.floats(out)];
  result.fill(0);
  eachWindow(windows, (places, count, outputAt) => {
    for (let place = 0; place < count; place++) {
      const to = places[place]!;
      for (let channel = 0; channel < windows.inChannels; channel++) {
        result[to + channel]! += changes[outputAt + channel]! / count;
      }
    }
  });
  return out;
}

export interface Resizing {
  readonly alignCorners: boolean;
  readonly halfPixelCenters: boolean;
}

/** Each change goes back to the place that it was read from. */
export function nearestGradient(heap: Heap, images: TensorInfo, change: TensorInfo, resizing: Resizing): TensorInfo {
  const [batch, inHeight, inWidth, channels] = images.shape as Four;
  const [, outHeight, outWidth] = change.shape as Four;
  const rows = sources(inHeight, outHeight, resizing);
  const columns = sources(inWidth, outWidth, resizing);
  const out = heap.make(images.shape);
  const [changes, result] = [heap.floats(change), heap.floats(out)];
  result.fill(0);
  let from = 0;
  for (let image = 0; image < batch; image++) {
    for (const row of rows) {
      for (const column of columns) {
        const to = ((image * inHeight + row) * inWidth + column) * channels;
        for (let channel = 0; channel < channels; channel++) result[to + channel]! += changes[from++]!;
      }
    }
  }
  return out;
}

type Four = [number, number, number, number];

/** Where each place of a resized line is read. */
function sources(size: number, resized: number, { alignCorners, halfPixelCenters }: Resizing): Int32Array {
  const isAligned = alignCorners && resized > 1;
  const scale = (isAligned ? size - 1 : size) / (isAligned ? resized - 1 : resized);
  return Int32Array.from({ length: resized }, (_, place) => {
    const exact = scale * (halfPixelCenters ? place + 0.5 : place);
    return Math.max(0, Math.min(size - 1, alignCorners ? Math.round(exact) : Math.floor(exact)));
  });
}
