// Whether the user may do all that a store does, found out before anything is written: each command once, in a form that
// changes nothing. A right that is missing is missing in the middle of a run else.
import { isShoalError } from "../error.ts";
import type { Argument } from "./client.ts";
import type { Keys } from "./keys.ts";
import type { Asked, Servers } from "./servers.ts";

const asked: Asked = { what: "open store", role: "control", writes: false };

/** On a key that nobody makes. The right is looked at before what else is wrong with a command. */
const commandsOn = (key: string): readonly (readonly [string, ...Argument[]])[] => [
  ["GET", key],
  ["SET", key, "", "XX"],
  // Of a key without a value: allowed, and refused.
  ["MSET", key, "", key],
  ["GETRANGE", key, 0, 0],
  ["STRLEN", key],
  ["EXISTS", key],
  ["UNLINK", key],
  ["PEXPIRE", key, 1],
  ["OBJECT", "IDLETIME", key],
  ["XADD", key, "NOMKSTREAM", "1-1", "r", ""],
  ["XRANGE", key, "-", "+"],
  ["XREVRANGE", key, "+", "-"],
  ["XREAD", "STREAMS", key, "0-0"],
  ["XTRIM", key, "MINID", "0-0"],
  ["XINFO", "STREAM", key],
  ["ZADD", key, "XX", 0, "r"],
  ["ZRANGEBYLEX", key, "-", "+"],
];

/** Throws Unauthorized with the first right that is missing. */
export async function checkRights(servers: Servers, keys: Keys, count: number, isCluster: boolean): Promise<void> {
  const key = `${keys.prefix}rights`;
  const said = Array.from(
    { length: isCluster ? 1 : count },
    (_, server) =>
      commandsOn(key).map(([command, ...args]) =>
        isCluster ? servers.call(asked, key, command, ...args) : servers.callAt(asked, server, command, ...args)
      ),
  ).flat();
  for (const end of await Promise.allSettled([...said, scanned(servers)])) {
    // That there is no such key is as good an answer as any.
    if (end.status === "rejected" && isShoalError(end.reason, "Unauthorized")) throw end.reason;
  }
}

const scanned = (servers: Servers) => servers.callAt(asked, servers.current()[0]!, "SCAN", "0", "COUNT", 1);
