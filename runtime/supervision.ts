// What happens to an actor that fails: a policy, and the pure decision that follows from it and from what went before.

import { safely } from "./cells/failure.ts";

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
  & {
    readonly failures: Failures;
    /** Why the policy itself could not be followed. */
    readonly fault?: string;
  }
  & ({ readonly directive: "resume" | "stop" | "escalate" } | {
    readonly directive: "restart";
    readonly delayMs: number;
  });

const directives: readonly unknown[] = ["restart", "resume", "stop", "escalate"] satisfies Directive[];

export function isDirective(value: unknown): value is Directive {
  return directives.includes(value);
}

/** Decides on a failure. */
export function decide(policy: Supervision, failures: Failures | undefined, error: unknown, now: number): Decision {
  const window = failures === undefined || now - failures.since >= policy.windowMs
    ? { since: now, restarts: 0 }
    : failures;
  let directive: unknown = policy.on;
  if (typeof policy.on === "function") {
    try {
      directive = policy.on(error);
    } catch (thrown) {
      return { directive: "stop", failures: window, fault: `its supervision policy threw ${safely(() => thrown)}` };
    }
  }
  if (!isDirective(directive)) {
    return { directive: "stop", failures: window, fault: `its supervision policy answered ${safely(() => directive)}` };
  }
  if (directive !== "restart") return { directive, failures: window };
  if (window.restarts >= policy.restartsMax) return { directive: policy.beyond, failures: window };
  // Nothing doubled is nothing, however often: also where the power is beyond all numbers.
  const delayMs = policy.backoffMs === 0 ? 0 : Math.min(policy.backoffMs * 2 ** window.restarts, policy.backoffMaxMs);
  return { directive, failures: { since: window.since, restarts: window.restarts + 1 }, delayMs };
}

/** What is wrong with a policy, if anything. */
export function faultOf(policy: Supervision): string | undefined {
  const { on, beyond } = policy;
  if (typeof on !== "function" && !isDirective(on)) return `on is ${String(on)}, expected ${directives.join(", ")}`;
  if (beyond !== "stop" && beyond !== "escalate") return `beyond is ${String(beyond)}, expected stop or escalate`;
  for (const name of ["restartsMax", "windowMs", "backoffMs", "backoffMaxMs"] as const) {
    if (typeof policy[name] !== "number" || !(policy[name] >= 0)) {
      return `${name} is ${String(policy[name])}, expected a number from 0`;
    }
  }
  return undefined;
}

/** The same policy where there is nothing to go on with: it restarts instead. */
export function notResuming(policy: Supervision): Supervision {
  const instead = (directive: Directive): Directive => directive === "resume" ? "restart" : directive;
  const { on } = policy;
  return { ...policy, on: typeof on === "function" ? (error) => instead(on(error)) : instead(on) };
}
