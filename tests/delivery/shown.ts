// Frames and records as one line each, for the table of a failing schedule.

import type { Frame, StepRecord } from "../../runtime/delivery/protocol.ts";
import type { Message } from "./laws/message.ts";

export interface Flight {
  readonly from: number;
  readonly to: number;
  readonly frame: Frame;
  readonly run: string;
}

export function showFlight({ from, to, frame }: Flight): string {
  const way = `n${from}>n${to}`;
  if (frame.type === "fenced") return `${way} fenced ${frame.stale}`;
  const stream = `${frame.source}>${frame.destination}`;
  if (frame.type === "ack") {
    return `${way} ack ${stream} ${frame.state} through ${frame.through}, accepted ${frame.accepted}`;
  }
  if (frame.type === "answer") {
    return `${way} answer ${stream} ${frame.answers.map(({ sequence }) => sequence).join(" ")}`;
  }
  const entries = frame.entries.map(({ sequence, body }) =>
    `${sequence}=${(body as Message | undefined)?.id ?? "void"}`
  );
  return `${way} mail ${stream} epoch ${frame.epoch}: ${entries.join(" ") || "probe"}`;
}

export function showRecord({ actor, cursors, sent, whole }: StepRecord): string {
  const moved = cursors.map(({ source, sequence }) => `${source}=${sequence}`).join(" ");
  const told = sent.map(({ destination, last }) => `>${destination}=${last}`).join(" ");
  return `${actor}${whole ? " whole" : ""} ${moved} ${told}`.trim();
}
