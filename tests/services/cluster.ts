// A real Redis Cluster of three masters, put together as redis-cli would, with nothing but commands.
import { connect, type Connection } from "../../stores/redis/client.ts";
import { type RedisServer, startRedis } from "./server.ts";

const slotsCount = 16_384;
const mastersCount = 3;
const readyMsMax = 20_000;

export interface RedisCluster {
  readonly servers: readonly RedisServer[];
  stop(): Promise<void>;
}

export const toServer = ({ host, port }: { readonly host: string; readonly port: number }): Promise<Connection> =>
  connect({ host, port }, { database: 0 }, { connectMs: 5_000, replyMs: 5_000 });

/** Starts a cluster; `slots` says how many of all slots have a server. */
export async function startCluster(binary: string, slots: number = slotsCount): Promise<RedisCluster> {
  const servers: RedisServer[] = [];
  const stop = async (): Promise<void> => void await Promise.all(servers.map((server) => server.stop()));
  try {
    for (let count = 0; count < mastersCount; count++) {
      servers.push(await startMaster(binary));
    }
    const connections = await Promise.all(servers.map(toServer));
    for (const [index, connection] of connections.entries()) {
      await connection.call("CLUSTER", "SET-CONFIG-EPOCH", index + 1);
      const [from, to] = [index, index + 1].map((at) => Math.floor(slotsCount * at / mastersCount));
      const own = Array.from({ length: to! - from! }, (_, slot) => from! + slot).filter((slot) => slot < slots);
      if (own.length > 0) await connection.call("CLUSTER", "ADDSLOTS", ...own);
    }
    for (const { host, port } of servers.slice(1)) await connections[0]!.call("CLUSTER", "MEET", host, port);
    const end = performance.now() + readyMsMax;
    for (const connection of connections) {
      for (;;) {
        const info = String(await connection.call("CLUSTER", "INFO"));
        if (/cluster_state:ok/.test(info) && info.includes(`cluster_known_nodes:${mastersCount}`)) {
          if (info.includes(`cluster_slots_assigned:${slots}`)) break;
        }
        if (performance.now() > end) throw new Error(`Cannot start cluster: ${info}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
    for (const connection of connections) connection.end("done");
    return { servers, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Its bus is at its port plus 10,000, which may be taken: another try finds a better one. */
async function startMaster(binary: string): Promise<RedisServer> {
  const settings: [string, string][] = [
    ["cluster-enabled", "yes"],
    ["cluster-node-timeout", "2000"],
    ["cluster-require-full-coverage", "no"],
  ];
  for (let tries = 0;; tries++) {
    try {
      return await startRedis(binary, { settings, portMax: 55_000 });
    } catch (error) {
      if (tries === 4) throw error;
    }
  }
}
