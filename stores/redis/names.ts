// The names of streams and claims that exist, for listings by prefix: a sorted set in each lane. A name is entered
// before what it names is made, and so may name nothing: a listing looks.
import { Buffer } from "node:buffer";
import { texts } from "./replies.ts";
import type { Keys, Kind } from "./keys.ts";
import type { Asked, Servers } from "./servers.ts";

export interface Names {
  /** Once, or `again` where the server does not know what it names. */
  enter(name: string, again?: boolean): Promise<void>;
  list(prefix: string): Promise<string[]>;
}

const enterAsked: Asked = { what: "enter a name", role: "control", writes: true };
const listAsked: Asked = { what: "list names", role: "control", writes: false };
const namesAtOnce = 1_000;
/** Those that are known to be there are remembered, up to so many. */
const rememberedMax = 65_536;

export function names(servers: Servers, keys: Keys, lanes: number, kind: Kind & ("l" | "n")): Names {
  const entered = new Set<string>();

  async function* inLane(lane: number, prefix: string): AsyncGenerator<string, void, undefined> {
    const index = keys.lane(lane, "x", kind);
    const start = Buffer.from(prefix);
    // No text in UTF-8 has a byte 255.
    const end = Buffer.concat([Buffer.from("["), start, Buffer.of(255)]);
    let from = Buffer.concat([Buffer.from("["), start]);
    for (;;) {
      const found = texts(
        await servers.call(listAsked, index, "ZRANGEBYLEX", index, from, end, "LIMIT", 0, namesAtOnce),
      );
      if (found.length === 0) return;
      const named = found.map((name): [string, string] => ["EXISTS", keys.lane(lane, kind, name)]);
      const there = await servers.calls(listAsked, index, named);
      yield* found.filter((_, at) => there[at] === 1);
      from = Buffer.concat([Buffer.from("("), Buffer.from(found.at(-1)!)]);
    }
  }

  return {
    async enter(name, again = false) {
      if (!again && entered.has(name)) return;
      const index = keys.lane(keys.laneOf(name), "x", kind);
      await servers.call(enterAsked, index, "ZADD", index, 0, name);
      if (entered.size >= rememberedMax) entered.clear();
      entered.add(name);
    },
    async list(prefix) {
      const all: string[] = [];
      for (let lane = 0; lane < lanes; lane++) for await (const name of inLane(lane, prefix)) all.push(name);
      return all.sort();
    },
  };
}
