// Mail through a store's logs, where nothing shorter leads to a node: a log for each ordered pair of nodes, written by
// the one and read by the other, which says on its way back how far it has read.

import type { Logs } from "../../stores/store.ts";
import type { Environment } from "../environment.ts";
import type { Bundle } from "./bundle.ts";
import type { Link, Linking, Packet, Receiver, Sender } from "./link.ts";
import { type LogReader, logReader, type ReaderCounts } from "./reading.ts";
import { type LogWriter, logWriter, type WriterCounts } from "./writing.ts";

export interface LogOptions {
  readonly logs: Logs;
  /** Of the store: no entry is longer. */
  readonly frameBytesMax: number;
  readonly node: string;
  readonly environment: Pick<Environment, "now" | "after">;
  readonly packetBytesMax?: number;
  /** What a reader may leave unread before what is sent to it is lost. */
  readonly backlogBytesMax?: number;
}

/** A node's ends of its logs from and to others, and the link over them. */
export interface LogEnds {
  readonly linking: Linking;
  /** There is such a node: what it writes is looked for from here on. */
  connect(node: string): void;
  disconnect(node: string): void;
  has(node: string): boolean;
  /** Whether mail from there is to be looked for as often as may be, or comes another way. */
  attend(node: string, isAwaited: boolean): void;
  /** From here on what comes is taken in. */
  begin(): void;
  /** What has crossed to and from a node. */
  counts(node: string): LogCounts | undefined;
  close(): Promise<void>;
}

export interface LogCounts {
  readonly sent: WriterCounts;
  readonly received: ReaderCounts;
}

interface Peer {
  readonly writer: LogWriter;
  /** There is one once mail is taken in. */
  reader: LogReader | undefined;
  isAwaited: boolean;
  /** What was read and its writer was not told of yet. */
  untold: { entries: number; bytes: number };
}

const packetBytesMaxUnlessSaid = 2 ** 28;
const backlogBytesMaxUnlessSaid = 2 ** 26;
/** Where no mail goes back, so much is read before its writer is told. */
const untoldEntriesMax = 256;
const untoldBytesMax = 2 ** 22;

/** The log that leads from one node to another. */
export const mailStream = (from: string, to: string): string =>
  `mail/${encodeURIComponent(from)}>${encodeURIComponent(to)}`;

export function logEnds(options: LogOptions): LogEnds {
  const { logs, node, environment, frameBytesMax: entryBytesMax } = options;
  const { packetBytesMax = packetBytesMaxUnlessSaid, backlogBytesMax = backlogBytesMaxUnlessSaid } = options;
  const peers = new Map<string, Peer>();
  let receiver: Receiver | undefined;
  let sender: Sender | undefined;
  let hasBegun = false;
  let isClosed = false;

  function follow(other: string, peer: Peer): void {
    if (!hasBegun || receiver === undefined || peer.reader !== undefined) return;
    peer.reader = logReader({
      logs,
      stream: mailStream(other, node),
      packetBytesMax,
      environment,
      taken: (bundle, bytes) => take(peer, bundle, bytes),
    });
    peer.reader.attend(peer.isAwaited);
    receiver.linked(other);
  }

  function take(peer: Peer, { read, packets }: Bundle, bytes: number): void {
    if (read !== undefined) peer.writer.confirmed(read);
    for (const packet of packets) receiver?.packet(packet);
    // What says only how far somebody has read needs no word of its own.
    if (packets.length === 0) return;
    peer.untold.entries += 1;
    peer.untold.bytes += bytes;
    if (peer.untold.entries >= untoldEntriesMax || peer.untold.bytes >= untoldBytesMax) peer.writer.tell();
  }

  function connect(other: string): void {
    if (other === node || isClosed || peers.has(other)) return;
    const peer: Peer = {
      writer: logWriter({
        logs,
        stream: mailStream(node, other),
        epoch: () => sender?.epoch() ?? 0,
        read() {
          peer.untold = { entries: 0, bytes: 0 };
          return peer.reader?.position;
        },
        entryBytesMax,
        packetBytesMax,
        backlogBytesMax,
      }),
      reader: undefined,
      isAwaited: true,
      untold: { entries: 0, bytes: 0 },
    };
    peers.set(other, peer);
    follow(other, peer);
  }

  function send(other: string, packet: Packet): void {
    const peer = peers.get(other);
    if (peer === undefined) return;
    peer.writer.send(packet);
    peer.reader?.expect();
  }

  async function end({ writer, reader }: Peer): Promise<void> {
    await reader?.close();
    await writer.close();
  }

  async function close(): Promise<void> {
    isClosed = true;
    receiver = undefined;
    const all = [...peers.values()];
    peers.clear();
    await Promise.all(all.map(end));
  }

  return {
    connect,
    disconnect(other) {
      const peer = peers.get(other);
      peers.delete(other);
      if (peer !== undefined) void end(peer);
    },
    has: (other) => peers.has(other),
    attend(other, isAwaited) {
      const peer = peers.get(other);
      if (peer === undefined) return;
      peer.isAwaited = isAwaited;
      peer.reader?.attend(isAwaited);
    },
    begin() {
      hasBegun = true;
      for (const [other, peer] of peers) follow(other, peer);
    },
    counts(other) {
      const peer = peers.get(other);
      return peer?.reader && { sent: peer.writer.counts, received: peer.reader.counts };
    },
    linking(opened, from): Link {
      [receiver, sender] = [opened, from];
      for (const [other, peer] of peers) follow(other, peer);
      return { send, close };
    },
    close,
  };
}
