// `kafka:`: tensors, logs and claims in topics of a Kafka cluster: what outlives the job, and can be read again. Whoever
// opens the same URL and run, on whatever machine, has the same store; kafka/topics.ts says what lies where.
import { constants } from "node:buffer";
import { ShoalError } from "./error.ts";
import { cacheBytesUnlessSaid, nodeCache } from "./cache.ts";
import { pooledLanding } from "./copied/landing.ts";
import { buffers as storeBuffers } from "./copied/buffers.ts";
import { entries as storeEntries } from "./copied/entries.ts";
import { tidying as storeTidying } from "./copied/tidying.ts";
import { bodies as kafkaBodies } from "./kafka/bodies.ts";
import type { ClientOptions } from "./kafka/client.ts";
import { control as kafkaControl, named } from "./kafka/control.ts";
import { listing as kafkaListing } from "./kafka/listing.ts";
import { kafkaLogs } from "./kafka/logs.ts";
import { enter } from "./kafka/owners.ts";
import { sender } from "./kafka/sender.ts";
import { swept } from "./kafka/janitor.ts";
import { lent } from "./kafka/shared.ts";
import { kafkaTensors } from "./kafka/tensors.ts";
import { topicsOf } from "./kafka/topics.ts";
import { addressOf, clientOptionsOf, kafkaUrlOptions } from "./kafka/url.ts";
import { room as boundedRoom } from "./room.ts";
import type { OpenOptions, Store, StoreEnvironment, TensorRef } from "./store.ts";
import { readOptions, type StoreUrl } from "./url.ts";

export interface KafkaOptions {
  readonly client: ClientOptions;
  /** Says all in which this client differs from another's. */
  readonly clientKey: string;
  /** What the topics are called, before the dot. */
  readonly place: string;
  /** Whose part of those topics, where several share them. */
  readonly part: string;
  readonly run: string;
  readonly environment: StoreEnvironment;
  readonly strict?: boolean;
  /** For topics that are not there yet. 4, and as many replicas as the cluster makes, unless set. */
  readonly partitions?: number;
  readonly replicas?: number;
  /** What the tensors of this opening may take together. Without a limit unless set. */
  readonly capacityBytes?: number;
  readonly full?: "wait" | "reject";
  readonly waitMs?: number;
  readonly graceMs?: number;
  /** What views that are done leave for the next ones. 256 MiB unless set. */
  readonly poolBytesMax?: number;
  /** Once so much was trimmed or released, the topics give up what they can. 64 MiB unless set. */
  readonly tidyBytes?: number;
  /** How large the pieces of a tensor are. 1 MiB, or what the topic takes, unless set. */
  readonly chunkBytesMax?: number;
  /** What the node's processes keep of it in their own memory. */
  readonly cache?: { readonly bytesMax?: number; readonly bytesMin?: number; readonly dir?: string };
  readonly url: string;
}

const partitionsUnlessSaid = 4;
const chunkBytesUnlessSaid = 2 ** 20;
const frameBytesMost = 16 * 2 ** 20;
/** What a record may take beside its bytes. */
const headBytesMax = 4_096;
const tidyMs = 10_000;
/** What is still under way at the end is waited for so long. */
const closeMs = 2_000;
const cacheNone = { bytesMin: undefined, dir: undefined };

/** Opens the store of a `kafka:` URL. */
export async function openKafka(url: StoreUrl, { run, environment, strict }: OpenOptions): Promise<Store> {
  const read = readOptions(url, kafkaUrlOptions);
  const { servers, place, part, user } = addressOf(url);
  const client = clientOptionsOf(servers, user, read);
  const { capacity, pool, chunk, tidy, partitions, replicas, full, waitMs, graceMs } = read;
  const cache = given({ bytesMax: read.cache, bytesMin: read.cacheFrom, dir: read.cacheDir });
  return await kafkaStore({
    client,
    // In memory only, and never shown.
    clientKey: JSON.stringify([servers, user, client.credentials?.password, { ...read, capacity: undefined }]),
    place,
    part,
    run,
    environment,
    strict,
    url: url.redacted,
    cache,
    ...given({ partitions, replicas, full, waitMs, graceMs }),
    ...given({ capacityBytes: capacity, poolBytesMax: pool, chunkBytesMax: chunk, tidyBytes: tidy }),
  });
}

/** What was said of an options object. */
const given = <T extends object>(some: T): { readonly [Key in keyof T]?: Exclude<T[Key], undefined> } =>
  Object.fromEntries(Object.entries(some).filter(([, value]) => value !== undefined)) as never;

