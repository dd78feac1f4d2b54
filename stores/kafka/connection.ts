// One connection to one broker: requests out, answers back in their order, each with a deadline. What was never sent has
// failed; what was sent and not answered is unknown.
import { Buffer } from "node:buffer";
import { connect, isIP, type Socket } from "node:net";
import { connect as connectTls, type ConnectionOptions } from "node:tls";
import { ShoalError } from "../error.ts";
import { authenticate, type Credentials } from "./sasl.ts";
import { refusedBecause } from "./trouble.ts";
import { type Sink, sink, type Source, source } from "./wire.ts";

export interface ConnectionSettings {
  readonly clientId: string;
  readonly connectMs: number;
  readonly requestMs: number;
  /** Nothing for a connection in the clear. */
  readonly tls?: ConnectionOptions;
  readonly credentials?: Credentials;
}

/** Which request, in which version. */
export interface Api {
  readonly key: number;
  readonly version: number;
}

export interface Connection {
  readonly isOpen: boolean;
  /** When it was last used, or nothing while it waits for an answer. */
  readonly idleSince: number | undefined;
  /** `waitMs`: how long the broker itself may wait before it answers. */
  ask(api: Api, body: Sink, waitMs?: number): Promise<Source>;
  close(): void;
}

interface Asked {
  readonly resolve: (answer: Source) => void;
  readonly reject: (error: ShoalError) => void;
  readonly timer: ReturnType<typeof setTimeout>;
}

const saslHandshake: Api = { key: 17, version: 1 };
const saslAuthenticate: Api = { key: 36, version: 0 };
const unsupportedMechanism = 33;
const answerBytesMax = 2 ** 28;

/** Connects and proves who it is. Rejects with a typed error that says what to do. */
export async function connection(host: string, port: number, settings: ConnectionSettings): Promise<Connection> {
  const { clientId, requestMs, credentials } = settings;
  const where = `${host}:${port}`;
  const socket = await open(host, port, settings);
  const asked = new Map<number, Asked>();
  let count = 0;
  let isOpen = true;
  let hasAnswered = false;
  let lastUsed = performance.now();
  const size = Buffer.alloc(4);
  let sizeAt = 0;
  let answer: Buffer | undefined;
  let answerAt = 0;

  function end(why: string, cause?: unknown): void {
    if (!isOpen) return;
    isOpen = false;
    socket.destroy();
    for (const { reject, timer } of asked.values()) {
      clearTimeout(timer);
      reject(new ShoalError("Unavailable", `Cannot reach Kafka at ${where}: ${why}`, { outcome: "unknown", cause }));
    }
    asked.clear();
  }

  function take(piece: Buffer): void {
    for (let at = 0; at < piece.byteLength;) {
      if (answer === undefined) {
        const taken = piece.copy(size, sizeAt, at, at + 4 - sizeAt);
        at += taken;
        sizeAt += taken;
        if (sizeAt < 4) return;
        sizeAt = 0;
        const bytes = size.readInt32BE();
        if (bytes < 4 || bytes > answerBytesMax) return end("what answers there is no Kafka, or speaks TLS");
        answer = Buffer.allocUnsafeSlow(bytes);
        answerAt = 0;
      }
      const taken = piece.copy(answer, answerAt, at);
      at += taken;
      answerAt += taken;
      if (answerAt < answer.byteLength) return;
      const whole = answer;
      answer = undefined;
      const one = asked.get(whole.readInt32BE());
      if (one === undefined) return end("it answers what nobody asked");
      asked.delete(whole.readInt32BE());
      hasAnswered = true;
      lastUsed = performance.now();
      clearTimeout(one.timer);
      one.resolve(source(whole.subarray(4)));
    }
  }

  socket.on("data", take);
  socket.on("error", (error) => end(refusedBecause(error), error));
  const left = (): void =>
    end(
      hasAnswered ? "it closed the connection" : "it closed the connection at once; is TLS or a log-in wanted there?",
    );
  socket.on("close", left);
  socket.on("end", left);

  function ask({ key, version }: Api, body: Sink, waitMs = 0): Promise<Source> {
    if (!isOpen) return Promise.reject(new ShoalError("Unavailable", `Cannot reach Kafka at ${where}: it is closed`));
    const id = count = (count + 1) & 0x7fffffff;
    const head = sink().int16(key).int16(version).int32(id).text(clientId);
    const length = sink().int32(head.length + body.length);
    return new Promise((resolve, reject) => {
      // A connection that owes an answer is of no more use: those behind it would wait as long.
      const late = (): void => end(`no answer within ${requestMs + waitMs} ms`);
      asked.set(id, { resolve, reject, timer: setTimeout(late, requestMs + waitMs) });
      socket.cork();
      for (const piece of [...length.pieces, ...head.pieces, ...body.pieces]) socket.write(piece);
      socket.uncork();
    });
  }

  const own: Connection = {
    get isOpen() {
      return isOpen;
    },
    get idleSince() {
      return asked.size === 0 ? lastUsed : undefined;
    },
    ask,
    close: () => end("it was closed"),
  };
  try {
    if (credentials !== undefined) await prove(own, credentials, where);
  } catch (error) {
    own.close();
    throw error;
  }
  return own;
}

async function prove({ ask }: Connection, credentials: Credentials, where: string): Promise<void> {
  const { mechanism, user } = credentials;
  const refused = (why: string): ShoalError =>
    new ShoalError("Unauthorized", `Cannot log in to Kafka at ${where} as ${user}: ${why}`);
  let hello: Source;
  try {
    hello = await ask(saslHandshake, sink().text(mechanism));
  } catch (cause) {
    const why = "it closed the connection; TLS may be spoken there (tls=on), or no log-in wanted";
    throw new ShoalError("Unavailable", `Cannot log in to Kafka at ${where}: ${why}`, { cause });
  }
  const error = hello.int16();
  const known = hello.array(() => hello.text() ?? "");
  if (error === unsupportedMechanism) {
    throw refused(`it knows no ${mechanism}; set mechanism= to ${known.join(" or ")}`);
  }
  if (error !== 0) throw refused(`it answered the hand-shake with error ${error}; is a log-in wanted at this port?`);
  await authenticate(credentials, async (words) => {
    const answer = await ask(saslAuthenticate, sink().bytes(words));
    const code = answer.int16();
    const message = answer.text();
    if (code !== 0) throw refused(`${message ?? `error ${code}`}; check the user and the password`);
    return answer.bytes();
  });
}

function open(host: string, port: number, { connectMs, tls }: ConnectionSettings): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = tls === undefined
      ? connect({ host, port })
      : connectTls({ ...(isIP(host) === 0 ? { servername: host } : {}), ...tls, host, port });
    const timer = setTimeout(() => fail(new Error(`no connection within ${connectMs} ms`)), connectMs);
    const fail = (cause: Error): void => {
      clearTimeout(timer);
      socket.destroy();
      const why = refusedBecause(cause);
      const code = /certificate|self-signed|altname/i.test(why) ? "Unauthorized" : "Unavailable";
      reject(new ShoalError(code, `Cannot reach Kafka at ${host}:${port}: ${why}`, { cause }));
    };
    const early = (): void => fail(new Error("it closed the connection at once"));
    socket.once("error", fail);
    socket.once("close", early);
    socket.once(tls === undefined ? "connect" : "secureConnect", () => {
      clearTimeout(timer);
      socket.off("error", fail);
      socket.off("close", early);
      socket.setNoDelay(true);
      resolve(socket);
    });
  });
}
