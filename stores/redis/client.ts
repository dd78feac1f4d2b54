// One connection to one Redis server, and nothing that happens behind one's back: it does not reconnect, queue or send
// again. What was under way when it ended is told so at once. The only file that knows the client library.
import { Buffer } from "node:buffer";
import { connect as connectSocket, type Socket } from "node:net";
import process from "node:process";
import { AbstractConnector, Command, Redis } from "ioredis";
import { crc32 } from "../checksum.ts";
import { type Intake, intake, type Landing } from "./intake.ts";
import { piecesOf, type Word } from "./words.ts";

/** What a command is made of, and what comes back: an error of the server's is thrown. */
export type Argument = Word;
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
  /** Large values come here, each into memory that is there for it. */
  readonly isBulk?: boolean;
}

/** The connection ended before the answer was there: nobody knows whether the server has seen the command. */
export class Cut extends Error {
  override readonly name = "Cut";
}

/** The server could not be reached at all. */
export class Unreachable extends Error {
  override readonly name = "Unreachable";
}

/** What has come of a value, and its CRC-32 going on from what was said. */
export interface Landed {
  readonly bytes: number;
  readonly sum: number;
}

export interface Connection {
  readonly isOpen: boolean;
  /** Rejects with the server's own error, or with Cut. Commands are answered in the order of their calls. */
  call(command: string, ...args: readonly Argument[]): Promise<Reply>;
  /**
   * Gets a value into memory, which is nobody else's until this has ended. Answers nothing where there is none; and
   * where it is not as long as it should be, how long it is.
   */
  land(into: Uint8Array, sum: number, key: string): Promise<Landed | undefined>;
  /** Ends it now, with whatever is under way. */
  end(reason: string): void;
}

const watchTurns = 4;
/** So much is not kept back for what else is said in the same turn: the server begins with it meanwhile. */
const togetherBytesMax = 2 ** 15;
const goodbyeMs = 2_000;

/** How the library comes to a socket that is made here. */
function connectorOf(open: () => Socket): new () => AbstractConnector {
  return class extends AbstractConnector {
    constructor() {
      super(goodbyeMs);
    }

    override async connect(): Promise<Socket> {
      this.connecting = true;
      this.stream = open();
      this.stream.once("error", (error) => this.firstError = error);
      return this.stream;
    }
  };
}

/** Opens a connection, with its password said and its database chosen. */
export async function connect(
  { host, port }: Endpoint,
  { username, password, database, tls }: Access,
  { connectMs, replyMs, isBulk = false }: Limits,
): Promise<Connection> {
  /** Where the way is encrypted, all is received by the library. */
  const front = isBulk && tls === undefined ? intake((bytes) => void redis.stream.emit("data", bytes)) : undefined;

  function socketOf(before: Intake): Socket {
    const callback = (bytes: number): boolean => {
      isHeard = true;
      before.came(bytes);
      return true;
    };
    return connectSocket({ host, port, onread: { buffer: () => before.place(), callback } });
  }

  const redis = new Redis({
    host,
    port,
    ...(front === undefined ? {} : { Connector: connectorOf(() => socketOf(front)) }),
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
  let corkedBytes = 0;
  let timer: ReturnType<typeof setInterval> | undefined;
  redis.on("error", (error: Error) => why ??= error);
  redis.on("close", closed);
  redis.on("end", closed);

  /** What the library does not send, the server does not see. */
  const isReady = (): boolean => isOpen && redis.status === "ready" && redis.stream.writable;

  function closed(): void {
    isOpen = false;
    front?.end();
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

  /** What is said in one turn goes in one piece, if it is small. */
  function cork(): void {
    if (isCorked) return;
    isCorked = true;
    corkedBytes = 0;
    redis.stream.cork();
    process.nextTick(uncork);
  }

  function uncork(): void {
    if (!isCorked) return;
    isCorked = false;
    redis.stream.uncork();
  }

  const call = (command: string, ...args: readonly Argument[]): Promise<Reply> => send(undefined, command, args);

  function send(landing: Landing | undefined, command: string, args: readonly Argument[]): Promise<Reply> {
    if (!isReady()) return Promise.reject(new Unreachable(why?.message ?? "the connection has ended"));
    underWay += 1;
    timer ??= setInterval(watch, replyMs / watchTurns);
    cork();
    front?.sent(landing);
    const reply = redis.sendCommand(written(command, args)) as Promise<Reply>;
    if (corkedBytes >= togetherBytesMax) uncork();
    return reply.then(heard, failed);
  }

  /** The library keeps the order of answers; what the server reads is written already. */
  function written(name: string, args: readonly Argument[]): Command {
    const command = new Command(name, [], { replyEncoding: null });
    command.toWritable = () => {
      const pieces = piecesOf([name, ...args]);
      for (const { byteLength } of pieces) corkedBytes += byteLength;
      for (const piece of pieces.slice(0, -1)) redis.stream.write(piece);
      return pieces.at(-1)!;
    };
    return command;
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
    // Nothing more may come into memory that is not this call's any more.
    front?.end();
    redis.stream?.destroy();
    throw new Cut(why?.message ?? "the connection ended", { cause: error });
  }

  async function land(into: Uint8Array, sum: number, key: string): Promise<Landed | undefined> {
    const landing: Landing = { into, sum, bytes: 0 };
    const reply = await send(landing, "GET", [key]);
    if (reply === null) return undefined;
    if (!Buffer.isBuffer(reply)) return landing;
    if (reply.byteLength !== into.byteLength) return { bytes: reply.byteLength, sum };
    into.set(reply);
    return { bytes: reply.byteLength, sum: crc32(reply, sum) };
  }

  try {
    await redis.connect();
    await call("PING");
    front?.begin();
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
    land,
    end,
  };
}
