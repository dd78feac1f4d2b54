// The ports over which the threads of a store hand each other their slabs: one between each two, so that no thread has
// to be idle for another to find what a third has put. They are read when something is missing, and by nobody else.
import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import type { SlabMade } from "./calls.ts";
import type { Peers } from "./pool.ts";

export interface Mesh extends Peers {
  add(thread: number, port: MessagePort): void;
  remove(thread: number, take: (slab: number, buffer: SharedArrayBuffer | undefined) => void): void;
  close(): void;
}

/** `dropped` is called when a slab was let go of, and others may be holding on to it. */
export function mesh(dropped: () => void): Mesh {
  const ports = new Map<number, MessagePort>();

  function drainOne(port: MessagePort, take: (slab: number, buffer: SharedArrayBuffer | undefined) => void): void {
    for (;;) {
      const received = receiveMessageOnPort(port);
      if (received === undefined) return;
      const { slab, buffer } = received.message as SlabMade;
      take(slab, buffer);
    }
  }

  return {
    announce(slab, buffer) {
      const made: SlabMade = { slab, buffer };
      for (const port of ports.values()) port.postMessage(made);
      if (buffer === undefined && ports.size > 0) dropped();
    },
    drain(take) {
      for (const port of ports.values()) drainOne(port, take);
    },
    add: (thread, port) => void ports.set(thread, port),
    remove(thread, take) {
      const port = ports.get(thread);
      if (port === undefined) return;
      // What it has put stays: its slabs must be known to those who remain.
      drainOne(port, take);
      ports.delete(thread);
      port.close();
    },
    close() {
      for (const port of ports.values()) port.close();
      ports.clear();
    },
  };
}
