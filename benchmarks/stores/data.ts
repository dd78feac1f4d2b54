// The tensors of the suite `stores`: whole numbers that differ within a tensor, and a serial number in the first place,
// so that one sum over all of it tells whether all its bytes came, and its first element whose bytes they are.

const elementBytes = 8;
const period = 1_000;

/** A tensor's elements, all but the serial number. */
export function pattern(bytes: number): Float64Array {
  const data = new Float64Array(bytes / elementBytes);
  for (let index = 1; index < data.length; index++) data[index] = index % period;
  return data;
}

/** The same made in place, from a few elements that stay in the cache: what a program does that computes its tensor. */
export function fill(data: Float64Array, serial: number): void {
  block ??= pattern(period * elementBytes);
  for (let at = 0; at < data.length; at += period) {
    data.set(data.length - at < period ? block.subarray(0, data.length - at) : block, at);
  }
  data[0] = serial;
}

let block: Float64Array | undefined;

/** Reads every element. Whole numbers: exact in any order. */
export function sumOf(data: Float64Array): number {
  let [a, b, c, d] = [0, 0, 0, 0];
  const whole = data.length - data.length % 4;
  for (let index = 0; index < whole; index += 4) {
    a += data[index]!;
    b += data[index + 1]!;
    c += data[index + 2]!;
    d += data[index + 3]!;
  }
  for (let index = whole; index < data.length; index++) a += data[index]!;
  return a + b + c + d;
}

/** What the sums of all tensors from serial number 1 on come to. */
export function checkOf(bytes: number, count: number): number {
  const last = bytes / elementBytes - 1;
  const cycles = Math.floor((last + 1) / period);
  const rest = (last + 1) % period;
  const each = cycles * (period * (period - 1)) / 2 + rest * (rest - 1) / 2;
  return count * each + count * (count + 1) / 2;
}

/** What was found in tensors that were read. */
export interface Found {
  readonly count: number;
  readonly check: number;
  /** How many were not those with the serial numbers that were asked for. */
  readonly misplaced: number;
}

export const nothing: Found = { count: 0, check: 0, misplaced: 0 };

export function found(before: Found, data: Float64Array, serial: number): Found {
  return {
    count: before.count + 1,
    check: before.check + sumOf(data),
    misplaced: before.misplaced + (data[0] === serial ? 0 : 1),
  };
}

export function together(a: Found, b: Found): Found {
  return { count: a.count + b.count, check: a.check + b.check, misplaced: a.misplaced + b.misplaced };
}
