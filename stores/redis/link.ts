// The way to one server that is there again when the server is: a connection is made when it is first wanted, and anew
// when it has ended. Who wants it waits as long as it has patience; nothing is tried while nobody wants anything.
import { type Access, connect, type Connection, type Endpoint, type Limits, Unreachable } from "./client.ts";
import { isHopeless, isPassing } from "./trouble.ts";

export interface Link {
  readonly where: string;
  /** The connection, if it is there. */
  readonly standing: Connection | undefined;
  /** The connection, made until `deadline` where there is none; rejects with what was in the way. */
  connected(deadline: number): Promise<Connection>;
  close(): void;
}

const retryMsMin = 20;
/** Below what a server needs to come back, so that whoever waits goes on at once. */
const retryMsMax = 500;

export function link(endpoint: Endpoint, access: Access, limits: Limits): Link {
  const where = `${endpoint.host}:${endpoint.port}`;
  let standing: Connection | undefined;
  let making: Promise<Connection> | undefined;
  let isClosed = false;
  const pauses = new Set<() => void>();

  function make(): Promise<Connection> {
    making ??= connect(endpoint, access, limits).then((made) => {
      if (isClosed) made.end("closed");
      return standing = made;
    }).finally(() => making = undefined);
    return making;
  }

  function pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        pauses.delete(done);
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(done, ms);
      pauses.add(done);
    });
  }

  return {
    where,
    get standing() {
      return standing?.isOpen === true ? standing : undefined;
    },
    async connected(deadline) {
      for (let retryMs = retryMsMin;; retryMs = Math.min(2 * retryMs, retryMsMax)) {
        if (isClosed) throw new Unreachable("it was closed");
        if (standing?.isOpen === true) return standing;
        try {
          return await make();
        } catch (error) {
          const isWorthIt = error instanceof Unreachable && !isHopeless(error) || isPassing(error);
          if (isClosed || !isWorthIt || performance.now() + retryMs >= deadline) throw error;
        }
        await pause(retryMs);
      }
    },
    close() {
      isClosed = true;
      for (const done of pauses) done();
      standing?.end("closed");
    },
  };
}
