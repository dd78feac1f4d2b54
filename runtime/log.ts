// What is said during a run: each line with who said it, and while doing what.

import type { Log, LogFields } from "./actor.ts";
import type { ActorIdentity, MessageLogged } from "./run/records.ts";

/** Takes what is said. */
export type LogSink = (said: Omit<MessageLogged, "at" | "node">) => void;

/** The log of one actor. */
export function actorLog(sink: LogSink, actor: () => ActorIdentity, during: () => string | undefined): Log {
  const say = (level: MessageLogged["level"]) => (text: string, fields?: LogFields): void => {
    const method = during();
    sink({
      type: "MessageLogged",
      level,
      text,
      actor: actor(),
      ...(method === undefined ? {} : { during: method }),
      ...(fields === undefined ? {} : { fields }),
    });
  };
  return { debug: say("debug"), info: say("info"), warn: say("warn"), error: say("error") };
}

/** Lines for people: level, actor, text, fields. */
export function logLine(said: Omit<MessageLogged, "at" | "node">): string {
  const who = said.actor === undefined ? "" : ` ${said.actor.name ?? said.actor.class} ${said.actor.id}`;
  const during = said.during === undefined ? "" : ` (${said.during})`;
  const fields = Object.entries(said.fields ?? {}).map(([key, value]) => ` ${key}=${JSON.stringify(value)}`).join("");
  return `${said.level}${who}${during}: ${said.text}${fields}`;
}

/** Where nobody keeps records, what is said goes to people; all but the details. */
export const printLog: LogSink = (said) => {
  if (said.level !== "debug") console.error(logLine(said));
};
