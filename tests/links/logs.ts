// Ends of logs for tests: over a store of its own, with what came and a way to send.

import { realWorld } from "../../runtime/launch/world.ts";
import type { Packet } from "../../runtime/links/link.ts";
import { type LogEnds, logEnds, type LogOptions } from "../../runtime/links/log.ts";
import { openStore, type Store } from "../../stores/open.ts";
import { type Inbox, inbox } from "./place.ts";

export async function storeAt(url: string, run = "links"): Promise<Store> {
  return await openStore(url, { run, environment: realWorld, strict: true, thresholdBytes: 0 });
}

export interface LogEnd extends Inbox {
  readonly ends: LogEnds;
  send(node: string, packet: Packet): void;
}

export function logEnd(
  { logs, abilities }: Store,
  node: string,
  others: readonly string[],
  options: Partial<LogOptions> & { readonly epoch?: number } = {},
): LogEnd {
  const box = inbox();
  const { epoch = 1, ...rest } = options;
  const ends = logEnds({ logs, frameBytesMax: abilities.frameBytesMax, node, environment: realWorld, ...rest });
  const link = ends.linking(box, { epoch: () => epoch });
  for (const other of others) ends.connect(other);
  ends.begin();
  return { ...box, ends, send: (to, packet) => link.send(to, packet) };
}
