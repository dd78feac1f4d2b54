// Reads the lifetime that the maker of a tensor chose, and refuses one that nobody could keep.
import { ShoalError } from "./error.ts";
import type { Lifetime, PutOptions } from "./store.ts";

const untilRun: Lifetime = Object.freeze({ until: "run" });

/** The lifetime of put options, checked; the run's where none is said. */
export function lifetimeOf(options: PutOptions | undefined): Lifetime {
  const lifetime = options?.lifetime;
  if (lifetime === undefined) return untilRun;
  const keys = typeof lifetime === "object" && lifetime !== null ? Object.keys(lifetime) : [];
  if (keys.length !== 1) {
    throw badInput("one of { until }, { reads } and { leaseMs } is wanted");
  }
  if ("until" in lifetime && (lifetime.until === "run" || lifetime.until === "release")) {
    return Object.freeze({ until: lifetime.until });
  }
  if ("reads" in lifetime) {
    const { reads } = lifetime;
    if (!Number.isSafeInteger(reads) || reads < 1) throw badInput(`reads is ${reads}, a whole number from 1 is wanted`);
    return Object.freeze({ reads });
  }
  if ("leaseMs" in lifetime) {
    const { leaseMs } = lifetime;
    if (!(leaseMs > 0 && leaseMs <= Number.MAX_SAFE_INTEGER)) throw badInput(`leaseMs is ${leaseMs}, not above 0`);
    return Object.freeze({ leaseMs });
  }
  throw badInput(`${keys[0]} is none of until ("run" or "release"), reads and leaseMs`);
}

const badInput = (reason: string): ShoalError => new ShoalError("BadInput", `Cannot use lifetime: ${reason}`);
