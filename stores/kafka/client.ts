// A cluster as one thing: who leads which partition, a connection for each purpose, and what failed is tried again where
// that can do no harm. One client serves all stores of a process that go to the same servers in the same way.
import type { Buffer } from "node:buffer";
import { isShoalError, ShoalError } from "../error.ts";
import type { Producer } from "./batch.ts";
import { type Connection, connection, type ConnectionSettings } from "./connection.ts";
import type { Fetched, Wire } from "./kafkajs.ts";
import { fetch, type Metadata, metadata, produce, producerId, type Wanted } from "./requests.ts";
import { errors, isPassing, KafkaTrouble } from "./trouble.ts";

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface ClientOptions extends ConnectionSettings {
  /** Where the cluster is asked for first. */
  readonly servers: readonly Address[];
  /** How long a call is tried again for. */
  readonly patienceMs: number;
  /** Where a broker is reached, if not at the address that it says of itself: through a tunnel, or a test's proxy. */
  readonly route?: (address: Address) => Address;
}

/** What a connection is for: a broker answers what comes on one in order, so that who waits must not be before others. */
export type Purpose = "ask" | "send" | "sync" | "fetch" | `wait ${string}`;

export interface Client {
  /** Asks the one who leads, again and again while that may help: for what done twice is done once. */
  leading<T>(
    topic: string,
    partition: number,
    purpose: Purpose,
    request: () => Wire<T>,
    waitMs?: number,
  ): Promise<T>;
  anyone<T>(request: () => Wire<T>): Promise<T>;
  controlling<T>(request: () => Wire<T>): Promise<T>;
  fetch(purpose: Purpose, wanted: Wanted, waitMs: number): Promise<Fetched>;
  produce(topic: string, partition: number, batch: readonly Buffer[]): Promise<number>;
  producer(): Promise<Producer>;
  /** What is known of topics, asked again. */
  topics(names: readonly string[]): Promise<Metadata["topics"]>;
  close(): void;
}

