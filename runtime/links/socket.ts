// Mail between the processes of one host: a unix socket for each two nodes, whoever of them has dialled. Both show
// that they have the token of the run before anything crosses, and one that breaks is dialled again.

import { connect as dial, type Socket } from "node:net";
import { ShoalError } from "../../stores/error.ts";
import { dialing, type Greeting, greetingBytesMax, listening, type Met, refuse } from "./greeting.ts";
import type { Link, Receiver } from "./link.ts";
import { listener } from "./listener.ts";
import { homeOf, isBetter, isReached, type Peer, retryMsMin, unknownPeer, type Way } from "./peer.ts";
import { type Wire, wire, type WireCounts } from "./wire.ts";

export interface SocketOptions {
  readonly run: string;
  /** What only the nodes of the run know. */
  readonly token: string;
  readonly node: string;
  /** A directory that only this user may enter; it is made where there is none. */
  readonly folder: string;
  /** Is told of those that are refused, and of those that refuse this node. */
  readonly refused?: (error: ShoalError) => void;
  readonly packetBytesMax?: number;
  /** What may wait for a node that is slow to read. */
  readonly bufferBytesMax?: number;
}

/** A process's ends of its sockets to others, and the link over them. */
export interface SocketEnds {
  readonly linking: (receiver: Receiver) => Link;
  /** Where other processes of this host reach this node: a path of at most 100 bytes in a private directory. */
  readonly path: string;
  /** Listens; what comes is taken in from here on. */
  begin(): Promise<void>;
  /** A node listens there now; the way that was there before leads nowhere any more. */
  connect(node: string, path: string): void;
  disconnect(node: string): void;
  /** Whether there is a way to it now. */
  has(node: string): boolean;
  /** Whether it is being dialled for the first time, so that waiting is better than another way. */
  awaits(node: string): boolean;
  /** What has crossed to and from a node on the socket that is there now. */
  counts(node: string): WireCounts | undefined;
  /** How many there are, greeting ones too. */
  readonly sockets: number;
  close(): Promise<void>;
}

const packetBytesMaxUnlessSaid = 2 ** 28;
const bufferBytesMaxUnlessSaid = 2 ** 26;
const retryMsMax = 1_000;
/** How long the other side may take to greet: it may compute. */
const greetMsMax = 60_000;
/** How long a first dial holds back other ways. */
const firstMsMax = 1_000;
const strangersMax = 1_024;
/** How long what was sent last may take to leave. */
const closeMsMax = 1_000;

