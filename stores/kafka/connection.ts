// One connection to one broker: requests out, answers back in their order, each with a deadline. What was never sent has
// failed; what was sent and not answered is unknown.
import type { Buffer } from "node:buffer";
import { connect, isIP, type Socket } from "node:net";
import { connect as connectTls, type ConnectionOptions } from "node:tls";
import { isShoalError, ShoalError } from "../error.ts";
import { asked, type Line, line, type Wire } from "./kafkajs.ts";
import { refusedBecause } from "./trouble.ts";

export type Mechanism = "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512";

export const mechanisms: readonly Mechanism[] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"];

export interface Credentials {
  readonly mechanism: Mechanism;
  readonly user: string;
  readonly password: string;
}

export interface ConnectionSettings {
  readonly clientId: string;
  readonly connectMs: number;
  readonly requestMs: number;
  /** Nothing for a connection in the clear. */
  readonly tls?: ConnectionOptions;
  readonly credentials?: Credentials;
}

export interface Connection {
  readonly isOpen: boolean;
  /** When it was last used, or nothing while it waits for an answer. */
  readonly idleSince: number | undefined;
  /** `waitMs`: how long the broker itself may wait before it answers. */
  ask<A>(wire: Wire<A>, waitMs?: number): Promise<A>;
  close(): void;
}

const answerBytesMax = 2 ** 28;

/** Connects and proves who it is. Rejects with a typed error that says what to do. */
export async function connection(host: string, port: number, settings: ConnectionSettings): Promise<Connection> {
  const { clientId, connectMs, requestMs, credentials, tls } = settings;
  const where = `${host}:${port}`;
  let isConnected = false;
  let hasAnswered = false;
  let ended: ShoalError | undefined;
  let refuse: (error: ShoalError) => void;
  const ending = new Promise<never>((_, reject) => refuse = reject);
  ending.catch(() => {});
  let pending = 0;
  let lastUsed = performance.now();
  let socket: Socket | undefined;

  const own: Line = line({
    host,
    port,
    clientId,
    // Ours ends it before.
    connectionTimeout: 2 * connectMs,
    requestTimeout: requestMs,
    sasl: credentials === undefined
      ? null
      : { mechanism: credentials.mechanism, username: credentials.user, password: credentials.password },
    socketFactory({ onConnect }) {
      const made = tls === undefined
        ? connect({ host, port }, onConnect)
        : connectTls({ ...(isIP(host) === 0 ? { servername: host } : {}), ...tls, host, port }, onConnect);
      made.setNoDelay(true);
      made.once("error", (error) => end(refusedBecause(error), error));
      made.once("end", left);
      made.once("close", left);
      socket = made;
      return made;
    },
  });

  function left(): void {
    const isFirst = !hasAnswered ? " at once; is TLS or a log-in wanted there?" : "";
    end(`it closed the connection${isFirst}`);
  }

  function end(why: string, cause?: unknown): void {
    if (ended !== undefined) return;
    const code = !isConnected && /certificate|self-signed|altname/i.test(why) ? "Unauthorized" : "Unavailable";
    const outcome = isConnected ? "unknown" : "failed";
    ended = new ShoalError(code, `Cannot reach Kafka at ${where}: ${why}`, { outcome, cause });
    refuse(ended);
    own.rejectRequests(ended);
    socket?.destroy();
    void own.disconnect().catch(() => {});
  }

  const take = own.processData.bind(own);
  own.processData = (data: Buffer) => {
    try {
      take(data);
    } catch (error) {
      return end("what answers there is no Kafka, or speaks TLS", error);
    }
    if (own.bytesNeeded > answerBytesMax) end("what answers there is no Kafka, or speaks TLS");
  };

  /** Within a time of our own: the library waits for some answers for ever. */
  async function within<T>(ms: number, what: string, work: Promise<T>): Promise<T> {
    const timer = setTimeout(() => end(`no ${what} within ${ms} ms`), ms);
    try {
      return await Promise.race([work, ending]);
    } catch (error) {
      throw ended ?? error;
    } finally {
      clearTimeout(timer);
    }
  }

  async function ask<A>(wire: Wire<A>, waitMs = 0): Promise<A> {
    if (ended !== undefined) throw new ShoalError("Unavailable", `Cannot reach Kafka at ${where}: it is closed`);
    let isWritten = false;
    pending += 1;
    try {
      const answer = await asked(own, clientId, wire, requestMs + waitMs, (pieces) => {
        if (ended !== undefined) throw ended;
        isWritten = true;
        socket?.cork();
        for (const piece of pieces) socket?.write(piece);
        socket?.uncork();
      });
      hasAnswered = true;
      return await wire.decode(answer);
    } catch (error) {
      // A connection that owes an answer is of no more use: those behind it would wait as long.
      if ((error as Error).name === "KafkaJSRequestTimeoutError") {
        end(`no answer within ${requestMs + waitMs} ms`, error);
      }
      const known = isShoalError(error) ? error : ended;
      if (known !== undefined) throw known === ended && !isWritten ? failed(known) : known;
      const why = (error as Error).message;
      throw new ShoalError("Corrupt", `Cannot read Kafka's answer: ${why}`, { outcome: "unknown", cause: error });
    } finally {
      pending -= 1;
      lastUsed = performance.now();
    }
  }

  try {
    await within(connectMs, "connection", own.connect());
    isConnected = true;
    if (credentials !== undefined) {
      await within(requestMs, "answer to the log-in", own.authenticate());
      hasAnswered = true;
    }
  } catch (error) {
    end("it was not let in", error);
    throw credentials !== undefined && isConnected ? unproven(error, credentials, where) : error;
  }
  return {
    get isOpen() {
      return ended === undefined;
    },
    get idleSince() {
      return pending === 0 ? lastUsed : undefined;
    },
    ask,
    close: () => end("it was closed"),
  };
}

const failed = ({ code, message, cause }: ShoalError): ShoalError =>
  new ShoalError(code, message, { outcome: "failed", cause });

/** Why a log-in failed, in words. */
function unproven(cause: unknown, { mechanism, user }: Credentials, where: string): ShoalError {
  const what = `Cannot log in to Kafka at ${where}${isShoalError(cause) ? "" : ` as ${user}`}`;
  if (isShoalError(cause)) {
    const why = "it closed the connection; TLS may be spoken there (tls=on), or no log-in wanted";
    return new ShoalError("Unavailable", `${what}: ${why}`, { cause });
  }
  const { message } = cause as Error;
  // The library's own clock may be first, and its error may stand in another.
  if (/ timed out/.test(message)) {
    return new ShoalError("Unavailable", `Cannot log in to Kafka at ${where}: ${message}`, { cause });
  }
  const why = /not supported by the server|does not support the requested SASL/i.test(message)
    ? `it knows no ${mechanism}; set mechanism= to another of ${mechanisms.join(", ")}`
    : `${message}; check the user and the password`;
  return new ShoalError("Unauthorized", `${what}: ${why}`, { cause });
}
