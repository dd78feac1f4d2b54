// All ways of a node to others as one: a port where the other is a thread of the same process, else a socket where it
// is of the same host, else the store's log. Which of them a packet takes may change from one to the next: what
// overtakes another on its way is put in order by the delivery core.

import type { Link, Linking, Receiver } from "./link.ts";
import type { LogEnds } from "./log.ts";
import type { SocketEnds } from "./socket.ts";
import type { ThreadPorts } from "./thread.ts";

export type WayName = "port" | "socket" | "log";

export interface WaysParts {
  readonly ports?: ThreadPorts | undefined;
  readonly sockets?: SocketEnds | undefined;
  readonly log?: LogEnds | undefined;
  /** All mail goes through the log, whatever shorter ways there are. */
  readonly only?: "log" | undefined;
}

export interface Ways {
  readonly linking: Linking;
  /** How mail goes to a node now; nothing where none does, or where its socket is on its way up. */
  to(node: string): WayName | undefined;
}

export function ways({ ports, sockets, log, only }: WaysParts): Ways {
  function to(node: string): WayName | undefined {
    if (only === undefined) {
      if (ports?.has(node)) return "port";
      if (sockets?.has(node)) return "socket";
      // A log would be the longer way even with the wait.
      if (sockets?.awaits(node)) return undefined;
    }
    return log?.has(node) ? "log" : undefined;
  }

  return {
    to,
    linking(receiver, sender): Link {
      const packet: Receiver["packet"] = (one) => receiver.packet(one);
      const short: Receiver = {
        packet,
        linked(node) {
          if (only !== undefined) return;
          log?.attend(node, false);
          receiver.linked(node);
        },
        parted: (node) => log?.attend(node, true),
      };
      const links: { readonly [name in WayName]: Link | undefined } = {
        port: ports?.linking(short),
        socket: sockets?.linking(short),
        log: log?.linking({ packet, linked: (node) => receiver.linked(node) }, sender),
      };
      return {
        send(node, sent) {
          const way = to(node);
          if (way !== undefined) links[way]?.send(node, sent);
        },
        async close() {
          for (const link of Object.values(links)) await link?.close();
        },
      };
    },
  };
}
