// The bytes of tensors on the servers: chunks over all of them in a small window, the manifest last, so that a tensor
// that was half written does not exist; and away again, the manifest first.
import { crc32, hex32 } from "../checksum.ts";
import { ShoalError } from "../error.ts";
import type { Landed, Landing } from "../copied/landing.ts";
import type { Lifetime, TensorEntry, TensorRef } from "../store.ts";
import type { Keys } from "./keys.ts";
import {
  bodyOf,
  bytesRange,
  bytesSaid,
  chunkBytes,
  chunkCount,
  chunkSeed,
  chunkSum,
  manifestBytes,
  readManifest,
} from "./manifest.ts";
import { bytesOf } from "./replies.ts";
import { reserve } from "./reserve.ts";
import { scanned } from "./scan.ts";
import type { Asked, Servers } from "./servers.ts";
import { sets } from "./sets.ts";
import { window } from "./window.ts";

/** What was read, in memory that its reader gives back. */
export interface Body {
  readonly landed: Landed;
  readonly sums: readonly number[];
  /** Of a tensor without chunks, in strict mode. */
  readonly sum: number | undefined;
  readonly lifetime: Lifetime;
}

export interface Bodies {
  /** Writes the chunks of a tensor that has some, which then does not exist yet, and answers their sums. */
  write(ref: TensorRef, bytes: Uint8Array): Promise<readonly number[]>;
  /** Makes it exist. Not said twice: where the connection ends it is unknown. */
  announce(ref: TensorRef, lifetime: Lifetime, sums: readonly number[], bytes: Uint8Array): Promise<unknown>;
  read(ref: TensorRef): Promise<Body>;
  /** Whether bytes are as they were sealed. */
  isAsSealed(ref: TensorRef, bytes: Uint8Array, body: Body): boolean;
  /** Takes back that it exists, and leaves its chunks to another id. */
  withdraw(ref: TensorRef): Promise<void>;
  /** Takes it away. Twice is once. */
  erase(ref: TensorRef): Promise<void>;
  list(): AsyncGenerator<TensorEntry, void, undefined>;
}

export interface BodiesOptions {
  readonly servers: Servers;
  readonly keys: Keys;
  /** Where what is read lands. */
  readonly landing: Landing;
  readonly run: string;
  readonly strict: boolean;
  /** Whether the servers still know this run; throws Lost where they do not. */
  readonly checkKept: () => Promise<void>;
}

const windowChunks = 4;
const putAsked: Asked = { what: "put tensor", role: "bulk", writes: true };
const announceAsked: Asked = { ...putAsked, once: true };
const getAsked: Asked = { what: "get tensor", role: "bulk", writes: false };
const eraseAsked: Asked = { what: "release tensor", role: "control", writes: true };
const listAsked: Asked = { what: "list tensors", role: "control", writes: false };

const chunkOf = (bytes: Uint8Array, index: number): Uint8Array =>
  bytes.subarray(index * chunkBytes, (index + 1) * chunkBytes);

/** Where a tensor's bytes lie that were read. */
export const bytesIn = ({ bytes }: TensorRef, { buffer, offset }: Landed): Uint8Array =>
  new Uint8Array(buffer, offset, bytes);

