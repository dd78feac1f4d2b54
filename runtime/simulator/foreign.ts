// Clocks and dice that are not the runtime's. During a simulation they answer from its world, so that the same seed
// stays the same; whoever used them first is named, since in a real run they would not.

import type { Environment } from "../environment.ts";
import { type Random, random } from "../random.ts";
import type { Port } from "./part.ts";
import { virtualWorld } from "./world.ts";

/** The first use of a clock or of dice that a replay could not repeat. */
export interface Foreign {
  readonly what: string;
  /** Who used it; nobody where it was the program, or code after an await. */
  readonly actor: string | undefined;
}

/** Lets a port look on where an actor uses them; whoever is none uses them as ever. The answer ends that. */
export function lookOnAt(running: () => Port | undefined): () => void {
  const now = Date.now;
  const { random } = Math;
  const performanceNow = performance.now;
  const { setTimeout } = globalThis;

  const port = (): Port | undefined => {
    const own = running();
    return own === undefined || isCalledByRuntime() ? undefined : own;
  };
  Date.now = () => port()?.now(words.date, null, now) ?? now();
  Math.random = () => port()?.now(words.random, null, random) ?? random();
  const nowHere = (): number => performanceNow.call(performance);
  performance.now = () => port()?.now(words.now, null, nowHere) ?? nowHere();
  const timer = (call: (...values: unknown[]) => void, delayMs = 0, ...values: unknown[]): unknown => {
    const own = port();
    if (own === undefined) return setTimeout(call, delayMs, ...values);
    let made: ReturnType<typeof setTimeout> | undefined;
    own.once(words.timeout, delayMs, (ring) => {
      made = setTimeout(ring, delayMs);
      return () => clearTimeout(made);
    }, () => call(...values));
    return made;
  };
  // Node's `promisify` finds what it is to call there.
  Object.assign(globalThis, { setTimeout: Object.assign(timer, setTimeout) });
  return () => {
    Date.now = now;
    Math.random = random;
    performance.now = performanceNow;
    Object.assign(globalThis, { setTimeout });
  };
}

/** Also where source maps lead from what was compiled. */
const ownFolders = ["../", "../../stores/"].flatMap((folder) => {
  const { pathname } = new URL(folder, import.meta.url);
  return [pathname, pathname.replace(/\/dist(\/(runtime|stores)\/)$/, "$1")];
});

/** What an actor begins the runtime may go on with, in the name of that actor as far as a thread can tell. */
function isCalledByRuntime(): boolean {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 4;
  const caller = new Error().stack?.split("\n")[4] ?? "";
  Error.stackTraceLimit = stackTraceLimit;
  // The platform's own code is nobody's.
  return caller === "" || / \(?(node|ext):/.test(caller) || ownFolders.some((folder) => caller.includes(folder));
}

/** What a line says that an actor did with a clock or dice that are not the runtime's. */
export const words = {
  date: "reads Date.now()",
  now: "reads performance.now()",
  random: "draws Math.random()",
  timeout: "waits by setTimeout()",
} as const;

const all: ReadonlySet<string> = new Set(Object.values(words));
export const isForeign = ({ what }: { readonly what: string }): boolean => all.has(what);

/** Puts the clock of whoever runs, and these dice, in place of the platform's; the answer puts them back. */
export function takeOver(clock: () => Environment, dice: Random, used: (what: string) => void): () => void {
  const { now } = Date;
  const { random } = Math;
  const performanceNow = performance.now;
  const { setTimeout, clearTimeout } = globalThis;
  const cancels = new WeakMap<object, () => void>();

  Date.now = () => (used("Date.now()"), Math.floor(clock().date()));
  Math.random = () => (used("Math.random()"), dice.next());
  performance.now = () => (used("performance.now()"), clock().now());
  Object.assign(globalThis, {
    setTimeout(call: (...values: unknown[]) => void, delayMs = 0, ...values: unknown[]): object {
      used("setTimeout()");
      const timer = { ref: () => timer, unref: () => timer, hasRef: () => true };
      cancels.set(timer, clock().after(Math.max(1, delayMs), () => call(...values)));
      return timer;
    },
    clearTimeout(timer: unknown): void {
      if (typeof timer === "object" && timer !== null && cancels.has(timer)) cancels.get(timer)!();
      else clearTimeout(timer as undefined);
    },
  });
  return () => {
    Date.now = now;
    Math.random = random;
    performance.now = performanceNow;
    Object.assign(globalThis, { setTimeout, clearTimeout });
  };
}

/** The clock and the dice of whoever is not played. */
export function platform(): Environment & { random(): number } {
  const { setTimeout, clearTimeout } = globalThis;
  return {
    ...virtualWorld(random(0)),
    now: performance.now.bind(performance),
    date: Date.now,
    random: Math.random,
    after(delayMs, call) {
      const timer = setTimeout(call, delayMs);
      return () => clearTimeout(timer);
    },
  };
}
