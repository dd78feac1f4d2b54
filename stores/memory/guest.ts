// A thread that joined a `memory:` store: tensors it puts and gets by itself, logs and claims are kept at home.
import type { MessagePort } from "node:worker_threads";
import { cancelled, throwIfCancelled } from "../cancellation.ts";
import { ShoalError } from "../error.ts";
import type { Abilities, Claims, Entry, Logs, Position, Store, StoreEnvironment } from "../store.ts";
import { type Callable, type FromGuest, type FromHome, type Hello, type Packed, packed } from "./calls.ts";
import { receivedError, unpacked } from "./calls.ts";
import { type Member, member } from "./member.ts";

interface Waiting {
  settle(value: unknown): void;
  fail(error: Error): void;
}

/** Joins the store of whom the port is from. */
export async function guestStore(
  port: MessagePort,
  environment: StoreEnvironment,
  abilitiesOf: (capacityBytes: number) => Abilities,
): Promise<Store> {
  const hello = await new Promise<Hello>((resolve, reject) => {
    port.once("message", resolve);
    port.once("close", () => reject(new ShoalError("Unavailable", "Cannot join store memory:: its thread has ended")));
  });
  const { settings, thread, ground, slabs, peers } = hello;
  const { url, run, capacityBytes } = settings;
  const waiting = new Map<number, Waiting>();
  let calls = 0;
  let isClosed = false;
  let end: (error: Error | undefined) => void;
  const ended = new Promise<Error | undefined>((resolve) => end = resolve);
  const say = (message: FromGuest, transfer: readonly ArrayBuffer[] = []): void =>
    port.postMessage(message, [...transfer]);

  async function fetch(slab: number): Promise<void> {
    const buffer = await call("slab", [slab]) as SharedArrayBuffer | undefined;
    if (buffer !== undefined) self.pool.accept(slab, buffer);
  }

  const self: Member = member({ ground, settings, thread, environment, fetch, dropped: () => say({ type: "drain" }) });
  for (const [slab, buffer] of slabs) self.pool.accept(slab, buffer);
  for (const [other, peer] of peers) self.peers.add(other, peer);

  /** Asks home. What was changed there by a call without an answer, nobody knows. */
  function call(what: Callable, given: readonly unknown[], signal?: AbortSignal, transfer?: readonly ArrayBuffer[]) {
    return new Promise<unknown>((resolve, reject) => {
      self.throwIfClosed();
      throwIfCancelled(signal);
      const number = ++calls;
      const over = (): void => {
        waiting.delete(number);
        signal?.removeEventListener("abort", onAbort);
        if (waiting.size === 0) port.unref();
      };
      const onAbort = (): void => {
        say({ type: "cancel", call: number });
        over();
        reject(cancelled(signal!));
      };
      waiting.set(number, {
        settle(value) {
          over();
          resolve(value);
        },
        fail(error) {
          over();
          reject(error);
        },
      });
      signal?.addEventListener("abort", onAbort);
      port.ref();
      try {
        say({ type: "call", call: number, what, given }, transfer);
      } catch (cause) {
        over();
        reject(new ShoalError("BadInput", `Cannot ${what} in store ${url}: what was given is no data`, { cause }));
      }
    });
  }

  function leave(): void {
    if (isClosed) return;
    isClosed = true;
    self.shut();
    self.room.close();
    for (const one of waiting.values()) {
      one.fail(new ShoalError("ShuttingDown", `Cannot use store ${url}: it was closed`, { outcome: "unknown" }));
    }
    self.entries.leave();
    self.pool.clear();
    self.peers.close();
    port.close();
    end(undefined);
  }

  port.on("message", (message: FromHome) => {
    switch (message.type) {
      case "answer": {
        const one = waiting.get(message.call);
        return message.error === undefined ? one?.settle(message.value) : one?.fail(receivedError(message.error));
      }
      case "peer":
        self.peers.add(message.thread, message.port);
        // It has heard from home of those that were there; of those that came since, from here.
        for (const [slab, buffer] of self.pool.slabs()) message.port.postMessage({ slab, buffer });
        return;
      case "gone":
        return self.peers.remove(message.thread, self.pool.accept);
      case "drain":
        return void self.pool.slabs();
      case "closed":
        return leave();
      case "hello":
        // It was the first that came.
        return;
    }
  });
  port.on("close", leave);
  port.unref();

  const logs: Logs = {
    async append(stream, epoch, frames) {
      for (const frame of frames) {
        if (!(frame instanceof Uint8Array)) throw new ShoalError("BadInput", `Cannot append to ${stream}: not bytes`);
      }
      const sent = packed(frames);
      return await call("append", [stream, epoch, sent], undefined, [sent.buffer]) as Position;
    },
    async read(stream, after, { signal, ...options } = {}) {
      const { positions, frames } = await call("read", [stream, after, options], signal) as {
        readonly positions: readonly Position[];
        readonly frames: Packed;
      };
      return unpacked(frames).map((frame, index): Entry => ({ ...positions[index]!, frame: frame.slice() }));
    },
    trim: async (stream, through) => void await call("trim", [stream, through]),
    streams: async (prefix) => await call("streams", [prefix]) as string[],
  };
  const claims: Claims = {
    claim: async (name, epoch, value) =>
      await call("claim", [name, epoch, value]) as Awaited<ReturnType<Claims["claim"]>>,
    claimed: async (name) => await call("claimed", [name]) as Awaited<ReturnType<Claims["claimed"]>>,
    claims: async (prefix) => await call("claims", [prefix]) as string[],
  };

  // deno-lint-ignore require-await
  async function close(): Promise<void> {
    if (!isClosed) say({ type: "bye" });
    leave();
  }

  return {
    url,
    where: "memory:",
    run,
    abilities: abilitiesOf(capacityBytes),
    tensors: self.tensors,
    logs,
    claims,
    statistics: self.statistics,
    ended,
    close,
    [Symbol.asyncDispose]: close,
  };
}
