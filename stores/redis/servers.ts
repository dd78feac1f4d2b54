// Which server keeps which key, and a call that reaches it: with patience while the server is away, over connections
// that are kept apart by what they carry, so that a large tensor holds up no lease and a blocked read no mail.
import { isShoalError, ShoalError } from "../error.ts";
import {
  type Access,
  type Argument,
  type Connection,
  Cut,
  type Endpoint,
  type Landed,
  type Limits,
  type Reply,
} from "./client.ts";
import { type Link, link } from "./link.ts";
import { isBehind, isHopeless, isPassing, isWay, replyCode, troubleOf } from "./trouble.ts";

export type Role = "control" | "bulk" | "wait";

/** What a call is for. */
export interface Asked {
  readonly what: string;
  readonly role: Role;
  /** It changes something. Whatever is called here may be said twice: the second time changes nothing. */
  readonly writes: boolean;
  /** It must not be said twice: once its connection has ended, its outcome is unknown. */
  readonly once?: boolean;
}

/** Who keeps a key: by a rule for shards, by what the cluster says for a cluster. */
export interface Placement {
  readonly endpoints: readonly Endpoint[];
  endpointOf(key: string): number;
  /** Those that keep keys now. */
  current(): readonly number[];
  /** A server is gone, or says that it is another that keeps a key. */
  moved?(error: unknown): Promise<void>;
  /** The server that has a key already, which is on its way there. */
  aside?(error: unknown): number | undefined;
}

export interface Servers {
  /** Keys stay where they are, and all that one server keeps may go together. */
  readonly isFixed: boolean;
  /** Those that keep keys now. */
  current(): readonly number[];
  /** Where a key is, for messages. */
  whereOf(key: string): string;
  /** Which server keeps a key. */
  indexOf(key: string): number;
  call(asked: Asked, key: string, command: string, ...args: readonly Argument[]): Promise<Reply>;
  /** Gets a value into memory, which is nobody else's until this has ended; nothing where there is none. */
  land(asked: Asked, key: string, into: Uint8Array, sum: number): Promise<Landed | undefined>;
  /** Commands on the keys of one place, in their order, on one connection. */
  calls(asked: Asked, key: string, commands: readonly (readonly [string, ...Argument[]])[]): Promise<Reply[]>;
  /** A command to each server in turn. */
  callAt(asked: Asked, server: number, command: string, ...args: readonly Argument[]): Promise<Reply>;
  /** From here on nothing is waited for, and what is asked is ShuttingDown. */
  shut(): void;
  /** Cuts what is still open. */
  end(): void;
}

export interface ServersOptions {
  readonly placement: Placement;
  readonly access: Access;
  readonly limits: Limits;
  /** How long a call goes on trying while its server cannot be reached. */
  readonly patienceMs: number;
  readonly url: string;
}

const passingMs = 50;
const movesMax = 16;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const inCluster = (where: string, cause: unknown): ShoalError =>
  new ShoalError(
    "BadInput",
    `Cannot use store: ${where} is part of a cluster; write redis+cluster: instead of redis:`,
    {
      cause,
    },
  );

export function servers({ placement, access, limits, patienceMs, url }: ServersOptions): Servers {
  const links: Record<Role, (Link | undefined)[]> = { control: [], bulk: [], wait: [] };
  let isShut = false;

  const linkOf = (role: Role, server: number): Link =>
    links[role][server] ??= link(placement.endpoints[server]!, access, { ...limits, isBulk: role === "bulk" });

  const shut = (): ShoalError => new ShoalError("ShuttingDown", `Cannot use store ${url}: it was closed`);

  /** A key that is being moved is asked for at its new server, which must be told that one knows. */
  const asking = (connection: Connection): Connection => ({
    ...connection,
    call(...command) {
      connection.call("ASKING").catch(() => {});
      return connection.call(...command);
    },
    land(...wanted) {
      connection.call("ASKING").catch(() => {});
      return connection.land(...wanted);
    },
  });

  async function tried<T>(
    asked: Asked,
    serverOf: () => number,
    commands: (connection: Connection) => Promise<T>,
    first?: Promise<T>,
  ): Promise<T> {
    let deadline = Infinity;
    let isSent = false;
    let aside: number | undefined;
    for (let moves = 0;;) {
      if (isShut) throw shut();
      const way = linkOf(asked.role, aside ?? serverOf());
      const isAside = aside !== undefined;
      aside = undefined;
      try {
        if (first !== undefined) return await first;
        if (deadline === Infinity) deadline = performance.now() + patienceMs;
        const connection = way.standing ?? await way.connected(placement.moved === undefined ? deadline : 0);
        if (isShut) throw shut();
        return await commands(isAside ? asking(connection) : connection);
      } catch (error) {
        if (isShoalError(error) || isBehind(error)) throw error;
        if (isShut) throw shut();
        first = undefined;
        if (deadline === Infinity) deadline = performance.now() + patienceMs;
        const code = replyCode(error);
        isSent ||= error instanceof Cut;
        const isElsewhere = code === "MOVED" || code === "ASK";
        if (isElsewhere && placement.moved === undefined) throw inCluster(way.where, error);
        if (code === "ASK") aside = placement.aside?.(error);
        else if (isElsewhere || isWay(error) || isPassing(error)) await placement.moved?.(error);
        const isDone = isElsewhere ? ++moves > movesMax : performance.now() >= deadline;
        const isLost = error instanceof Cut && asked.once === true;
        if (isDone || isLost || isHopeless(error) || !(isElsewhere || isWay(error) || isPassing(error))) {
          const isUnknown = asked.writes && (isSent || (code !== "" && !isPassing(error)));
          throw troubleOf(error, asked.what, way.where, isUnknown ? "unknown" : "failed");
        }
        // A connection that was cut is made anew at once.
        if (!isElsewhere && !(error instanceof Cut)) await pause(passingMs);
      }
    }
  }

  function direct<T>(asked: Asked, key: string, send: (connection: Connection) => Promise<T>): Promise<T> {
    const serverOf = (): number => placement.endpointOf(key);
    const standing = isShut ? undefined : linkOf(asked.role, serverOf()).standing;
    if (standing === undefined) return tried(asked, serverOf, send);
    // Nearly always all is well: then nothing more is made for it.
    const first = send(standing);
    return first.catch(() => tried(asked, serverOf, send, first));
  }

  return {
    isFixed: placement.moved === undefined,
    current: () => placement.current(),
    whereOf(key) {
      const { host, port } = placement.endpoints[placement.endpointOf(key)]!;
      return `${host}:${port}`;
    },
    indexOf: (key) => placement.endpointOf(key),
    call: (asked, key, command, ...args) => direct(asked, key, (connection) => connection.call(command, ...args)),
    land: (asked, key, into, sum) => direct(asked, key, (connection) => connection.land(into, sum, key)),
    calls: (asked, key, commands) =>
      tried(asked, () => placement.endpointOf(key), async (connection) => {
        // All are on their way before the first answer is back.
        const replies = await Promise.allSettled(
          commands.map(([command, ...args]) => connection.call(command, ...args)),
        );
        return replies.map((reply) => {
          if (reply.status === "rejected") throw reply.reason;
          return reply.value;
        });
      }),
    callAt: (asked, server, command, ...args) =>
      tried(asked, () => server, (connection) => connection.call(command, ...args)),
    shut() {
      isShut = true;
    },
    end() {
      isShut = true;
      for (const each of Object.values(links).flat()) each?.close();
    },
  };
}
