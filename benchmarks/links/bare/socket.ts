// A unix socket: each text behind its length, one write each.

import { Buffer } from "node:buffer";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import type { Carrier, Carriers } from "./carrier.ts";

const headBytes = 4;

function carried(socket: Socket, take: (text: string) => void): Carrier {
  let rest: Buffer = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    const all = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    while (all.length - at >= headBytes) {
      const end = at + headBytes + all.readUInt32LE(at);
      if (end > all.length) break;
      take(all.toString("utf8", at + headBytes, end));
      at = end;
    }
    rest = all.subarray(at);
  });
  return {
    settings: "a write each",
    send(text) {
      const length = Buffer.byteLength(text);
      const frame = Buffer.allocUnsafe(headBytes + length);
      frame.writeUInt32LE(length);
      frame.write(text, headBytes);
      if (socket.write(frame)) return undefined;
      return new Promise((resolve) => socket.once("drain", resolve));
    },
    close: () => new Promise((resolve) => socket.end(resolve)),
  };
}

/** `where` is a folder; the side that was started first listens there. */
export const socketCarrier: Carriers = (where, run, side, take) => {
  const path = join(where, run.slice(-8));
  if (side === "far") {
    return new Promise((resolve, reject) => {
      const socket = connect(path, () => resolve(carried(socket, take)));
      socket.once("error", reject);
    });
  }
  let socket: Socket | undefined;
  let made: Carrier | undefined;
  const server = createServer((taken) => {
    socket = taken;
    made = carried(taken, take);
  });
  return new Promise((resolve) =>
    server.listen(path, () =>
      resolve({
        settings: "a write each",
        send: (text) => made?.send(text),
        async close() {
          await made?.close();
          socket?.destroy();
          server.close();
        },
      }))
  );
};
