// How long something took that happened many times: what is measured of transfers, wherever they were made.

export interface Times {
  readonly count: number;
  readonly mean: number;
  readonly sum: number;
  readonly max: number;
}

export function timesOf(seconds: readonly number[]): Times {
  const sum = seconds.reduce((sum, each) => sum + each, 0);
  return { count: seconds.length, mean: sum / Math.max(1, seconds.length), sum, max: Math.max(0, ...seconds) };
}

/** Of several who counted apart. */
export function timesOfAll(all: readonly Pick<Times, "count" | "sum" | "max">[]): Times {
  const count = all.reduce((sum, each) => sum + each.count, 0);
  const sum = all.reduce((sum, each) => sum + each.sum, 0);
  return { count, mean: sum / Math.max(1, count), sum, max: Math.max(0, ...all.map(({ max }) => max)) };
}

export function shownTimes({ mean, max, count }: Times): string {
  return count === 0 ? "nothing" : `${(mean * 1000).toFixed(2)} ms each, ${(max * 1000).toFixed(2)} at most`;
}

export function shownBytes(bytes: number): string {
  return bytes < 1e8 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}
