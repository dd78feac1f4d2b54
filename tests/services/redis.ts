// The Redis servers that all specs of one test run share: started once by the test command, which tells each spec by
// the environment; by the spec itself where it runs alone. Whoever needs them says `// needs: redis` at its top.
import { redisBinary } from "./binary.ts";
import { type RedisServer, startRedis } from "./server.ts";

export interface Place {
  readonly host: string;
  readonly port: number;
}

export interface RedisServices {
  readonly single: Place;
  readonly shards: readonly Place[];
  /** The server itself, for tests that start others. */
  readonly binary: string;
}

/** How the test command tells specs where the servers are. */
export const variable = "SHOAL_TEST_REDIS";

export interface Started {
  /** What goes into the environment of specs. */
  readonly text: string;
  stop(): Promise<void>;
}

const shardCount = 3;

/** Starts the servers. Where there is no redis-server to be had, what it says is the reason. */
export async function startServices(): Promise<Started> {
  const found = redisBinary();
  if ("reason" in found) return { text: JSON.stringify(found), stop: async () => {} };
  const all: RedisServer[] = [];
  const stop = async (): Promise<void> => void await Promise.all(all.map((server) => server.stop()));
  try {
    for (let count = 0; count <= shardCount; count++) all.push(await startRedis(found.path));
  } catch (error) {
    await stop();
    throw error;
  }
  const [single, ...shards] = all.map(({ host, port }): Place => ({ host, port }));
  const services: RedisServices = { single: single!, shards, binary: found.path };
  return { text: JSON.stringify(services), stop };
}

/** The servers of this run, or why there are none. */
export async function redisServices(): Promise<RedisServices | { readonly reason: string }> {
  const told = process.env[variable];
  const text = told === undefined || told === "" ? (await startServices()).text : told;
  return JSON.parse(text) as RedisServices | { readonly reason: string };
}
