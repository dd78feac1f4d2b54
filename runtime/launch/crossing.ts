// All ways of one node to others: ports to the threads of its own process, sockets to processes of its host, the
// store's log to those of other hosts. Who is where, the registry says; a socket is dialled once there is something to
// send.

import type { ShoalError } from "../../stores/error.ts";
import type { Store } from "../../stores/store.ts";
import type { Linking } from "../links/link.ts";
import { type LogEnds, logEnds } from "../links/log.ts";
import { type SocketEnds, socketEnds } from "../links/socket.ts";
import { type ThreadPorts, threadPorts } from "../links/thread.ts";
import { ways } from "../links/ways.ts";
import type { Change, Member, Place } from "../nodes/registry.ts";
import { machine } from "../run/machine.ts";
import { realWorld } from "./world.ts";

/** `auto`: by sockets within a host, over the store's log otherwise; `log`: over the store's log always. */
export type LinkKind = "auto" | "log";

/** How a node reaches those of other processes. */
export interface CrossingOptions {
  readonly run: string;
  readonly token: string;
  readonly link: LinkKind;
  /** Where its socket is made. */
  readonly folder: string;
  /** Carries the log. */
  readonly home: Store;
  /** Another process has refused this one, or the other way round. */
  readonly refused?: (error: ShoalError) => void;
}

export interface Crossing {
  readonly linking: Linking;
  readonly ports: ThreadPorts;
  /** How others find this node. */
  readonly place: Place;
  /** What comes is taken in from here on. */
  begin(): Promise<void>;
  /** A process of the run has come, or has gone. */
  changed(change: Change): void;
  /** A node is about to come, on this host or on another: what it writes is looked for. */
  expect(node: string, there: string): void;
  /** It shows no sign of life: who comes in its place comes another way. */
  leave(member: Member): void;
  /** All of these are there. */
  know(members: Iterable<Member>): void;
}

/** The ways of a node; within its process alone, for a system of one. */
export function crossing(node: string, beyond: CrossingOptions | undefined): Crossing {
  if (beyond !== undefined) return wideCrossing(node, beyond);
  const ports = threadPorts();
  return {
    ports,
    linking: ports.linking,
    place: { node, path: undefined },
    begin: () => Promise.resolve(ports.begin()),
    changed() {},
    expect() {},
    leave() {},
    know() {},
  };
}

function wideCrossing(node: string, { run, token, link, folder, home, refused }: CrossingOptions): Crossing {
  const { host } = machine();
  const ports = threadPorts();
  const sockets: SocketEnds | undefined = link === "log"
    ? undefined
    : socketEnds({ run, token, node, folder, ...refused === undefined ? {} : { refused } });
  const { frameBytesMax } = home.abilities;
  const log: LogEnds = logEnds({ logs: home.logs, frameBytesMax, node, environment: realWorld });
  const all = ways({ ports, sockets, log });
  /** Where others listen whom nobody has sent anything yet. */
  const undialled = new Map<string, string>();

  function reach({ places, machine: there }: Member, lost: readonly string[]): void {
    for (const { node: other, path, isGuest } of places) {
      if (other === node) continue;
      undialled.delete(other);
      // Nobody answers there any more, and nobody knows yet where it will be.
      if (path === "" && isGuest === true) sockets?.disconnect(other);
      if (path === "") continue;
      if (sockets === undefined || path === undefined || there.host !== host) log.connect(other);
      else if (lost.includes(other) || sockets.has(other)) sockets.connect(other, path);
      else undialled.set(other, path);
    }
  }

  function leave({ places }: Member): void {
    for (const { node: other } of places) {
      undialled.delete(other);
      sockets?.disconnect(other);
      log.disconnect(other);
    }
  }

  function dial(other: string): void {
    const path = undialled.get(other);
    if (path === undefined) return;
    undialled.delete(other);
    sockets?.connect(other, path);
  }

  return {
    ports,
    place: { node, path: sockets?.path },
    linking(receiver, sender) {
      const over = all.linking(receiver, sender);
      return {
        send(other, packet) {
          if (undialled.size > 0) dial(other);
          over.send(other, packet);
        },
        close: over.close,
      };
    },
    async begin() {
      ports.begin();
      log.begin();
      await sockets?.begin();
    },
    changed({ type, member, lost }) {
      if (type === "gone") leave(member);
      else reach(member, lost);
    },
    expect(other, there) {
      if (sockets === undefined || there !== host) log.connect(other);
    },
    leave,
    know(members) {
      for (const member of members) reach(member, []);
    },
  };
}
