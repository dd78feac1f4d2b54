// The thread that opened a `memory:` store first lets others in, keeps the logs and claims for all of them, and lets go
// of what one had that has ended.
import { MessageChannel, type MessagePort } from "node:worker_threads";
import type { Claims, Logs, Position, ReadOptions, Sharing } from "../store.ts";
import { type Callable, type FromGuest, type FromHome, type Packed, packed, sentError, unpacked } from "./calls.ts";
import type { Settings } from "./calls.ts";
import type { Member } from "./member.ts";
import { type Ground, joined, threadsMax } from "./words.ts";
import { ShoalError } from "../error.ts";

export interface HomeOptions {
  readonly ground: Ground;
  readonly settings: Settings;
  readonly member: Member;
  readonly logs: Logs;
  readonly claims: Claims;
}

export interface Home {
  /** A port with which another thread opens the store. */
  share(): Sharing;
  /** A slab was let go of here. */
  dropped(): void;
  close(): void;
}

interface Guest {
  readonly port: MessagePort;
  readonly calls: Map<number, AbortController>;
}

export function home({ ground, settings, member, logs, claims }: HomeOptions): Home {
  const { control } = member.words;
  const guests = new Map<number, Guest>();
  const unused: number[] = [];

  const say = (port: MessagePort, message: FromHome, transfer: readonly (MessagePort | ArrayBuffer)[] = []): void =>
    port.postMessage(message, [...transfer]);

  function numberFor(): number {
    const number = unused.pop() ?? Atomics.add(control, joined, 1);
    if (number < threadsMax) return number;
    Atomics.sub(control, joined, 1);
    throw new ShoalError("CapacityExceeded", `Cannot share store ${settings.url}: ${threadsMax} threads have it open`);
  }

  function share(): Sharing {
    member.throwIfClosed();
    const thread = numberFor();
    const { port1: own, port2: theirs } = new MessageChannel();
    const peers: [number, MessagePort][] = [];
    const link = (other: number, give: (port: MessagePort) => void): void => {
      const { port1, port2 } = new MessageChannel();
      give(port1);
      peers.push([other, port2]);
    };
    link(0, (port) => member.peers.add(thread, port));
    for (const [other, { port: to }] of guests) {
      link(other, (port) => say(to, { type: "peer", thread, port }, [port]));
    }
    const guest: Guest = { port: own, calls: new Map() };
    guests.set(thread, guest);
    own.on("message", (message: FromGuest) => hear(guest, thread, message));
    own.on("close", () => forget(guest, thread));
    // A thread that has the store open keeps nobody else alive.
    own.unref();
    const slabs = [...member.pool.slabs()];
    say(own, { type: "hello", ground, thread, settings, slabs, peers }, peers.map(([, port]) => port));
    return { port: theirs, ended: () => forget(guest, thread) };
  }

  function hear(guest: Guest, thread: number, message: FromGuest): void {
    switch (message.type) {
      case "call":
        return void answer(guest, message.call, message.what, message.given);
      case "cancel":
        return guest.calls.get(message.call)?.abort();
      case "drain":
        return dropped(thread);
      case "bye":
        return forget(guest, thread);
    }
  }

  /** Who is idle would keep a slab that is no more, for want of a reason to look. */
  function dropped(by: number): void {
    for (const [other, { port }] of guests) if (other !== by) say(port, { type: "drain" });
    if (by !== 0) member.pool.slabs();
  }

  async function answer(guest: Guest, call: number, what: Callable, given: readonly unknown[]): Promise<void> {
    const cancelling = new AbortController();
    guest.calls.set(call, cancelling);
    try {
      const { value, transfer = [] } = await done(what, given, cancelling.signal);
      say(guest.port, { type: "answer", call, value }, transfer);
    } catch (error) {
      say(guest.port, { type: "answer", call, error: sentError(error) });
    } finally {
      guest.calls.delete(call);
    }
  }

  interface Done {
    readonly value?: unknown;
    readonly transfer?: readonly ArrayBuffer[];
  }

  async function done(what: Callable, given: readonly unknown[], signal: AbortSignal): Promise<Done> {
    switch (what) {
      case "append": {
        const [stream, epoch, frames] = given as [string, number, Packed];
        return { value: await logs.append(stream, epoch, unpacked(frames)) };
      }
      case "read": {
        const [stream, after, options] = given as [string, Position | undefined, ReadOptions];
        const entries = await logs.read(stream, after, { ...options, signal });
        const frames = packed(entries.map(({ frame }) => frame));
        const positions = entries.map(({ epoch, sequence }) => ({ epoch, sequence }));
        return { value: { positions, frames }, transfer: [frames.buffer] };
      }
      case "trim":
        return { value: await logs.trim(...(given as [string, Position])) };
      case "streams":
        return { value: await logs.streams(...(given as [string])) };
      case "claim":
        return { value: await claims.claim(...(given as [string, number, string])) };
      case "claimed":
        return { value: await claims.claimed(...(given as [string])) };
      case "claims":
        return { value: await claims.claims(...(given as [string])) };
      case "slab":
        return { value: member.pool.slab(given[0] as number) };
    }
  }

  function forget(guest: Guest, thread: number): void {
    // It has said goodbye before, and the number may be another's by now.
    if (guests.get(thread) !== guest) return;
    guests.delete(thread);
    for (const cancelling of guest.calls.values()) cancelling.abort();
    guest.port.close();
    member.peers.remove(thread, member.pool.accept);
    for (const { port } of guests.values()) say(port, { type: "gone", thread });
    member.entries.forget(thread);
    member.room.forget(thread);
    unused.push(thread);
  }

  return {
    share,
    dropped: () => dropped(0),
    close() {
      for (const { port } of guests.values()) {
        say(port, { type: "closed" });
        port.close();
      }
      guests.clear();
      member.peers.close();
    },
  };
}
