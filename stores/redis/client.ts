// One connection to one Redis server, and nothing that happens behind one's back: it does not reconnect, queue or send
// again. What was under way when it ended is told so at once. The only file that knows the client library.
import { Buffer } from "node:buffer";
import process from "node:process";
import { Redis } from "ioredis";

/** What a command is made of, and what comes back: an error of the server's is thrown. */
export type Argument = string | number | Uint8Array;
export type Reply = null | number | Buffer | readonly Reply[];

/** Where a server is, and what one has to show there. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export interface Access {
  readonly username?: string;
  readonly password?: string;
  readonly database: number;
  /** Certificates in PEM, where the way to the server is encrypted. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
}

export interface Limits {
  readonly connectMs: number;
  /** A server that owes an answer and has sent nothing for so long is gone. */
  readonly replyMs: number;
}

/** The connection ended before the answer was there: nobody knows whether the server has seen the command. */
export class Cut extends Error {
  override readonly name = "Cut";
}

/** The server could not be reached at all. */
export class Unreachable extends Error {
  override readonly name = "Unreachable";
}

export interface Connection {
  readonly isOpen: boolean;
  /** Rejects with the server's own error, or with Cut. Commands are answered in the order of their calls. */
  call(command: string, ...args: readonly Argument[]): Promise<Reply>;
  /** Ends it now, with whatever is under way. */
  end(reason: string): void;
}

const watchTurns = 4;

/** Opens a connection, with its password said and its database chosen. */
export async function connect(
  { host, port }: Endpoint,
  { username, password, database, tls }: Access,
  { connectMs, replyMs }: Limits,
): Promise<Connection> {
  const redis = new Redis({
    host,
    port,
    db: database,
    lazyConnect: true,
    retryStrategy: null,
    enableOfflineQueue: false,
    enableReadyCheck: false,
    disableClientInfo: true,
    autoResendUnfulfilledCommands: false,
    protocol: 2,
    connectTimeout: connectMs,
    keepAlive: 10_000,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    // A server that is named by its number has no name to be checked against: its certificate may hold the number.
    ...(tls === undefined ? {} : { tls: { ...tls, ...(/^[\d.]+$|:/.test(host) ? {} : { servername: host }) } }),
  });
  let isOpen = true;
  let why: Error | undefined;
  let underWay = 0;
  let isHeard = false;
  let silentTurns = 0;
  let isCorked = false;
  let timer: ReturnType<typeof setInterval> | undefined;
  redis.on("error", (error: Error) => why ??= error);
  redis.on("close", closed);
  redis.on("end", closed);

  /** What the library does not send, the server does not see. */
  const isReady = (): boolean => isOpen && redis.status === "ready" && redis.stream.writable;

  function closed(): void {
    isOpen = false;
    clearInterval(timer);
    timer = undefined;
  }

  function end(reason: string): void {
    why ??= new Error(reason);
    closed();
    redis.disconnect();
    // A server that is gone does not answer a goodbye.
    redis.stream?.destroy();
  }

  function watch(): void {
    silentTurns = isHeard || underWay === 0 ? 0 : silentTurns + 1;
    isHeard = false;
    if (silentTurns >= watchTurns) return end(`no answer within ${replyMs} ms`);
    if (underWay > 0) return;
    clearInterval(timer);
    timer = undefined;
  }

  /** What is said in one turn goes in one piece. */
  function uncork(): void {
    isCorked = false;
    redis.stream.uncork();
  }

  function call(command: string, ...args: readonly Argument[]): Promise<Reply> {
    if (!isReady()) return Promise.reject(new Unreachable(why?.message ?? "the connection has ended"));
    underWay += 1;
    timer ??= setInterval(watch, replyMs / watchTurns);
    if (!isCorked) {
      isCorked = true;
      redis.stream.cork();
      process.nextTick(uncork);
    }
    return (redis.callBuffer(command, args.map(argument)) as Promise<Reply>).then(heard, failed);
  }

  function heard(reply: Reply): Reply {
    underWay -= 1;
    isHeard = true;
    return reply;
  }

  function failed(error: unknown): never {
    underWay -= 1;
    isHeard = true;
    if (error instanceof Error && error.name === "ReplyError") throw error;
    throw new Cut(why?.message ?? "the connection ended", { cause: error });
  }

  try {
    await redis.connect();
    await call("PING");
  } catch (error) {
    const told = why ?? (error instanceof Error ? error : new Error(String(error)));
    end(told.message);
    if (told.name === "ReplyError") throw told;
    throw new Unreachable(told.message, { cause: told });
  }
  return {
    get isOpen() {
      return isReady();
    },
    call,
    end,
  };
}

/** The library knows bytes by the class Buffer only. */
function argument(value: Argument): string | number | Buffer {
  return value instanceof Uint8Array && !Buffer.isBuffer(value)
    ? Buffer.from(value.buffer, value.byteOffset, value.byteLength)
    : value;
}
