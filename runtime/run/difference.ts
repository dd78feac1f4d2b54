// Where two values that were written down first differ: the path, and what stands there in each.

/** Nothing where a value has no such member. */
export interface PathDifference {
  /** As in `.losses[3]`; empty for the whole value. */
  readonly path: string;
  readonly recorded: unknown;
  readonly now: unknown;
}

/** Texts of two values, as `simulator/written.ts` makes them: JSON, and arrays behind it. */
export function differenceOf(recorded: string | undefined, now: string | undefined): PathDifference {
  const [one, other] = [valueIn(recorded), valueIn(now)];
  return firstIn(one, other, "") ?? { path: "", recorded, now };
}

function valueIn(written: string | undefined): unknown {
  if (written === undefined || written === "") return undefined;
  const [json = ""] = written.split("\n", 1);
  try {
    const value: unknown = JSON.parse(json);
    return value;
  } catch {
    return written;
  }
}

function firstIn(recorded: unknown, now: unknown, path: string): PathDifference | undefined {
  if (Object.is(recorded, now)) return undefined;
  const [one, other] = [membersOf(recorded), membersOf(now)];
  if (one === undefined || other === undefined || Array.isArray(recorded) !== Array.isArray(now)) {
    return { path, recorded, now };
  }
  for (const key of new Set([...one.keys(), ...other.keys()])) {
    const at = Array.isArray(recorded) ? `${path}[${key}]` : `${path}.${key}`;
    const found = firstIn(one.get(key), other.get(key), at);
    if (found !== undefined) return found;
  }
  return undefined;
}

function membersOf(value: unknown): ReadonlyMap<string, unknown> | undefined {
  return typeof value === "object" && value !== null ? new Map(Object.entries(value)) : undefined;
}
