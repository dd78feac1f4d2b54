// The one class of error that shoal throws on purpose, and the codes it carries. Programmer errors are TypeErrors.

const codes = [
  "Missing",
  "Expired",
  "Lost",
  "Corrupt",
  "Unavailable",
  "Timeout",
  "CapacityExceeded",
  "TooLarge",
  "Fenced",
  "Suspended",
  "Unauthorized",
  "BadInput",
  "ShuttingDown",
  "HandlerError",
  "Cancelled",
  "Incompatible",
  "Conflict",
  "Ended",
] as const;

/** Why an operation did not do what was asked. Stable: programs may branch on it. */
export type ErrorCode = (typeof codes)[number];

const known: ReadonlySet<unknown> = new Set(codes);

export function isErrorCode(value: unknown): value is ErrorCode {
  return known.has(value);
}

/** Whether what was asked happened: it did, it never will, or nobody can say. */
export type Outcome = "done" | "failed" | "unknown";

/** An operating error: what went wrong (`code`), whether it may have happened all the same (`outcome`), and why. */
export class ShoalError extends Error {
  override readonly name = "ShoalError";
  readonly code: ErrorCode;
  readonly outcome: Outcome;

  constructor(code: ErrorCode, message: string, options: { outcome?: Outcome; cause?: unknown } = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.outcome = options.outcome ?? "failed";
  }
}

/** Whether a value is an error of shoal's, and of this code where one is given. */
export function isShoalError(value: unknown, code?: ErrorCode): value is ShoalError {
  return value instanceof ShoalError && (code === undefined || value.code === code);
}

/** The candidate that a misspelt word most likely meant, or nothing where none is near. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
