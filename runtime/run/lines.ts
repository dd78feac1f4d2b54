// A record as its line in a file. What actors say is most of what is recorded: its line is put together here, faster
// than JSON writes a whole of which it knows nothing.

import type { ActorIdentity, MessageLogged, RunRecord } from "./records.ts";

/** Writes the lines of one file. */
export function recordLines(): (record: RunRecord) => string {
  const node = latestText<string>((one, other) => one === other);
  const during = latestText<string>((one, other) => one === other);
  const actor = latestText<ActorIdentity>((one, other) =>
    one.id === other.id && one.class === other.class && one.name === other.name
  );

  function said(record: MessageLogged): string {
    const { at, level, text, fields } = record;
    let line = `{"at":${at},"node":${node(record.node)},"type":"MessageLogged","level":"${level}"`;
    line += `,"text":${JSON.stringify(text)}`;
    if (record.actor !== undefined) line += `,"actor":${actor(record.actor)}`;
    if (record.during !== undefined) line += `,"during":${during(record.during)}`;
    const more = fields === undefined ? undefined : JSON.stringify(fields);
    return more === undefined ? `${line}}\n` : `${line},"fields":${more}}\n`;
  }

  // Programs without types say what is no text, too.
  return (record) =>
    record.type === "MessageLogged" && typeof record.text === "string" ? said(record) : `${JSON.stringify(record)}\n`;
}

/** Most say the same of this as the one before them. */
function latestText<T>(isSame: (one: T, other: T) => boolean): (value: T) => string {
  let latest: T | undefined;
  let text = "";
  return (value) => {
    if (latest === undefined || !isSame(latest, value)) {
      latest = value;
      text = JSON.stringify(value);
    }
    return text;
  };
}
