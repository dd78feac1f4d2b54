// How far each network of a run has come, with all that it takes to go on from there, kept with the run: a training that
// is killed resumes, also where the run's tensors went with its process.

import { Actor } from "../../runtime/mod.ts";

/** A network of a run. One of another kernel in its place, as a run may be resumed with, is another. */
export interface Marked {
  readonly index: number;
  readonly kernel: number;
}

export interface Mark extends Marked {
  readonly epoch: number;
  readonly loss: number;
  readonly checkpoint: Uint8Array;
}

/** What a mark may weigh: a message carries a mebibyte. A kernel of 17 is the first that is too large. */
export const markBytesMax: number = 2 ** 20 - 2 ** 14;

export class Marks extends Actor {
  static readonly module: string = import.meta.url;
  static readonly durable = true;
  marks: Mark[] = [];

  mark(mark: Mark): void {
    this.marks = [...this.marks.filter(({ index }) => index !== mark.index), mark];
  }

  last({ index, kernel }: Marked): Mark | undefined {
    return this.marks.find((mark) => mark.index === index && mark.kernel === kernel);
  }
}
