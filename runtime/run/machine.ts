// The machine that a run is on, as its records say it. What the runtime does not let us know is left open.

import { availableParallelism, hostname, platform, release, totalmem } from "node:os";
import { runtime } from "#platform";
import type { Machine } from "./records.ts";

/** This machine, as far as it may be known: Deno asks for `--allow-sys` for some of it. */
export function machine(): Machine {
  return {
    host: known(hostname, "unknown"),
    platform: known(() => `${platform()} ${release()}`, platform()),
    cores: known(availableParallelism, 1),
    memoryBytes: known(totalmem, 0),
    runtime: `${runtime.name} ${runtime.version}`,
  };
}

function known<T>(ask: () => T, otherwise: T): T {
  try {
    return ask();
  } catch {
    return otherwise;
  }
}