/** A store in topics, which it makes where there are none. */
export async function kafkaStore(options: KafkaOptions): Promise<Store> {
  const { run, environment, place, part, strict = false, url } = options;
  const { capacityBytes = Number.MAX_SAFE_INTEGER, full = "wait", waitMs = 30_000, graceMs = 1_000 } = options;
  const { partitions = partitionsUnlessSaid, replicas = -1, poolBytesMax = 2 ** 28, tidyBytes = 2 ** 26 } = options;
  const where = `kafka:${place}${part === "" ? "" : `/${part}`}`;
  const writer = environment.token();
  const space = `${part}/${run}`;
  const { client, giveBack } = lent(options.clientKey, options.client);
  let isClosed = false;
  let end: (error: Error | undefined) => void;
  const ended = new Promise<Error | undefined>((resolve) => end = resolve);

  const { of, isFlushed, isMade } = await topicsOf({ client, place, partitions, replicas }).catch((error: unknown) => {
    giveBack();
    throw error;
  });

  const { name: topic, batchBytesMax } = of.control;
  const control = kafkaControl({
    client,
    sender: sender({ client, topic, partition: 0, batchBytesMax }),
    topic,
    partition: 0,
    turnBytesMax: Math.floor(batchBytesMax / 4),
    space,
    writer,
    throwIfClosed,
  });
  const presence = await enter({ control, writer, isMade }).catch((error: unknown) => {
    control.close();
    giveBack();
    throw named(error, "open store");
  });

  function throwIfClosed(): void {
    if (presence.lost !== undefined) throw presence.lost;
    if (isClosed) throw new ShoalError("ShuttingDown", `Cannot use store ${url}: it was closed`);
  }

  const underWay = new Set<Promise<unknown>>();
  function track<T>(work: Promise<T>): Promise<T> {
    underWay.add(work);
    work.then(() => {}, () => {}).finally(() => underWay.delete(work));
    return work;
  }

  const erasing = new Map<string, Promise<void>>();
  let freedBytes = 0;
  function erase(ref: TensorRef, why: "gone" | "late"): Promise<void> {
    let work = erasing.get(ref.id);
    if (work === undefined) {
      work = track(control.end(ref.id, why)).finally(() => erasing.delete(ref.id));
      erasing.set(ref.id, work);
      freedBytes += ref.bytes;
      if (freedBytes >= tidyBytes) {
        freedBytes = 0;
        // Where it fails, what is there stays there until the next time.
        track(work.then(() => swept(client, control, of, Date.now()))).catch(() => {});
      }
    }
    return work;
  }

  const tidying = storeTidying(environment, tidyMs, () => [buffers]);
  const buffers = storeBuffers(poolBytesMax, strict, tidying.touched);
  const room = boundedRoom({ capacityBytes, full, waitMs, environment });
  const entries = storeEntries({
    writer,
    environment,
    room,
    graceMs: Math.max(1, graceMs),
    erase(ref, why) {
      // Gone for this process in any case; where the servers cannot be reached now, release says so.
      erase(ref, why).catch(() => {});
    },
  });
  const listing = kafkaListing({ client, topic: of.tensors, space, run });
  const chunkBytesMax = Math.min(options.chunkBytesMax ?? chunkBytesUnlessSaid, of.chunks.batchBytesMax - headBytesMax);
  const pooled = pooledLanding(buffers);
  const { bytesMax = cacheBytesUnlessSaid } = options.cache ?? {};
  const cache = bytesMax === 0
    ? undefined
    : nodeCache({ identity: [url, run], ...cacheNone, ...options.cache, bytesMax, strict, otherwise: pooled });
  const bodies = kafkaBodies({
    client,
    tensors: of.tensors,
    chunks: of.chunks,
    run,
    where,
    space,
    writer,
    chunkBytesMax,
    landing: cache ?? pooled,
  });
  const tensors = kafkaTensors({
    run,
    writer,
    bodies,
    control,
    entries,
    buffers,
    room,
    strict,
    throwIfClosed,
    track,
    erase,
    forget: (id) => cache?.forget(id),
    async *listed() {
      await control.sync();
      for await (const entry of listing.all()) if (control.goneAs(entry.id) === undefined) yield entry;
    },
  });
  // What is left of a batch goes to what is sent along with a frame.
  const frameBytesMax = Math.min(frameBytesMost, Math.floor(of.logs.batchBytesMax * 3 / 4) - headBytesMax);
  const kept = { client, control, topic: of.logs, space, writer, environment, throwIfClosed };
  const logs = kafkaLogs({ ...kept, frameBytesMax, tidyBytes, track });

  async function close(): Promise<void> {
    if (isClosed) return;
    isClosed = true;
    void track(presence.leave());
    room.close();
    logs.close();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => timer = setTimeout(resolve, closeMs));
    await Promise.race([late, Promise.allSettled(underWay)]);
    clearTimeout(timer);
    control.close();
    listing.close();
    await tidying.close();
    await cache?.close();
    entries.close();
    buffers.clear();
    giveBack();
    end(undefined);
  }

  return {
    url,
    where,
    run,
    abilities: {
      survives: isFlushed ? "power" : "server",
      lossWindowMs: 0,
      shared: "network",
      zeroCopy: false,
      tensorBytesMax: Math.min(capacityBytes, constants.MAX_LENGTH - 4_096),
      frameBytesMax,
    },
    tensors,
    logs,
    claims: control.claims,
    statistics() {
      return {
        tensors: entries.size,
        bytes: room.usedBytes,
        pooledBytes: buffers.pooledBytes,
        putBytes: tensors.putBytes,
        getBytes: tensors.getBytes,
      };
    },
    ended,
    close,
    [Symbol.asyncDispose]: close,
  };
}
