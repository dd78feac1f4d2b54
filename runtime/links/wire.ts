// Packets on a stream socket: each has its length and its kind before it, and what is sent in one turn is one write.
// What a socket does not take, because whoever reads it is slow, is lost beyond a bound.

import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import type { Packet } from "./link.ts";

export interface Wire {
  /** What cannot be carried is lost. */
  send(packet: Packet): void;
  /** No packet may be longer from here on, and counting begins. */
  allow(packetBytesMax: number): void;
  /** Ends when all that was sent has left; what comes until the other side ends, too, is still taken in. */
  end(): void;
  /** Ends now. */
  destroy(): void;
  readonly isOpen: boolean;
  readonly counts: WireCounts;
}

export interface WireCounts {
  readonly sent: number;
  readonly sentBytes: number;
  readonly received: number;
  readonly receivedBytes: number;
  readonly lost: number;
  readonly writes: number;
}

export interface WireParts {
  readonly socket: Socket;
  readonly packetBytesMax: number;
  /** What may wait for a slow reader. */
  readonly bufferBytesMax: number;
  packet(packet: Packet): void;
  /** It has ended, whoever ended it. */
  closed(): void;
}

const headBytes = 4;
/** In the head's highest bit: what follows is bytes, and no text. */
const bytesMark = 0x8000_0000;
const slabBytes = 2 ** 18;
/** So many bytes a character of text may take. */
const characterBytesMax = 3;

export function wire(parts: WireParts): Wire {
  const { socket, bufferBytesMax } = parts;
  let { packetBytesMax } = parts;
  const counts = { sent: 0, sentBytes: 0, received: 0, receivedBytes: 0, lost: 0, writes: 0 };
  let isOpen = true;

  // What leaves is put together in a slab, which is used again once all of it is with the system.
  let slab = Buffer.allocUnsafeSlow(slabBytes);
  let from = 0;
  let to = 0;
  let writing = 0;
  let isDue = false;

  function written(of: Buffer): void {
    if (of !== slab) return;
    writing -= 1;
    if (writing === 0 && from === to) from = to = 0;
  }

  function flush(): void {
    isDue = false;
    if (!isOpen || from === to) return;
    const of = slab;
    const part = of.subarray(from, to);
    from = to;
    writing += 1;
    counts.writes += 1;
    socket.write(part, () => written(of));
  }

  function fresh(): void {
    flush();
    slab = Buffer.allocUnsafeSlow(slabBytes);
    from = to = writing = 0;
  }

  /** In a buffer of its own: what is too long for a slab. */
  function sendAlone(packet: Packet): number {
    const length = typeof packet === "string" ? Buffer.byteLength(packet) : packet.byteLength;
    if (length > packetBytesMax) return 0;
    flush();
    const head = Buffer.allocUnsafe(headBytes);
    head.writeUInt32LE(typeof packet === "string" ? length : (length | bytesMark) >>> 0);
    socket.cork();
    socket.write(head);
    if (typeof packet === "string") socket.write(packet, "utf8");
    else socket.write(packet);
    socket.uncork();
    counts.writes += 1;
    return length;
  }

  function sendTogether(packet: Packet, lengthMax: number): number {
    if (to + headBytes + lengthMax > slab.length) fresh();
    const at = to + headBytes;
    let length: number;
    if (typeof packet === "string") {
      length = slab.write(packet, at);
      slab.writeUInt32LE(length, to);
    } else {
      length = packet.byteLength;
      slab.set(packet, at);
      slab.writeUInt32LE((length | bytesMark) >>> 0, to);
    }
    to = at + length;
    if (!isDue) {
      isDue = true;
      queueMicrotask(flush);
    }
    return length;
  }

  // What comes is cut into packets.
  let head = Buffer.alloc(0);
  let body: { readonly bytes: Buffer; readonly isBytes: boolean; at: number } | undefined;

  function arrived(packet: Packet, length: number): void {
    counts.received += 1;
    counts.receivedBytes += length;
    parts.packet(packet);
  }

  function take(chunk: Buffer): void {
    let at = 0;
    while (isOpen && at < chunk.length) {
      if (body !== undefined) {
        const copied = chunk.copy(body.bytes, body.at, at);
        at += copied;
        body.at += copied;
        if (body.at < body.bytes.length) return;
        const { bytes, isBytes } = body;
        body = undefined;
        arrived(
          isBytes ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length) : bytes.toString(),
          bytes.length,
        );
        continue;
      }
      let mark: number;
      if (head.length === 0 && chunk.length - at >= headBytes) {
        mark = chunk.readUInt32LE(at);
        at += headBytes;
      } else {
        const more = chunk.subarray(at, at + headBytes - head.length);
        at += more.length;
        head = Buffer.concat([head, more]);
        if (head.length < headBytes) return;
        mark = head.readUInt32LE();
        head = Buffer.alloc(0);
      }
      const isBytes = mark >= bytesMark;
      const length = isBytes ? mark - bytesMark : mark;
      if (length > packetBytesMax) return destroy();
      if (chunk.length - at >= length) {
        const end = at + length;
        // Whoever takes in bytes owns them, and wants them to begin where memory does.
        arrived(isBytes ? new Uint8Array(chunk.subarray(at, end)) : chunk.toString("utf8", at, end), length);
        at = end;
      } else body = { bytes: Buffer.allocUnsafeSlow(length), isBytes, at: 0 };
    }
  }

  function destroy(): void {
    isOpen = false;
    socket.destroy();
  }

  socket.on("data", (chunk: Buffer) => take(chunk));
  socket.on("error", () => {});
  socket.on("close", () => {
    isOpen = false;
    parts.closed();
  });

  return {
    counts,
    get isOpen() {
      return isOpen && socket.writable;
    },
    allow(bytesMax) {
      packetBytesMax = bytesMax;
      flush();
      Object.assign(counts, { sent: 0, sentBytes: 0, received: 0, receivedBytes: 0, lost: 0, writes: 0 });
    },
    send(packet) {
      const waiting = socket.writableLength + to - from;
      if (!isOpen || !socket.writable || (waiting > 0 && waiting + packet.length > bufferBytesMax)) {
        counts.lost += 1;
        return;
      }
      const lengthMax = typeof packet === "string" ? packet.length * characterBytesMax : packet.byteLength;
      const length = lengthMax + headBytes > slabBytes ? sendAlone(packet) : sendTogether(packet, lengthMax);
      counts.sent += 1;
      counts.sentBytes += length;
    },
    end() {
      flush();
      socket.end();
    },
    destroy,
  };
}
