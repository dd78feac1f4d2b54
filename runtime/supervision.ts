// What happens to an actor that fails: a policy, and the pure decision that follows from it and from what went before.

/** What a failure leads to: a new incarnation, going on with the state as it is, an end, or the parent's judgement. */
export type Directive = "restart" | "resume" | "stop" | "escalate";

/** How an actor's failures are answered. */
export interface Supervision {
  readonly on: Directive | ((error: unknown) => Directive);
  /** So many restarts within the window, and no more. */
  readonly restartsMax: number;
  readonly windowMs: number;
  /** The wait before the first restart of a window; each further one waits twice as long, up to `backoffMaxMs`. */
  readonly backoffMs: number;
  readonly backoffMaxMs: number;
  /** What a failure beyond the window's limit leads to. */
  readonly beyond: "stop" | "escalate";
}

export const defaultSupervision: Supervision = {
  on: "restart",
  restartsMax: 10,
  windowMs: 60_000,
  backoffMs: 0,
  backoffMaxMs: 10_000,
  beyond: "stop",
};

/** What is remembered of an actor's failures. */
export interface Failures {
  /** When the current window began, and the restarts within it. */
  readonly since: number;
  readonly restarts: number;
}

export type Decision =
  | { readonly directive: "resume" | "stop" | "escalate"; readonly failures: Failures }
  | { readonly directive: "restart"; readonly failures: Failures; readonly delayMs: number };

/** Decides on a failure. */
export function decide(policy: Supervision, failures: Failures | undefined, error: unknown, now: number): Decision {
  const window = failures === undefined || now - failures.since >= policy.windowMs
    ? { since: now, restarts: 0 }
    : failures;
  const directive = typeof policy.on === "function" ? policy.on(error) : policy.on;
  if (directive !== "restart") return { directive, failures: window };
  if (window.restarts >= policy.restartsMax) return { directive: policy.beyond, failures: window };
  const delayMs = Math.min(policy.backoffMs * 2 ** window.restarts, policy.backoffMaxMs);
  return { directive, failures: { since: window.since, restarts: window.restarts + 1 }, delayMs };
}