const idleMs = 10_000;
const firstPatienceMs = 3_000;
const pauseMs = { min: 20, max: 500 };

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export function client(options: ClientOptions): Client {
  const { servers, patienceMs, requestMs, route = (address: Address): Address => address } = options;
  const connections = new Map<string, Promise<Connection>>();
  const known = new Map<number, Address>();
  const leaders = new Map<string, number>();
  let controller = -1;
  /** What was asked about last: kafkajs has no way to ask about no topic, and about none means all. */
  let asked: readonly string[] = [];
  /** Who answered last: one that is silent is not asked first again and again. */
  let lastGood: Address | undefined;
  let isClosed = false;

  const tidying = setInterval(() => {
    for (const [key, opening] of connections) {
      void opening.then((one) => {
        if (one.isOpen && performance.now() - (one.idleSince ?? Infinity) < idleMs) return;
        if (one.isOpen && one.idleSince === undefined) return;
        connections.delete(key);
        one.close();
      }, () => {});
    }
  }, idleMs);
  // What waits for nothing must not keep a program from ending.
  tidying.unref();

  async function connected(key: string, address: Address): Promise<Connection> {
    if (isClosed) throw new ShoalError("ShuttingDown", "Cannot reach Kafka: the store was closed");
    const before = connections.get(key);
    if (before !== undefined) {
      const one = await before.catch(() => undefined);
      if (one?.isOpen) return one;
      if (connections.get(key) !== before) return connected(key, address);
    }
    const { host, port } = address;
    const opening = connection(host, port, options);
    connections.set(key, opening);
    opening.catch(() => connections.get(key) === opening && connections.delete(key));
    const one = await opening;
    if (isClosed) one.close();
    return one;
  }

  /** Someone who answers: a server that is known to lead something, or one of those named. */
  async function anybody(): Promise<Connection> {
    let first: unknown;
    const some = [...servers.map(route), ...[...known.values()].map(route)];
    for (const address of lastGood === undefined ? some : [lastGood, ...some]) {
      try {
        const one = await connected(`ask ${address.host}:${address.port}`, address);
        lastGood = address;
        return one;
      } catch (error) {
        if (address === lastGood) lastGood = undefined;
        // A wrong password is wrong everywhere.
        if (isShoalError(error, "Unauthorized") || isShoalError(error, "ShuttingDown")) throw error;
        first ??= error;
      }
    }
    throw first;
  }

  async function look(names: readonly string[]): Promise<Metadata["topics"]> {
    asked = names;
    const found = await (await anybody()).ask(metadata(names));
    for (const { node, host, port } of found.brokers) known.set(node, { host, port });
    controller = found.controller;
    for (const { topic, error, leaders: all } of found.topics) {
      for (const one of all) {
        if (error === 0 && one.leader >= 0) leaders.set(`${topic}/${one.partition}`, one.leader);
        else leaders.delete(`${topic}/${one.partition}`);
      }
    }
    return found.topics;
  }

  async function node(id: number, purpose: Purpose): Promise<Connection> {
    const address = known.get(id);
    if (address === undefined) throw new ShoalError("Unavailable", "Cannot reach Kafka: it has no leader now");
    const { host, port } = route(address);
    return connected(purpose === "ask" ? `ask ${host}:${port}` : `${purpose} ${id}`, { host, port });
  }

  async function leaderOf(topic: string, partition: number): Promise<number> {
    const key = `${topic}/${partition}`;
    if (!leaders.has(key)) {
      const [found] = await look([topic]);
      if (found !== undefined && found.error !== 0) throw new KafkaTrouble(found.error, `use topic ${topic}`);
    }
    const leader = leaders.get(key);
    if (leader === undefined) {
      throw new KafkaTrouble(errors.leaderNotAvailable, `use partition ${partition} of ${topic}`);
    }
    return leader;
  }

  /** Tries again until its patience is over. Unknown once any try may have got through. */
  async function patiently<T>(call: () => Promise<T>, forget: () => void): Promise<T> {
    // Who was never reached may be misspelt: that is better told soon.
    const end = performance.now() + (known.size === 0 ? Math.min(patienceMs, firstPatienceMs) : patienceMs);
    let isUnknown = false;
    for (let pause = pauseMs.min;; pause = Math.min(2 * pause, pauseMs.max)) {
      try {
        return await call();
      } catch (error) {
        if (isShoalError(error) && error.outcome === "unknown") isUnknown = true;
        if (isClosed) {
          throw new ShoalError("ShuttingDown", "Cannot reach Kafka: the store was closed", { cause: error });
        }
        if (!isPassing(error) || performance.now() + pause > end) {
          if (!isUnknown || !isShoalError(error) || error.outcome === "unknown") throw error;
          throw new ShoalError(error.code, error.message, { outcome: "unknown", cause: error });
        }
        forget();
        await sleep(pause);
      }
    }
  }

  function leading<T>(
    topic: string,
    partition: number,
    purpose: Purpose,
    request: () => Wire<T>,
    waitMs = 0,
  ): Promise<T> {
    return patiently(
      async () => (await node(await leaderOf(topic, partition), purpose)).ask(request(), waitMs),
      () => leaders.delete(`${topic}/${partition}`),
    );
  }

  return {
    leading,
    anyone: (request) => patiently(async () => (await anybody()).ask(request()), () => {}),
    controlling: (request) =>
      patiently(async () => {
        if (!known.has(controller)) await look(asked);
        return (await node(controller, "ask")).ask(request());
      }, () => controller = -1),
    fetch: (purpose, wanted, waitMs) =>
      leading(wanted.topic, wanted.partition, purpose, () => fetch(wanted, waitMs), waitMs),
    produce: (topic, partition, batch) =>
      leading(topic, partition, "send", () => produce(topic, partition, batch, requestMs)),
    producer: () => patiently(async () => (await anybody()).ask(producerId()), () => {}),
    topics: (names) => patiently(() => look(names), () => {}),
    close() {
      isClosed = true;
      clearInterval(tidying);
      for (const opening of connections.values()) void opening.then((one) => one.close(), () => {});
      connections.clear();
    },
  };
}
