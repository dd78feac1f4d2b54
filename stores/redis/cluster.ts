// A Redis Cluster: which of its servers keeps a key is for the cluster to say, and changes while it is used. It is
// asked when the store opens, when a server sends one on, and when a server is gone.
import { ShoalError } from "../error.ts";
import { type Access, connect, type Endpoint, type Limits } from "./client.ts";
import { bytesOf, integerOf, listOf } from "./replies.ts";
import type { Placement } from "./servers.ts";
import { movedTo, replyCode, troubleOf } from "./trouble.ts";

const slotsCount = 16_384;
/** Whoever finds a server gone asks; all at once ask once. */
const askAgainMs = 100;

/** CRC-16 (XMODEM), as the cluster's specification has it. */
function crc16(bytes: Uint8Array): number {
  let sum = 0;
  for (const byte of bytes) {
    sum ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) sum = (sum & 0x8000) === 0 ? sum << 1 : (sum << 1) ^ 0x1021;
    sum &= 0xffff;
  }
  return sum;
}

const encoder = new TextEncoder();

/** A key's slot: of what stands in its first braces, where anything does. */
export function slotOf(key: string): number {
  const [, tag] = /^[^{]*\{([^}]+)\}/s.exec(key) ?? [];
  return crc16(encoder.encode(tag ?? key)) % slotsCount;
}

/** The cluster that some of its servers are named of. */
export async function cluster(seeds: readonly Endpoint[], access: Access, limits: Limits): Promise<Placement> {
  /** Only ever grows: what is under way means a server by its index. */
  const endpoints: Endpoint[] = [];
  let slots: readonly (number | undefined)[] = [];
  let asking: Promise<void> | undefined;
  let askedAt = -Infinity;

  function indexOf({ host, port }: Endpoint): number {
    const known = endpoints.findIndex((endpoint) => endpoint.host === host && endpoint.port === port);
    return known >= 0 ? known : endpoints.push({ host, port }) - 1;
  }

  async function askAt(endpoint: Endpoint): Promise<void> {
    const connection = await connect(endpoint, access, limits);
    try {
      const found: (number | undefined)[] = Array.from({ length: slotsCount }, () => undefined);
      for (const range of listOf(await connection.call("CLUSTER", "SLOTS"))) {
        const [from, to, master] = listOf(range);
        const [host, port] = listOf(master);
        // One that knows no address of its own is where it was found.
        const index = indexOf({ host: bytesOf(host).toString() || endpoint.host, port: integerOf(port) });
        found.fill(index, integerOf(from), integerOf(to) + 1);
      }
      slots = found;
      askedAt = performance.now();
    } finally {
      connection.end("done");
    }
  }

  async function ask(): Promise<void> {
    let failure: unknown;
    for (const endpoint of [...endpoints, ...seeds]) {
      try {
        return await askAt(endpoint);
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  const where = seeds.map(({ host, port }) => `${host}:${port}`).join();
  try {
    await ask();
  } catch (error) {
    if (error instanceof Error && /cluster support disabled/.test(error.message)) {
      throw new ShoalError(
        "BadInput",
        `Cannot open store: ${where} is no cluster; write redis: instead of redis+cluster:`,
      );
    }
    throw troubleOf(error, "open store", where, "failed");
  }
  const open = slots.indexOf(undefined);
  if (open >= 0) {
    throw new ShoalError(
      "Unavailable",
      `Cannot open store: the cluster of ${where} has no server for slot ${open}; run redis-cli --cluster fix there`,
    );
  }

  return {
    endpoints,
    // A slot that has lost its server: whoever had it says what is the matter.
    endpointOf: (key) => slots[slotOf(key)] ?? 0,
    current: () => [...new Set(slots.filter((index) => index !== undefined))],
    aside(error) {
      const to = movedTo(error);
      return to && indexOf(to.endpoint);
    },
    async moved(error) {
      const to = replyCode(error) === "MOVED" ? movedTo(error) : undefined;
      if (to !== undefined) {
        const index = indexOf(to.endpoint);
        slots = slots.map((old, slot) => slot === to.slot ? index : old);
        return;
      }
      if (performance.now() - askedAt < askAgainMs) return;
      asking ??= ask().finally(() => asking = undefined);
      // Where nobody answers, who asked goes on with what was known.
      await asking.catch(() => {});
    },
  };
}
