// The room that tensors leave on a server with a maxmemory. Messages, claims and leases need some even then: it is they
// that say what has been read, and so what may be released. At the limit itself a server takes nothing but deletions.
import { ShoalError } from "../error.ts";
import { textOf } from "./replies.ts";
import type { Asked, Servers } from "./servers.ts";
import { facts } from "./survey.ts";

export interface Reserve {
  /** Takes room for what is put under a key next, or throws CapacityExceeded; a promise where the server is asked. */
  take(key: string, bytes: number): Promise<void> | undefined;
}

interface Room {
  /** So much may be put before the server is asked again, */
  left: number;
  /** of so much that it had, */
  free: number;
  /** as long as its answer holds. */
  until: number;
  asking: Promise<void> | undefined;
}

const asked: Asked = { what: "put tensor", role: "control", writes: false };
const reserveShare = 8;
const reserveBytesMax = 64 * 2 ** 20;
/** Of what is free nobody takes more than this share unasked: there are others who put. */
const unaskedShare = 16;
const knownMs = 1_000;
/** Without a limit, until somebody may have set one. */
const unlimitedKnownMs = 10_000;
/** What a server needs for a key besides its value. */
const keyBytes = 160;

export function reserve(servers: Servers): Reserve {
  const rooms = new Map<number, Room>();

  async function ask(room: Room, server: number): Promise<void> {
    const found = facts(textOf(await servers.callAt(asked, server, "INFO", "memory")));
    const most = Number(found.get("maxmemory") ?? 0);
    // What it keeps for replicas and its own log is not held against it.
    const used = Number(found.get("used_memory") ?? 0) - Number(found.get("mem_not_counted_for_evict") ?? 0);
    room.free = most > 0 ? most - Math.min(reserveBytesMax, most / reserveShare) - used : Infinity;
    room.left = Math.max(0, room.free / unaskedShare);
    room.until = performance.now() + (most > 0 ? knownMs : unlimitedKnownMs);
  }

  function taken(room: Room, bytes: number): void {
    room.free -= bytes;
    room.left -= bytes;
  }

  async function askedFirst(room: Room, key: string, server: number, bytes: number): Promise<void> {
    room.asking ??= ask(room, server).finally(() => room.asking = undefined);
    await room.asking;
    if (bytes <= room.free) return taken(room, bytes);
    const what = `Cannot put tensor: ${servers.whereOf(key)} is at its maxmemory but for what messages need`;
    throw new ShoalError("CapacityExceeded", `${what}; release tensors, or raise maxmemory`);
  }

  return {
    take(key, valueBytes) {
      const server = servers.indexOf(key);
      const bytes = valueBytes + keyBytes;
      let room = rooms.get(server);
      if (room === undefined) rooms.set(server, room = { left: 0, free: 0, until: 0, asking: undefined });
      if (bytes > room.left || performance.now() > room.until) return askedFirst(room, key, server, bytes);
      taken(room, bytes);
      return undefined;
    },
  };
}
