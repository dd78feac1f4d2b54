// What a process knows of another node that it has sockets to, or wants to have one to, and which of two sockets to it
// is the better one.

import type { Wire } from "./wire.ts";

export interface Peer {
  /** Where it listens, as we were told; nothing of one that has dialled us before anybody told us of it. */
  told: string | undefined;
  way: Way | undefined;
  /** The socket that is dialled now. */
  dialled: Wire | undefined;
  /** When it was first dialled where it listens now, and whether that dial may still come through. */
  dialledAt: number | undefined;
  isFirst: boolean;
  /** It has refused us where it listens now. */
  isRefused: boolean;
  retryMs: number;
  cancelRetry: (() => void) | undefined;
}

/** A socket over which both have greeted. */
export interface Way {
  readonly wire: Wire;
  /** What the socket is called at which the other end listens: it tells two processes of one node apart. */
  readonly home: string;
  readonly dialledBy: string;
}

/** The wait before a socket that broke is dialled again; it doubles. */
export const retryMsMin = 5;

export function unknownPeer(): Peer {
  return {
    told: undefined,
    way: undefined,
    dialled: undefined,
    dialledAt: undefined,
    isFirst: true,
    isRefused: false,
    retryMs: retryMsMin,
    cancelRetry: undefined,
  };
}

/** What a socket is called, in whatever folder it is seen. */
export function homeOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** Whether there is a way to where it is said to listen now. */
export function isReached({ way, told }: Peer): boolean {
  return way !== undefined && isMeant(way, told);
}

/** Any way leads to one of which nothing was said. */
function isMeant({ home }: Way, told: string | undefined): boolean {
  return told === undefined || homeOf(told) === home;
}

/** Both ends choose the same of two: one to the process that they were told of, and else the one of the lesser node. */
export function isBetter(way: Way, than: Way, told: string | undefined): boolean {
  if (isMeant(way, told) !== isMeant(than, told)) return isMeant(way, told);
  return way.dialledBy <= than.dialledBy;
}
