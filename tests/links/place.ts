// What tests of links stand on: folders for sockets, receivers that can be waited for, and real strangers.

import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { random } from "../../runtime/random.ts";
import type { ShoalError } from "../../stores/error.ts";
import type { Packet, Receiver } from "../../runtime/links/link.ts";
import { type SocketEnds, socketEnds, type SocketOptions } from "../../runtime/links/socket.ts";

export async function inFolder<T>(body: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "sl-"));
  try {
    return await body(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Something whose changes can be waited for. */
export interface Watched {
  changed(): void;
  /** Settles once the condition holds: it is asked after each change. */
  until(condition: () => boolean): Promise<void>;
}

export function watched(): Watched {
  const waiting = new Set<() => void>();
  return {
    changed() {
      for (const check of waiting) check();
    },
    until(condition) {
      return new Promise((resolve) => {
        const check = (): void => {
          if (!condition()) return;
          waiting.delete(check);
          resolve();
        };
        waiting.add(check);
        check();
      });
    },
  };
}

/** Settles once a condition holds whose changes nobody tells of: it is asked in every turn. */
export async function eventually(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

export interface Inbox extends Receiver, Watched {
  readonly packets: Packet[];
  readonly linkedTo: string[];
  readonly partedFrom: string[];
}

/** Keeps what comes. */
export function inbox(): Inbox {
  const { changed, until } = watched();
  const made: Inbox = {
    packets: [],
    linkedTo: [],
    partedFrom: [],
    changed,
    until,
    packet(packet) {
      made.packets.push(packet);
      changed();
    },
    linked(node) {
      made.linkedTo.push(node);
      changed();
    },
    parted(node) {
      made.partedFrom.push(node);
      changed();
    },
  };
  return made;
}

/** One process's end, with what came to it and whom it refused. */
export interface End extends Inbox {
  readonly ends: SocketEnds;
  readonly refusals: ShoalError[];
  send(node: string, packet: Packet): void;
}

export async function end(folder: string, node: string, options: Partial<SocketOptions> = {}): Promise<End> {
  const box = inbox();
  const refusals: ShoalError[] = [];
  const ends = socketEnds({
    run: "run",
    token: "secret",
    node,
    folder,
    refused(error) {
      refusals.push(error);
      box.changed();
    },
    ...options,
  });
  const link = ends.linking(box);
  await ends.begin();
  return { ...box, ends, refusals, send: (to, packet) => link.send(to, packet) };
}

/** Two ends that know of each other. */
export async function pair(folder: string, options: Partial<SocketOptions> = {}): Promise<readonly [End, End]> {
  const [a, b] = await Promise.all([end(folder, "a", options), end(folder, "b", options)]);
  a.ends.connect("b", b.ends.path);
  b.ends.connect("a", a.ends.path);
  await Promise.all([a.until(() => a.ends.has("b")), b.until(() => b.ends.has("a"))]);
  return [a, b];
}

/** Whoever dials a socket by hand: says bytes, and keeps what it hears until the other side hangs up. */
export function stranger(path: string): { readonly socket: Socket; readonly heard: Promise<Buffer> } {
  const socket = connect(path);
  const chunks: Buffer[] = [];
  const heard = new Promise<Buffer>((resolve) => {
    socket.on("data", (chunk: Buffer) => void chunks.push(chunk));
    socket.on("error", () => {});
    socket.on("close", () => resolve(Buffer.concat(chunks)));
  });
  return { socket, heard };
}

/** Bytes as a frame on a socket. */
export function framed(bytes: string | Uint8Array): Buffer {
  const body = Buffer.from(bytes as Uint8Array);
  const head = Buffer.alloc(4);
  head.writeUInt32LE(typeof bytes === "string" ? body.length : (body.length | 0x8000_0000) >>> 0);
  return Buffer.concat([head, body]);
}

export interface CuttingProxy {
  readonly path: string;
  readonly cuts: number;
  close(): Promise<void>;
}

/**
 * Stands before a socket and ends what crosses after some bytes, wherever that is, and in some cases with garbage. Every
 * other lasts long enough for the longest packet, as anybody's would now and then.
 */
export async function cuttingProxy(to: string, folder: string, seed: number): Promise<CuttingProxy> {
  const chance = random(seed);
  const open = new Set<Socket>();
  let cuts = 0;
  const server = createServer((near) => {
    const far = connect(to);
    let left = chance.below(2) === 0 ? 2_000 + chance.below(60_000) : 2 ** 20;
    const garbage = chance.below(8) === 0 ? 2_000 + chance.below(2_000) : 0;
    const both = [near, far];
    const end = (): void => {
      for (const one of both) {
        open.delete(one);
        one.destroy();
      }
    };
    for (const [one, other] of [[near, far], [far, near]] as const) {
      open.add(one);
      one.on("data", (chunk: Buffer) => {
        const isLast = chunk.length >= left;
        other.write(isLast ? chunk.subarray(0, left) : chunk, () => isLast && end());
        left -= chunk.length;
        if (isLast) cuts += 1;
        if (isLast && garbage > 0) other.write(Buffer.alloc(garbage, 0xa5));
      });
      one.on("error", () => {});
      one.on("close", end);
    }
  });
  await mkdir(folder, { mode: 0o700 });
  const path = join(folder, basename(to));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    path,
    get cuts() {
      return cuts;
    },
    async close() {
      for (const one of open) one.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
