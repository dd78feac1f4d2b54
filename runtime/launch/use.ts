// Whether the stores that were configured were of any use: all threads say what they have put there and got from there,
// and one that nobody has used is told, since whoever configured it meant something by it.

import { redactUrl } from "../../stores/open.ts";
import type { PartStatistics } from "../../stores/store.ts";

export interface Use {
  /** What one thread has done with each of them. */
  add(parts: readonly PartStatistics[] | undefined): void;
  /** A line for each that nobody has used; the first is home, and always is. */
  unused(): readonly string[];
}

export function storeUse(thresholdBytes: number): Use {
  const all: { url: string; putBytes: number; getBytes: number }[] = [];
  return {
    add(parts = []) {
      for (const [index, { url, putBytes, getBytes }] of parts.entries()) {
        const known = all[index] ??= { url, putBytes: 0, getBytes: 0 };
        known.putBytes += putBytes;
        known.getBytes += getBytes;
      }
    },
    unused: () =>
      all.slice(1).filter(({ putBytes, getBytes }) => putBytes + getBytes === 0).map(({ url }) =>
        `the store ${redactUrl(url)} was never used: no tensor of ${thresholdBytes} bytes or more came there`
      ),
  };
}
