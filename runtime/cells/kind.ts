// What one class of actors can do: its messages, found once, by name.

import { nearest, ShoalError } from "../../stores/error.ts";

/** One method that is a message. */
export interface Handler {
  readonly name: string;
  readonly run: (this: object, message: unknown) => unknown;
}

/** The messages of a class. */
export interface Kind {
  readonly name: string;
  handler(method: string): Handler | undefined;
  /** Why there is no such message. */
  unknown(method: string): ShoalError;
}

/** What actors have beside their messages. The same names as in the type `Lifecycle`. */
const lifecycle: ReadonlySet<string> = new Set([
  "constructor",
  "started",
  "stopping",
  "snapshot",
  "restore",
]);

/** Reads the messages of a class: the methods of its own prototypes, down to but without those of `base`. */
export function kindOf(Class: { readonly name: string; readonly prototype: object }, base: object): Kind {
  const handlers = new Map<string, Handler>();
  const own = new Set([...lifecycle, ...Object.getOwnPropertyNames(base)]);
  for (let level = Class.prototype; level !== base && level !== null; level = Object.getPrototypeOf(level)) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(level))) {
      if (typeof value !== "function" || own.has(name) || handlers.has(name)) continue;
      handlers.set(name, { name, run: value });
    }
  }
  let latest: Handler | undefined;

  return {
    name: Class.name,
    handler(method) {
      // Most messages to a class are of the same name as the one before.
      if (latest !== undefined && latest.name === method) return latest;
      const found = handlers.get(method);
      if (found !== undefined) latest = found;
      return found;
    },
    unknown(method) {
      const near = nearest(String(method), handlers.keys());
      const hint = near === undefined
        ? `its messages are ${[...handlers.keys()].join(", ") || "none"}`
        : `did you mean ${near}?`;
      return new ShoalError("BadInput", `Cannot send ${String(method)}: ${Class.name} has no such message; ${hint}`);
    },
  };
}
