// All keys that a pattern fits, on all servers, each once.
import { listOf, textOf, texts } from "./replies.ts";
import type { Asked, Servers } from "./servers.ts";

export interface Scanned {
  readonly server: number;
  readonly key: string;
}

const countAtOnce = 1_000;

export async function* scanned(
  servers: Servers,
  asked: Asked,
  pattern: string,
): AsyncGenerator<Scanned, void, undefined> {
  for (const server of servers.current()) {
    const seen = new Set<string>();
    let cursor = "0";
    do {
      const reply = listOf(
        await servers.callAt(asked, server, "SCAN", cursor, "MATCH", pattern, "COUNT", countAtOnce),
      );
      cursor = textOf(reply[0]);
      for (const key of texts(reply[1])) {
        if (seen.has(key)) continue;
        seen.add(key);
        yield { server, key };
      }
    } while (cursor !== "0");
  }
}
