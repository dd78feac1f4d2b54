// What actors say to the console, kept with who said it and while doing what. What others say goes where it always
// went.

import { format } from "node:util";
import { identity } from "./failure.ts";
import type { MessageLogged } from "../run/records.ts";
import { inside } from "./turn.ts";

const levels: { readonly [method: string]: MessageLogged["level"] } = {
  debug: "debug",
  log: "info",
  info: "info",
  warn: "warn",
  error: "error",
};
/** Of a longer text the beginning is kept. */
const textCharsMax = 65_536;

function cut(text: string): string {
  if (text.length <= textCharsMax) return text;
  return `${text.slice(0, textCharsMax)}… (${text.length - textCharsMax} more characters)`;
}

/** Captures the console of this thread; the answer ends that. */
export function captureConsole(): () => void {
  const before = new Map<string, unknown>();
  let isSaying = false;
  for (const [method, level] of Object.entries(levels)) {
    const usual: unknown = Reflect.get(console, method);
    if (typeof usual !== "function") continue;
    before.set(method, usual);
    const say = (...values: unknown[]): void => {
      // Whoever keeps what is said may say something too.
      const actor = isSaying ? undefined : inside();
      if (actor?.home === undefined) return void Reflect.apply(usual, console, values);
      isSaying = true;
      try {
        const during = actor.handling === undefined ? {} : { during: actor.handling.name };
        const text = cut(format(...values));
        const { id, className, extras } = actor;
        const who = identity({ id, className, extras });
        const { home } = actor;
        const log = (): void => home.log({ type: "MessageLogged", level, text, actor: who, ...during });
        if (home.onlooker?.aside === undefined) log();
        else home.onlooker.aside(log);
      } finally {
        isSaying = false;
      }
    };
    Reflect.set(console, method, say);
  }
  return () => {
    for (const [method, usual] of before) Reflect.set(console, method, usual);
  };
}