export function socketEnds(options: SocketOptions): SocketEnds {
  const { run, token, node, folder } = options;
  const { packetBytesMax = packetBytesMaxUnlessSaid, bufferBytesMax = bufferBytesMaxUnlessSaid } = options;
  const home = listener(folder, listen);
  const { path } = home;
  const speaker = { run, token, node, path };
  const peers = new Map<string, Peer>();
  /** All sockets there are, and who waits for their end. */
  const open = new Map<Wire, () => void>();
  let strangers = 0;
  let receiver: Receiver | undefined;
  let hasBegun = false;
  let isClosed = false;

  function peerOf(other: string): Peer {
    let peer = peers.get(other);
    if (peer === undefined) peers.set(other, peer = unknownPeer());
    return peer;
  }

  /** Lets a socket greet, and gives it over when it has. */
  function greeted(
    socket: Socket,
    greeting: Greeting,
    met: (met: Met, made: Wire) => void,
    over: (made: Wire) => void,
  ): Wire {
    let isMet = false;
    const timer = setTimeout(() => made.destroy(), greetMsMax);
    const made = wire({
      socket,
      packetBytesMax: greetingBytesMax,
      bufferBytesMax,
      packet(packet) {
        if (isMet) return receiver?.packet(packet);
        const reply = typeof packet === "string" ? greeting(packet) : refuse(new ShoalError("Corrupt", "no greeting"));
        if (reply.say !== undefined) made.send(reply.say);
        if (reply.error !== undefined) {
          options.refused?.(reply.error);
          made.end();
        } else if (reply.met !== undefined) {
          isMet = true;
          clearTimeout(timer);
          made.allow(packetBytesMax);
          met(reply.met, made);
        }
      },
      closed() {
        clearTimeout(timer);
        open.get(made)?.();
        open.delete(made);
        over(made);
      },
    });
    open.set(made, () => {});
    return made;
  }

  function listen(socket: Socket): void {
    if (isClosed || strangers >= strangersMax) return void socket.destroy();
    strangers += 1;
    let other: string | undefined;
    const known = (): void => void (strangers -= 1);
    greeted(socket, listening(speaker), (met, made) => {
      known();
      other = met.node;
      joined({ wire: made, home: homeOf(met.path), dialledBy: met.node }, met.node);
    }, (made) => {
      if (other === undefined) known();
      else left(other, made);
    });
  }

  /** Dials a node where it is said to listen, unless there is a way to that process already. */
  function reach(other: string): void {
    const peer = peers.get(other);
    if (peer === undefined || isClosed || !hasBegun || peer.told === undefined || peer.isRefused) return;
    if (peer.dialled !== undefined || isReached(peer)) return;
    peer.cancelRetry?.();
    peer.dialledAt ??= performance.now();
    const { first, greeting } = dialing(speaker, other);
    const socket = dial(peer.told);
    const made = greeted(socket, (text) => {
      const reply = greeting(text);
      if (reply.error !== undefined && peer.dialled === made) peer.isRefused = true;
      return reply;
    }, (met) => {
      if (peer.dialled !== made) return made.destroy();
      peer.dialled = undefined;
      joined({ wire: made, home: homeOf(met.path), dialledBy: node }, other);
    }, () => {
      if (peer.dialled === made) {
        peer.dialled = undefined;
        peer.isFirst = false;
      }
      left(other, made);
    });
    peer.dialled = made;
    socket.once("connect", () => made.send(first));
  }

  function joined(way: Way, other: string): void {
    if (isClosed) return way.wire.end();
    const peer = peerOf(other);
    const before = peer.way;
    // What the other end has sent on it meanwhile is taken in all the same.
    if (before !== undefined && !isBetter(way, before, peer.told)) return way.wire.end();
    peer.way = way;
    peer.isFirst = false;
    peer.retryMs = retryMsMin;
    before?.wire.end();
    receiver?.linked(other);
  }

  function left(other: string, ended: Wire): void {
    const peer = peers.get(other);
    if (peer === undefined || isClosed) return;
    if (peer.way?.wire === ended) {
      peer.way = undefined;
      receiver?.parted?.(other);
    }
    if (peer.told === undefined && peer.way === undefined) peers.delete(other);
    if (peer.told === undefined || isReached(peer) || peer.isRefused) return;
    if (peer.cancelRetry !== undefined || peer.dialled !== undefined) return;
    const timer = setTimeout(() => {
      peer.cancelRetry = undefined;
      reach(other);
    }, peer.retryMs);
    peer.cancelRetry = () => {
      clearTimeout(timer);
      peer.cancelRetry = undefined;
    };
    peer.retryMs = Math.min(2 * peer.retryMs, retryMsMax);
  }

  function forget(peer: Peer): void {
    peer.cancelRetry?.();
    const { dialled, way } = peer;
    peer.dialled = peer.way = undefined;
    dialled?.destroy();
    way?.wire.destroy();
  }

  async function close(): Promise<void> {
    if (isClosed) return;
    isClosed = true;
    receiver = undefined;
    const ended = [...open.keys()].map((made) =>
      new Promise<void>((resolve) => {
        open.set(made, resolve);
        made.end();
      })
    );
    for (const peer of peers.values()) peer.cancelRetry?.();
    const timer = setTimeout(() => {
      for (const made of open.keys()) made.destroy();
    }, closeMsMax);
    await Promise.all(ended);
    clearTimeout(timer);
    await home.close();
  }

  return {
    path,
    get sockets() {
      return open.size;
    },
    async begin() {
      await home.begin();
      if (isClosed) return;
      hasBegun = true;
      for (const other of peers.keys()) reach(other);
    },
    connect(other, at) {
      if (other === node || isClosed) return;
      const peer = peerOf(other);
      if (peer.told !== at) {
        if (peer.dialled !== undefined || peer.way?.home !== homeOf(at)) forget(peer);
        Object.assign(peer, { told: at, isFirst: true, dialledAt: undefined });
      }
      peer.isRefused = false;
      peer.retryMs = retryMsMin;
      reach(other);
    },
    disconnect(other) {
      const peer = peers.get(other);
      peers.delete(other);
      if (peer !== undefined) forget(peer);
    },
    has: (other) => peers.get(other)?.way?.wire.isOpen === true,
    awaits(other) {
      const peer = peers.get(other);
      if (peer?.dialled === undefined || !peer.isFirst) return false;
      return performance.now() - (peer.dialledAt ?? 0) < firstMsMax;
    },
    counts: (other) => peers.get(other)?.way?.wire.counts,
    linking(opened): Link {
      receiver = opened;
      for (const [other, { way }] of peers) if (way !== undefined) opened.linked(other);
      return {
        send: (other, packet) => peers.get(other)?.way?.wire.send(packet),
        close,
      };
    },
    close,
  };
}