export function bodies({ servers, keys, landing, run, strict, checkKept }: BodiesOptions): Bodies {
  const { within } = window(windowChunks);
  const announcing = sets(servers, announceAsked);
  const room = reserve(servers);

  /** Does something with each chunk, in the window of its server; after a failure nothing more is begun. */
  async function each(ref: TensorRef, work: (key: string, index: number) => Promise<void>): Promise<void> {
    const own = bodyOf(ref.id);
    let failure: { readonly error: unknown } | undefined;
    await Promise.all(Array.from({ length: chunkCount(ref.bytes) }, async (_, index) => {
      const key = keys.chunk(own, index);
      await within(servers.indexOf(key), async () => {
        if (failure !== undefined) return;
        try {
          await work(key, index);
        } catch (error) {
          failure ??= { error };
        }
      });
    }));
    if (failure !== undefined) throw failure.error;
  }

  async function fill(ref: TensorRef, into: Uint8Array, sums: readonly number[]): Promise<void> {
    await each(ref, async (key, index) => {
      const room = chunkOf(into, index);
      const landed = await servers.land(getAsked, key, room, chunkSeed(ref.id, index));
      if (landed === undefined) {
        throw new ShoalError("Lost", `Cannot get tensor ${ref.id}: the server has lost a part of it`);
      }
      if (landed.bytes !== room.byteLength || landed.sum !== sums[index]) {
        throw new ShoalError("Corrupt", `Cannot get tensor ${ref.id}: its bytes and their checksum disagree`);
      }
    });
  }

  async function withdraw(ref: TensorRef): Promise<void> {
    const key = keys.tensor(ref.id);
    await servers.call(eraseAsked, key, "UNLINK", key);
  }

  const missing = (ref: TensorRef): ShoalError =>
    new ShoalError(
      "Missing",
      `Cannot get tensor ${ref.id}: it is not in its store; it was released, or never put there`,
    );

  return {
    async write(ref, bytes) {
      const sums = Array.from({ length: chunkCount(ref.bytes) }, () => 0);
      await each(ref, async (key, index) => {
        const chunk = chunkOf(bytes, index);
        const taking = room.take(key, chunk.byteLength);
        if (taking !== undefined) await taking;
        sums[index] = chunkSum(ref.id, index, chunk);
        await servers.call(putAsked, key, "SET", key, chunk);
      });
      return sums;
    },

    announce(ref, lifetime, sums, bytes) {
      const key = keys.tensor(ref.id);
      const manifest = manifestBytes(ref, { lifetime, sums }, sums.length === 0 ? bytes : undefined);
      const taking = room.take(key, manifest.byteLength);
      return taking === undefined ? announcing.set(key, manifest) : taking.then(() => announcing.set(key, manifest));
    },

    async read(ref) {
      const key = keys.tensor(ref.id);
      const found = await servers.call(getAsked, key, "GET", key);
      if (found === null) {
        await checkKept();
        throw missing(ref);
      }
      const { lifetime, sums, body, sum } = readManifest(ref, bytesOf(found));
      try {
        const { id, bytes } = ref;
        const landed = await landing.land({ id, bytes, sum: hex32(sum) }, async (into) => {
          if (sums.length > 0) await fill(ref, into, sums);
          else into.set(body);
        });
        return { landed, sums, sum: strict && sums.length === 0 ? crc32(bytesIn(ref, landed)) : undefined, lifetime };
      } catch (error) {
        // Released while it was read: its chunks go after its manifest.
        if (error instanceof ShoalError && error.code === "Lost") {
          if (await servers.call(getAsked, key, "EXISTS", key) === 0) throw missing(ref);
        }
        throw error;
      }
    },

    isAsSealed(ref, bytes, { sums, sum }) {
      if (sums.length === 0) return sum === undefined || crc32(bytes) === sum;
      return sums.every((own, index) => chunkSum(ref.id, index, chunkOf(bytes, index)) === own);
    },

    withdraw,

    async erase(ref) {
      await withdraw(ref);
      const count = chunkCount(ref.bytes);
      const own = bodyOf(ref.id);
      await Promise.all(Array.from({ length: count }, async (_, index) => {
        const chunk = keys.chunk(own, index);
        await servers.call(eraseAsked, chunk, "UNLINK", chunk);
      }));
    },

    async *list() {
      for await (const { server, key } of scanned(servers, listAsked, `${keys.prefix}t:*`)) {
        const start = bytesOf(await servers.callAt(listAsked, server, "GETRANGE", key, ...bytesRange));
        const bytes = bytesSaid(start);
        // Gone since, or nothing of ours.
        if (bytes !== undefined) yield { id: key.slice(keys.prefix.length + 2), run, bytes, state: "sealed" };
      }
    },
  };
}
