// A real Redis Cluster of three masters, put together as redis-cli would, with nothing but commands.
import { readFileSync } from "node:fs";
import { connect, type Connection } from "../../stores/redis/client.ts";
import type { Certificates } from "./certificates.ts";
import { type RedisServer, startRedis } from "./server.ts";

const slotsCount = 16_384;
const mastersCount = 3;
const readyMsMax = 60_000;
/** A server of a busy machine may say nothing for a while, and is not away for that. */
const nodeTimeoutMs = 5_000;
const meetAgainMs = 2_000;

/** What makes a server one of a cluster. */
export const clusterSettings: readonly (readonly [string, string])[] = [
  ["cluster-enabled", "yes"],
  ["cluster-node-timeout", String(nodeTimeoutMs)],
  ["cluster-require-full-coverage", "no"],
];

export interface RedisCluster {
  readonly servers: readonly RedisServer[];
  stop(): Promise<void>;
}

interface At {
  readonly host: string;
  readonly port: number;
}

function throughTls({ host, port }: At, tls: Certificates | undefined): Promise<Connection> {
  const access = tls === undefined ? { database: 0 } : { database: 0, tls: { ca: readFileSync(tls.ca, "utf8") } };
  return connect({ host, port }, access, { connectMs: 5_000, replyMs: 5_000 });
}

export const toServer = (at: At): Promise<Connection> => throughTls(at, undefined);

/** Settings of TLS, by the certificates of a server. */
export const tlsSettings = ({ cert, key, ca }: Certificates): [string, string][] => [
  ["tls-cert-file", cert],
  ["tls-key-file", key],
  ["tls-ca-cert-file", ca],
  ["tls-auth-clients", "no"],
];

/** Starts a cluster; `slots` says how many of all slots have a server. With certificates, all goes through TLS. */
export async function startCluster(
  binary: string,
  slots: number = slotsCount,
  tls?: Certificates,
): Promise<RedisCluster> {
  const servers: RedisServer[] = [];
  const stop = async (): Promise<void> => void await Promise.all(servers.map((server) => server.stop()));
  try {
    for (let count = 0; count < mastersCount; count++) {
      servers.push(await startMaster(binary, tls));
    }
    const connections = await Promise.all(servers.map((server) => throughTls(server, tls)));
    for (const [index, connection] of connections.entries()) {
      await connection.call("CLUSTER", "SET-CONFIG-EPOCH", index + 1);
      const [from, to] = [index, index + 1].map((at) => Math.floor(slotsCount * at / mastersCount));
      const own = Array.from({ length: to! - from! }, (_, slot) => from! + slot).filter((slot) => slot < slots);
      if (own.length > 0) await connection.call("CLUSTER", "ADDSLOTS", ...own);
    }
    let metAt = Number.NEGATIVE_INFINITY;
    /** Who does not answer in time is forgotten, and is to be met once more. */
    const meet = async (): Promise<void> => {
      if (performance.now() - metAt < meetAgainMs) return;
      metAt = performance.now();
      for (const { host, port } of servers.slice(1)) await connections[0]!.call("CLUSTER", "MEET", host, port);
    };
    const end = performance.now() + readyMsMax;
    for (const connection of connections) {
      for (;;) {
        const info = String(await connection.call("CLUSTER", "INFO"));
        if (/cluster_state:ok/.test(info) && info.includes(`cluster_known_nodes:${mastersCount}`)) {
          if (info.includes(`cluster_slots_assigned:${slots}`)) break;
        }
        if (performance.now() > end) throw new Error(`Cannot start cluster: ${info}`);
        if (!info.includes(`cluster_known_nodes:${mastersCount}`)) await meet();
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
async function startMaster(binary: string, tls: Certificates | undefined): Promise<RedisServer> {
  const secured: [string, string][] = tls === undefined ? [] : [["tls-cluster", "yes"], ...tlsSettings(tls)];
  const settings = [...clusterSettings, ...secured];
  for (let tries = 0;; tries++) {
    try {
      return await startRedis(binary, { settings, portMax: 55_000, isTls: tls !== undefined });
    } catch (error) {
      if (tries === 4) throw error;
    }
  }
}
