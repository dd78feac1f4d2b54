// Mail between the threads of one process: a port between each two, and packets that change hands without a copy.

import type { MessagePort } from "node:worker_threads";
import type { Link, Receiver } from "./link.ts";

/** What cannot be carried is lost. */
function post(port: MessagePort, packet: string | ArrayBuffer, moved?: readonly ArrayBuffer[]): void {
  try {
    if (moved === undefined) port.postMessage(packet);
    else port.postMessage(packet, moved);
  } catch {
    // The port is closed, or its other end is gone.
  }
}

/** A thread's ends of its ports to others, and the link over them. */
export interface ThreadPorts {
  readonly linking: (receiver: Receiver) => Link;
  /** There is a port to a node now; the one that was there before leads nowhere any more. */
  connect(node: string, port: MessagePort): void;
  disconnect(node: string): void;
  has(node: string): boolean;
  /** From here on what comes is taken in; until then it waits. */
  begin(): void;
}

export function threadPorts(): ThreadPorts {
  const ports = new Map<string, MessagePort>();
  let receiver: Receiver | undefined;
  let hasBegun = false;

  function listen(node: string, port: MessagePort): void {
    port.on("message", (packet: unknown) => {
      // Whatever else comes is no packet, and whoever reads packets would say so of it too.
      if (typeof packet === "string") receiver?.packet(packet);
      else receiver?.packet(packet instanceof ArrayBuffer ? new Uint8Array(packet) : new Uint8Array(0));
    });
    port.on("close", () => {
      if (ports.get(node) !== port) return;
      ports.delete(node);
      receiver?.parted?.(node);
    });
    receiver?.linked(node);
  }

  function disconnect(node: string): void {
    const port = ports.get(node);
    ports.delete(node);
    port?.close();
  }

  return {
    connect(node, port) {
      disconnect(node);
      ports.set(node, port);
      // What comes before somebody receives waits in the port.
      if (receiver !== undefined && hasBegun) listen(node, port);
    },
    disconnect,
    has: (node) => ports.has(node),
    begin() {
      hasBegun = true;
      for (const [node, port] of receiver === undefined ? [] : ports) listen(node, port);
    },
    linking(opened) {
      receiver = opened;
      for (const [node, port] of hasBegun ? ports : []) listen(node, port);
      return {
        send(node, packet) {
          const port = ports.get(node);
          if (port === undefined) return;
          if (typeof packet === "string") return post(port, packet);
          const { buffer, byteLength } = packet;
          const isWhole = buffer instanceof ArrayBuffer && buffer.byteLength === byteLength;
          const sent = isWhole ? buffer : packet.slice().buffer;
          post(port, sent, [sent]);
        },
        close() {
          receiver = undefined;
          for (const node of ports.keys()) disconnect(node);
        },
      };
    },
  };
}
