// A Redis server that a run starts for itself: its settings, with users of our own alone, and how one tells it from
// somebody else's. What it keeps in its folder, a server that is started there again has.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { ShoalError } from "../error.ts";
import { aboutMsMax, type OwnProgram, type OwnServer, type Preparing, programAt } from "../own.ts";
import { connect, Unreachable } from "./client.ts";
import { isPassing } from "./trouble.ts";

/** What shoal may do there; redis/shoal.acl says the same of servers that others run. */
export const rights =
  "resetkeys ~shoal:* resetchannels -@all +ping +select +info +config|get +cluster|slots +asking +get +set +mset +getrange +exists +unlink +scan +xadd +xrange +xrevrange +xread +xtrim +xinfo +zadd +zrangebylex +pexpire +strlen +object";

const user = "shoal";
const limits = { connectMs: 3_000, replyMs: 3_000 };

async function found(): Promise<OwnProgram> {
  const program = programAt("redis-server") ?? programAt("valkey-server");
  if (program === undefined) {
    const cure = "install Redis, load its module (a site's setup does so on every node), or name servers that run: " +
      "--store redis://HOST:6379";
    throw new ShoalError("Unavailable", `Cannot start a Redis server: there is no redis-server on the PATH; ${cure}`);
  }
  try {
    const { stdout } = await promisify(execFile)(program, ["--version"], { timeout: aboutMsMax });
    const [, version = "of an unknown version"] = /v=(\S+)/.exec(stdout) ?? [];
    return { program, args: [], about: `redis-server ${version} at ${program}` };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.trim().split("\n").at(-1) : String(cause);
    const cure = "put one that runs here first on the PATH";
    throw new ShoalError("Unavailable", `Cannot start a Redis server: ${program} does not run: ${why}; ${cure}`, {
      cause,
    });
  }
}

async function prepare(preparing: Preparing): Promise<readonly string[]> {
  const { found: { program }, folder, host, port, password, memoryBytesMax, keeps } = preparing;
  const digest = createHash("sha256").update(password).digest("hex");
  const settings = [
    `bind ${host}`,
    `port ${port}`,
    // Whoever has no password is nobody.
    "protected-mode no",
    "user default off",
    `user ${user} on #${digest} ${rights}`,
    "dir .",
    'save ""',
    `appendonly ${keeps ? "yes" : "no"}`,
    "appendfsync everysec",
    "maxmemory-policy noeviction",
    `maxmemory ${memoryBytesMax}`,
    "daemonize no",
  ];
  const file = join(folder, "redis.conf");
  writeFileSync(file, `${settings.join("\n")}\n`, { mode: 0o600 });
  return [program, file];
}

/** Redis servers of a run's own, one on each of its nodes. */
export const redisOwn: OwnServer = {
  scheme: "redis",
  isSharded: true,
  endSignal: "INT",
  // It reads what it kept, from a file system that may be slow.
  readyMsMax: 300_000,
  endMsMax: 30_000,
  taken: /Address already in use|Could not create server TCP|Failed listening on port/,
  found,
  prepare,
  async who(place, password) {
    try {
      const connection = await connect(place, { username: user, password, database: 0 }, limits);
      connection.end("it is known");
      return "ready";
    } catch (error) {
      if (error instanceof Unreachable) return "nobody";
      return isPassing(error) ? "starting" : "other";
    }
  },
  url(places, passwordFile, _, options) {
    const all = places.map(({ host, port }) => `${host.includes(":") ? `[${host}]` : host}:${port}`).join(",");
    const more = options === "" ? "" : `&${options}`;
    return `redis://${user}@${all}?passwordFile=${encodeURIComponent(passwordFile)}${more}`;
  },
};
