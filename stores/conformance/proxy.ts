// A TCP proxy that stands between a client and its server and breaks what passes: before a request has reached the
// server, after it has and before its answer is back, amid the answer; or lets either wait, or never come.
import { connect, createServer, type Server, type Socket } from "node:net";

/**
 * What befalls a request. `before`: the connection ends, and the server has seen nothing. `after`: the server has seen
 * and answered it; the connection ends in place of the answer. `amid`: half of the answer's first piece comes, then the
 * end. `drop`: nothing reaches the server, nothing comes back, and the connection stays. `mute`: the server sees it and
 * all that follows, and no answer ever comes. `delay`: it reaches the server late. `slow`: its answer comes back late.
 */
export type ProxyFault = "before" | "after" | "amid" | "drop" | "mute" | "delay" | "slow";

export interface ProxyOptions {
  readonly host?: string;
  readonly port: number;
  /**
   * How many requests a piece from the client holds, for protocols whose clients send several at once; each piece is
   * one unless set. The piece in which the nth request lies is the one that is struck.
   */
  readonly requestsIn?: (piece: Uint8Array) => number;
  /** What `delay` and `slow` wait for. 50 ms unless set. */
  readonly hold?: () => Promise<void>;
}

export interface FaultProxy {
  readonly host: string;
  readonly port: number;
  /** Requests that have come from clients so far. */
  readonly requests: number;
  /** Connections that are open now, and all that ever were. */
  readonly connections: { readonly open: number; readonly all: number };
  /** How often each fault has struck. */
  readonly struck: Readonly<Record<ProxyFault, number>>;
  /** Lets a fault befall the nth request from now on, once. */
  arm(nth: number, fault: ProxyFault): void;
  /** Takes the fault back, and answers whether it had struck. */
  disarm(): boolean;
  /** Ends all connections, and refuses new ones while the server cannot be reached; `heal` ends that. */
  part(): void;
  heal(): void;
  close(): Promise<void>;
}

const loopback = "127.0.0.1";
const holdMs = 50;
const holdUnlessSet = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, holdMs));

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  /** What becomes of answers from here on. */
  answers: "pass" | "cut" | "halve" | "swallow" | "late";
  /** From here on nothing of the client's goes on. */
  isDropping: boolean;
  /** Pieces go one after the other also where one of them is late. */
  toServer: Promise<void>;
  toClient: Promise<void>;
}

/** Starts a proxy on a free port of this machine. */
export async function faultProxy(options: ProxyOptions): Promise<FaultProxy> {
  const { host = loopback, port, requestsIn = () => 1, hold = holdUnlessSet } = options;
  const pairs = new Set<Pair>();
  const struck: Record<ProxyFault, number> = { before: 0, after: 0, amid: 0, drop: 0, mute: 0, delay: 0, slow: 0 };
  let requests = 0;
  let all = 0;
  let armed: { readonly at: number; readonly fault: ProxyFault } | undefined;
  let hasStruck = false;
  let isParted = false;

  function strike(piece: Uint8Array): ProxyFault | undefined {
    requests += requestsIn(piece);
    if (armed === undefined || requests < armed.at) return undefined;
    const { fault } = armed;
    armed = undefined;
    hasStruck = true;
    struck[fault] += 1;
    return fault;
  }

  function end(pair: Pair): void {
    pairs.delete(pair);
    pair.client.destroy();
    pair.server.destroy();
  }

  function request(pair: Pair, piece: Uint8Array): void {
    const fault = strike(piece);
    if (fault === "before") return end(pair);
    if (fault === "drop") pair.isDropping = true;
    if (pair.isDropping) return;
    if (fault === "after") pair.answers = "cut";
    if (fault === "amid") pair.answers = "halve";
    if (fault === "mute") pair.answers = "swallow";
    if (fault === "slow") pair.answers = "late";
    pair.toServer = pair.toServer.then(async () => {
      if (fault === "delay") await hold();
      await sent(pair.server, piece);
    });
  }

  function answer(pair: Pair, piece: Uint8Array): void {
    const { answers } = pair;
    if (answers === "swallow") return;
    // The server has done what it was asked: it may finish whatever else it got, and nobody will hear of it.
    if (answers === "cut" || answers === "halve") {
      pair.answers = "swallow";
      if (answers === "halve") pair.client.write(piece.subarray(0, Math.floor(piece.byteLength / 2)));
      pair.client.destroySoon();
      pair.server.end();
      return;
    }
    if (answers === "late") pair.answers = "pass";
    pair.toClient = pair.toClient.then(async () => {
      if (answers === "late") await hold();
      await sent(pair.client, piece);
    });
  }

  const listener: Server = createServer({ allowHalfOpen: true }, (client) => {
    all += 1;
    if (isParted) return void client.destroy();
    const server = connect({ host, port, allowHalfOpen: true });
    const still = Promise.resolve();
    const pair: Pair = { client, server, answers: "pass", isDropping: false, toServer: still, toClient: still };
    pairs.add(pair);
    client.on("data", (piece) => request(pair, piece));
    server.on("data", (piece) => answer(pair, piece));
    // An end waits for what is still on its way.
    client.on("end", () => void pair.toServer.then(() => pair.isDropping || server.end()));
    server.on("end", () => void pair.toClient.then(() => pair.answers === "swallow" || client.end()));
    for (const [socket, other] of [[client, server], [server, client]] as const) {
      socket.on("error", () => end(pair));
      socket.on("close", () => {
        if (other.destroyed) pairs.delete(pair);
        else if (socket.errored !== null && socket.errored !== undefined) end(pair);
      });
    }
  });
  await new Promise<void>((resolve, reject) => {
    listener.once("error", reject);
    listener.listen(0, loopback, resolve);
  });
  const address = listener.address();
  if (address === null || typeof address === "string") throw new Error("Cannot start proxy: it has no port");

  return {
    host: loopback,
    port: address.port,
    get requests() {
      return requests;
    },
    get connections() {
      return { open: pairs.size, all };
    },
    struck,
    arm(nth, fault) {
      armed = { at: requests + nth, fault };
      hasStruck = false;
    },
    disarm() {
      armed = undefined;
      return hasStruck;
    },
    part() {
      isParted = true;
      for (const pair of pairs) end(pair);
    },
    heal() {
      isParted = false;
    },
    async close() {
      isParted = true;
      for (const pair of pairs) end(pair);
      await new Promise<void>((resolve) => listener.close(() => resolve()));
    },
  };
}

/** Settles when a socket can take more: a proxy must not hold what its other side does not read. */
function sent(socket: Socket, piece: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    if (socket.destroyed || socket.writableEnded) return resolve();
    socket.write(piece, () => resolve());
  });
}
