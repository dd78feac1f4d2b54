// What crosses between nodes, and what a run records, in the words of a simulation's table.

import type { Frame } from "../delivery/protocol.ts";
import type { Packet } from "../links/link.ts";
import { reader } from "../nodes/packets.ts";
import type { RunRecord } from "../run/records.ts";

/** What a packet says, in words. */
export function packetTold(packet: Packet, run: string): string {
  const frames = reader({ run, token: "", node: "" })(packet);
  return "error" in frames ? String(frames.error) : frames.map(frameTold).join("; ");
}

function frameTold(frame: Frame): string {
  if (frame.type === "fenced") return `you are fenced: epoch ${frame.stale} is over`;
  const stream = `${frame.source} > ${frame.destination}`;
  switch (frame.type) {
    case "ack": {
      const { state, through, accepted } = frame;
      return `ack ${stream} ${state === "known" ? "" : `${state} `}through ${through}, took in ${accepted}`;
    }
    case "answer":
      return `answers ${stream} ${frame.answers.map(({ sequence, result }) => `${sequence} ${result}`).join(", ")}`;
    case "mail": {
      if (frame.entries.length === 0) return `asks how ${stream} stands`;
      return `mail ${stream} ${
        frame.entries.map(({ sequence, kind, body }) => `${sequence} ${kind}${methodOf(body)}`).join(", ")
      }`;
    }
  }
}

function methodOf(body: unknown): string {
  const { method } = (body ?? {}) as { readonly method?: unknown };
  return typeof method === "string" && method !== "" ? ` ${method}` : "";
}

export function recordTold(record: RunRecord): { readonly who: string; readonly what: string } {
  const who = "actor" in record && record.actor !== undefined ? record.actor.id : "system";
  const what = (text: string): { readonly who: string; readonly what: string } => ({ who, what: text });
  switch (record.type) {
    case "ActorCrashed":
      return what(`failed during ${record.during}: ${record.error.message}; ${record.directive}`);
    case "ActorRestarted":
      return what(`begins life ${record.incarnation}`);
    case "ActorSpawned":
      return what(`spawned as ${record.actor.class}`);
    case "ActorEnded":
      return what(`ended, ${record.reason}`);
    case "MessageDied":
      return { who: record.to.id, what: `never gets ${record.method}: ${record.reason}` };
    case "MessageLogged":
      return what(`${record.level}: ${record.text}`);
    default:
      return what(record.type);
  }
}
