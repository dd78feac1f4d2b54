// How a tensor is told in its owner's table: 128 bytes that are written before the word that says they stand, and
// never changed while anybody holds on to them.
import { dtypes } from "../dtype.ts";
import type { Dtype, Lifetime, TensorRef } from "../store.ts";

export interface Told {
  readonly count: number;
  readonly offset: number;
  readonly bytes: number;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly lifetime: Lifetime;
  /** The checksum of its header, as the reference has it. */
  readonly checksum: number;
  /** What its bytes sum up to, where somebody will look. */
  readonly sum: number | undefined;
  /** Where the dimensions behind the eighth stand in the data. */
  readonly more: number;
}

export const recordBytes = 128;
export const stateAt = 0;
export const pinsAt = 48;
export const readsAt = 52;
export const states = { free: 0, draft: 1, sealed: 2 } as const;
/** So many dimensions stand in the record itself. */
export const dimensionsInRecord = 8;
const summed = 1;

export const checksumOf = (ref: TensorRef): number => parseInt(ref.checksum.slice(-8), 16);

/** A buffer for one record at a time: what is read from it must be told before the next is written to it. */
export interface Scratch {
  readonly bytes: Uint8Array;
  /** Fills it with all but the state. */
  write(told: Told): void;
  /** Reads it; dimensions that stand elsewhere come from `more`. Nothing where it makes no sense. */
  told(more: (at: number, count: number) => Float64Array): Told | undefined;
}

export function scratch(): Scratch {
  const buffer = new ArrayBuffer(recordBytes);
  const bytes = new Uint8Array(buffer);
  const words = new Uint32Array(buffer);
  const numbers = new Float64Array(buffer);
  return {
    bytes,
    write({ count, offset, bytes: length, dtype, shape, lifetime, checksum, sum, more }) {
      bytes.fill(0);
      words[1] = checksum;
      numbers[1] = count;
      numbers[2] = offset;
      numbers[3] = length;
      words[8] = sum ?? 0;
      bytes[36] = dtypes.indexOf(dtype);
      bytes[37] = shape.length;
      bytes[39] = sum === undefined ? 0 : summed;
      if ("reads" in lifetime) [bytes[38], numbers[5]] = [2, lifetime.reads];
      else if ("leaseMs" in lifetime) [bytes[38], numbers[5]] = [3, lifetime.leaseMs];
      else bytes[38] = lifetime.until === "run" ? 0 : 1;
      numbers[7] = more;
      for (let index = 0; index < shape.length && index < dimensionsInRecord; index++) {
        numbers[8 + index] = shape[index]!;
      }
    },
    told(moreAt) {
      const dtype = dtypes[bytes[36]!];
      const dimensions = bytes[37]!;
      if (dtype === undefined) return undefined;
      const shape: number[] = [];
      for (let at = 0; at < dimensions && at < dimensionsInRecord; at++) shape.push(numbers[8 + at]!);
      const more = numbers[7]!;
      if (dimensions > dimensionsInRecord) shape.push(...moreAt(more, dimensions - dimensionsInRecord));
      return {
        count: numbers[1]!,
        offset: numbers[2]!,
        bytes: numbers[3]!,
        dtype,
        shape,
        lifetime: lifetimeFrom(bytes[38]!, numbers[5]!),
        checksum: words[1]!,
        sum: bytes[39]! & summed ? words[8]! : undefined,
        more,
      };
    },
  };
}

const lifetimeFrom = (kind: number, value: number): Lifetime =>
  kind === 3 ? { leaseMs: value } : kind === 2 ? { reads: value } : { until: kind === 1 ? "release" : "run" };

/** Whether a record tells of the tensor that a reference means. A checksum is no signature: all of it is compared. */
export function isTold(told: Told, ref: TensorRef): boolean {
  return told.bytes === ref.bytes && told.dtype === ref.dtype && told.checksum === checksumOf(ref) &&
    told.shape.length === ref.shape.length && told.shape.every((size, index) => size === ref.shape[index]);
}
