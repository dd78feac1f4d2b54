// The network of the waves: convolutions from one channel to 8, 16, 8 and one, that keep the size of the field.

import type { LayersModel, Library } from "./tensorflow.ts";

export interface CnnInput {
  /** Points along each side. */
  readonly grid: number;
  /** Points along each side of what a convolution looks at: odd, 3 unless said. */
  readonly kernel?: number;
}

const channels = [8, 16, 8];

export default function cnn({ layers }: Library, { grid, kernel = 3 }: CnnInput): LayersModel {
  if (!Number.isInteger(grid) || grid < 2) {
    throw new RangeError(`Cannot build the network: the grid is ${grid}, expected a whole number from 2`);
  }
  if (!Number.isInteger(kernel) || kernel < 1 || kernel % 2 === 0) {
    throw new RangeError(`Cannot build the network: the kernel is ${kernel}, expected an odd number, such as 3 or 5`);
  }
  const model = layers.sequential();
  const shape = { kernelSize: kernel, padding: "same" } as const;
  for (const [index, filters] of channels.entries()) {
    const inputShape = index === 0 ? { inputShape: [grid, grid, 1] } : {};
    model.add(layers.layers.conv2d({ ...shape, ...inputShape, filters, activation: "relu" }));
  }
  model.add(layers.layers.conv2d({ ...shape, filters: 1 }));
  return model;
}
