// What a store asks of its servers before it writes anything: that they are new enough, throw nothing away, and belong
// to the run as the URL says; and what of what they acknowledge they keep, by their own settings.
import { ShoalError } from "../error.ts";
import type { Abilities } from "../store.ts";
import type { Keys } from "./keys.ts";
import { pairs, textOf } from "./replies.ts";
import type { Asked, Servers } from "./servers.ts";

export interface Kept {
  readonly survives: Abilities["survives"];
  readonly lossWindowMs: number;
}

const asked: Asked = { what: "open store", role: "control", writes: false };
const partAsked: Asked = { what: "open store", role: "control", writes: true };
/** With `everysec` Redis may put a write off behind a sync that is under way, for up to two seconds. */
const everySecondMs = 2_000;
const versionMin: readonly [number, number] = [6, 2];

const order: readonly Abilities["survives"][] = ["nothing", "thread", "process", "host", "server", "power"];

/** The lines `name:value` of INFO. */
export function facts(text: string): Map<string, string> {
  return new Map(
    text.split(/\r?\n/).flatMap((line): [string, string][] => {
      const [, name, value] = /^(\w+):(.*)$/.exec(line) ?? [];
      return name === undefined ? [] : [[name, value!]];
    }),
  );
}

const isLoopback = (host: string): boolean => /^(localhost|127\.\d+\.\d+\.\d+|::1)$/.test(host);

/** When a server brings to its disk what it has written. Some sites let nobody ask; then the least is taken. */
async function syncOf(servers: Servers, server: number): Promise<string> {
  try {
    const sync = pairs(await servers.callAt(asked, server, "CONFIG", "GET", "appendfsync")).get("appendfsync");
    return sync === undefined ? "" : textOf(sync);
  } catch (error) {
    if (error instanceof Error && /unknown command/i.test(error.message)) return "";
    throw error;
  }
}

/** What one server keeps. Throws where it cannot be a store. */
async function surveyed(servers: Servers, server: number, where: string, isCluster: boolean): Promise<Kept> {
  const info = facts(textOf(await servers.callAt(asked, server, "INFO")));
  const version = info.get("redis_version") ?? "0.0";
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major < versionMin[0] || (major === versionMin[0] && minor < versionMin[1])) {
    throw new ShoalError(
      "Incompatible",
      `Cannot open store: ${where} is Redis ${version}; ${versionMin.join(".")} or newer is wanted`,
    );
  }
  const policy = info.get("maxmemory_policy") ?? "noeviction";
  if (policy !== "noeviction") {
    throw new ShoalError(
      "BadInput",
      `Cannot open store: ${where} throws data away when it is full (maxmemory-policy ${policy}); ` +
        "run CONFIG SET maxmemory-policy noeviction there, or name another server",
    );
  }
  if (info.get("cluster_enabled") === "1" && !isCluster) {
    throw new ShoalError(
      "BadInput",
      `Cannot open store: ${where} is part of a cluster; write redis+cluster: instead of redis:`,
    );
  }
  if (info.get("role") === "slave") {
    throw new ShoalError(
      "BadInput",
      `Cannot open store: ${where} is a replica, which takes no writes; name its master`,
    );
  }
  // Another host outlives this one; what runs on this one ends with it.
  const host = where.slice(0, where.lastIndexOf(":"));
  const least: Kept = { survives: isLoopback(host) ? "process" : "host", lossWindowMs: 0 };
  if (info.get("aof_enabled") !== "1") return least;
  switch (await syncOf(servers, server)) {
    case "always":
      return { survives: "power", lossWindowMs: 0 };
    case "everysec":
      return { survives: "power", lossWindowMs: everySecondMs };
    default:
      return { survives: "server", lossWindowMs: 0 };
  }
}

/** What all servers keep: no more than the one that keeps least. */
export async function survey(servers: Servers, wheres: readonly string[], isCluster: boolean): Promise<Kept> {
  const all = await Promise.all(wheres.map((where, server) => surveyed(servers, server, where, isCluster)));
  const survives = all.map((kept) => kept.survives).reduce((a, b) => order.indexOf(a) < order.indexOf(b) ? a : b);
  return { survives, lossWindowMs: Math.max(...all.map(({ lossWindowMs }) => lossWindowMs)) };
}

export interface Parts {
  /** Throws Lost where a server no longer knows the run. */
  check(): Promise<void>;
}

/** Says to each server which part of the run it is, and compares with what was said to it before. */
export async function parts(
  opening: Servers,
  servers: Servers,
  keys: Keys,
  wheres: readonly string[],
  isCluster: boolean,
): Promise<Parts> {
  const textAt = (server: number): string => isCluster ? "cluster" : `${server + 1} of ${wheres.length}`;
  // In a cluster one key says it for all.
  const own = isCluster ? [opening.indexOf(keys.part)] : wheres.map((_, server) => server);
  const said = await Promise.all(own.map(async (server) => {
    const reply = await opening.callAt(asked, server, "GET", keys.part);
    return reply === null ? undefined : textOf(reply);
  }));
  for (const [index, text] of said.entries()) {
    const server = own[index]!;
    if (text === undefined || text === textAt(server)) continue;
    throw new ShoalError(
      "Conflict",
      `Cannot open store: ${wheres[server]} is ${text} for this run, and the URL makes it ${textAt(server)}; ` +
        "name the servers that the run began with, in the same order",
    );
  }
  for (const server of own) {
    if (said[own.indexOf(server)] === undefined) {
      await opening.callAt(partAsked, server, "SET", keys.part, textAt(server), "NX");
    }
  }
  return {
    async check() {
      for (const server of own) {
        if (await servers.callAt(asked, server, "GET", keys.part) !== null) continue;
        throw new ShoalError("Lost", `Cannot get tensor: ${wheres[server]} has lost what it kept of this run`);
      }
    },
  };
}
