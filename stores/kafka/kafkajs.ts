// What is taken from kafkajs: its connection to one broker, with TLS and SASL, and how its requests and answers are written.
// Its producers and consumers are not: they cannot fetch at an offset, and do not say whether what failed had left. The
// only file that knows the library, whose insides these are: package.json names the one version that they are of.
import { Buffer } from "node:buffer";
import { createRequire } from "node:module";
import type { Socket } from "node:net";
import { ShoalError } from "../error.ts";

/** A request, as what is sent, and how its answer is read. */
export interface Wire<A> {
  readonly api: Api;
  encode(): Promise<readonly Buffer[]>;
  decode(answer: Buffer): Promise<A>;
}

export interface Api {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly apiName: string;
}

/** What the answers say, of the versions below. */
export interface Answers {
  readonly Metadata: {
    readonly brokers: readonly { readonly nodeId: number; readonly host: string; readonly port: number }[];
    readonly controllerId: number;
    readonly topicMetadata: readonly {
      readonly topicErrorCode: number;
      readonly topic: string;
      readonly partitionMetadata: readonly { readonly partitionId: number; readonly leader: number }[];
    }[];
  };
  readonly Produce: {
    readonly topics: readonly {
      readonly partitions: readonly { readonly errorCode: number; readonly baseOffset: string }[];
    }[];
  };
  readonly Fetch: Fetched;
  readonly ListOffsets: {
    readonly responses: readonly {
      readonly partitions: readonly { readonly errorCode: number; readonly offset: string }[];
    }[];
  };
  readonly InitProducerId: { readonly errorCode: number; readonly producerId: string; readonly producerEpoch: number };
  readonly CreateTopics: {
    readonly topicErrors: readonly {
      readonly topic: string;
      readonly errorCode: number;
      readonly errorMessage: string | null;
    }[];
  };
  readonly DeleteTopics: { readonly topicErrors: readonly { readonly topic: string; readonly errorCode: number }[] };
  readonly DeleteRecords: {
    readonly topics: readonly { readonly partitions: readonly { readonly errorCode: number }[] }[];
  };
  readonly DescribeConfigs: {
    readonly resources: readonly {
      readonly errorCode: number;
      readonly errorMessage: string | null;
      readonly resourceName: string;
      readonly configEntries: readonly { readonly configName: string; readonly configValue: string | null }[];
    }[];
  };
}

/** A record as it stands in its partition. */
export interface StandingRecord {
  readonly offset: number;
  readonly key: Buffer | undefined;
  /** A view of the answer that it came with. */
  readonly value: Buffer | undefined;
}

/** What stands in a partition, from an offset on. */
export interface Fetched {
  readonly error: number;
  /** What stands below it is acknowledged; nobody sees more. */
  readonly end: number;
  /** What stood below it is gone. */
  readonly start: number;
  /** Of whole batches, the first of which may begin before what was asked for. */
  readonly records: readonly StandingRecord[];
  /** The offset behind those batches; nothing where there is none. Compaction leaves gaps. */
  readonly next: number | undefined;
}

/** One connection, as kafkajs has it. */
export interface Line {
  connect(): Promise<unknown>;
  authenticate(): Promise<void>;
  disconnect(): Promise<unknown>;
  setVersions(versions: object): void;
  setSupportAuthenticationProtocol(isSupported: boolean): void;
  nextCorrelationId(): number;
  rejectRequests(error: Error): void;
  processData(data: Buffer): void;
  readonly bytesNeeded: number;
  readonly requestQueue: {
    readonly pending: readonly unknown[];
    push(asked: object): void;
    scheduleCheckPendingRequests(): void;
  };
}

export interface LineOptions {
  readonly host: string;
  readonly port: number;
  readonly clientId: string;
  readonly connectionTimeout: number;
  readonly requestTimeout: number;
  readonly sasl: { readonly mechanism: string; readonly username: string; readonly password: string } | null;
  readonly socketFactory: (options: { readonly onConnect: () => void }) => Socket;
}

interface Decoder {
  readInt8(): number;
  readInt16(): number;
  readInt32(): number;
  readInt64(): bigint;
  readString(): string | null;
  readBytes(): Buffer | null;
  readArray<T>(read: (decoder: Decoder) => T): T[];
  canReadBytes(length: number): boolean;
}

interface Encoder {
  readonly buffer: Buffer;
  writeInt16(value: number): Encoder;
  writeInt32(value: number): Encoder;
  writeString(value: string | null): Encoder;
}

interface Batch {
  readonly firstOffset: string;
  readonly lastOffsetDelta: number;
  readonly isControlBatch: boolean;
  readonly records: readonly { readonly offset: string; readonly key: Buffer | null; readonly value: Buffer | null }[];
}

type Definition = {
  protocol(of: { readonly version: number }): (given: object) => {
    readonly request: Api & { encode(): Promise<Encoder> };
    readonly response: { decode(answer: Buffer): Promise<unknown> };
  };
};

/** Each in one version that every broker from 2.4 to 4.x answers. */
const versions: Readonly<Record<keyof Answers, number>> = {
  Metadata: 4,
  Produce: 7,
  Fetch: 5,
  ListOffsets: 2,
  InitProducerId: 0,
  CreateTopics: 3,
  DeleteTopics: 1,
  DeleteRecords: 0,
  DescribeConfigs: 1,
};
const loginVersions = { 17: { minVersion: 0, maxVersion: 1 }, 36: { minVersion: 0, maxVersion: 0 } };
const acksOfAll = -1;
const batchHeadBytes = 61;

const require = createRequire(import.meta.url);
function part<T>(name: string): T {
  try {
    return require(`kafkajs/src/${name}.js`) as T;
  } catch (cause) {
    const how = "npm install kafkajs@2.2.4 puts it there";
    throw new ShoalError("BadInput", `Cannot open store: its client kafkajs is not installed; ${how}`, { cause });
  }
}

const Connection: new (options: object) => Line = part("network/connection");
const { requests }: { readonly requests: Readonly<Record<keyof Answers, Definition>> } = part(
  "protocol/requests/index",
);
const Encoding: new () => Encoder = part("protocol/encoder");
const Decoding: new (bytes: Buffer) => Decoder = part("protocol/decoder");
const batchIn: (decoder: Decoder) => Promise<Batch> = part("protocol/recordBatch/v0/decoder");

const silent = { debug() {}, info() {}, warn() {}, error() {}, namespace: (): object => silent };

/** A connection that is not open yet. */
export function line(options: LineOptions): Line {
  const made = new Connection({ ...options, ssl: null, logger: silent, enforceRequestTimeout: true });
  made.setVersions(loginVersions);
  made.setSupportAuthenticationProtocol(true);
  const queue = made.requestQueue;
  const check = queue.scheduleCheckPendingRequests.bind(queue);
  // Without this it looks every millisecond for ever whether anything waits to be sent.
  queue.scheduleCheckPendingRequests = () => {
    if (queue.pending.length > 0) check();
  };
  return made;
}

/** Asks on a connection that is open, by who writes to its socket when it is time. */
export async function asked(
  line: Line,
  clientId: string,
  { api, encode }: Pick<Wire<unknown>, "api" | "encode">,
  requestTimeout: number,
  write: (pieces: readonly Buffer[]) => void,
): Promise<Buffer> {
  const body = await encode();
  const correlationId = line.nextCorrelationId();
  const head = new Encoding().writeInt16(api.apiKey).writeInt16(api.apiVersion).writeInt32(correlationId)
    .writeString(clientId).buffer;
  const bytes = body.reduce((sum, piece) => sum + piece.byteLength, head.byteLength);
  // What the library does itself copies all of it three times.
  const { payload } = await new Promise<{ readonly payload: Buffer }>((resolve, reject) => {
    line.requestQueue.push({
      entry: { ...api, correlationId, resolve, reject },
      expectResponse: true,
      requestTimeout,
      sendRequest: () => write([new Encoding().writeInt32(bytes).buffer, head, ...body]),
    });
  });
  return payload;
}

/** A request, and what is wanted of its answer. */
export function wire<K extends keyof Answers, T>(api: K, given: object, read: (answer: Answers[K]) => T): Wire<T> {
  const { request, response } = requests[api].protocol({ version: versions[api] })(given);
  return {
    api: request,
    encode: async () => [(await request.encode()).buffer],
    decode: async (answer) => read(await response.decode(answer) as Answers[K]),
  };
}

/** Of a batch that is written already: it stays as it is. */
export function produceWire<T>(
  topic: string,
  partition: number,
  batch: readonly Buffer[],
  timeoutMs: number,
  read: (answer: Answers["Produce"]) => T,
): Wire<T> {
  const bytes = batch.reduce((sum, piece) => sum + piece.byteLength, 0);
  const head = new Encoding().writeString(null).writeInt16(acksOfAll).writeInt32(timeoutMs).writeInt32(1)
    .writeString(topic).writeInt32(1).writeInt32(partition).writeInt32(bytes).buffer;
  return { ...wire("Produce", { topicData: [] }, read), encode: async () => [head, ...batch] };
}

/** Of one partition. Its answer tells what kafkajs leaves out: where a batch ends of which nothing is left. */
export function fetchWire<T>(given: object, read: (answer: Fetched) => T): Wire<T> {
  return { ...wire("Fetch", given, read), decode: async (answer) => read(await fetched(answer)) };
}

async function fetched(answer: Buffer): Promise<Fetched> {
  const decoder = new Decoding(answer);
  decoder.readInt32();
  const counts = [decoder.readInt32(), decoder.readString(), decoder.readInt32(), decoder.readInt32()];
  if (counts[0] !== 1 || counts[2] !== 1) throw new Error("it is not of one partition");
  const error = decoder.readInt16();
  const end = Number(decoder.readInt64());
  decoder.readInt64();
  const start = Number(decoder.readInt64());
  decoder.readArray(() => [decoder.readInt64(), decoder.readInt64()]);
  return { error, end, start, ...await batches(decoder.readBytes() ?? Buffer.alloc(0)) };
}

async function batches(bytes: Buffer): Promise<Pick<Fetched, "records" | "next">> {
  const decoder = new Decoding(bytes);
  const records: StandingRecord[] = [];
  let next: number | undefined;
  while (decoder.canReadBytes(batchHeadBytes)) {
    let batch: Batch;
    try {
      batch = await batchIn(decoder);
    } catch (error) {
      // What is cut off at the end is left for the next fetch.
      if ((error as Error).name === "KafkaJSPartialMessageError") break;
      throw new ShoalError("Incompatible", `Cannot read a batch of records: ${(error as Error).message}`, {
        cause: error,
      });
    }
    next = Number(batch.firstOffset) + batch.lastOffsetDelta + 1;
    if (batch.isControlBatch) continue;
    for (const { offset, key, value } of batch.records) {
      records.push({ offset: Number(offset), key: key ?? undefined, value: value ?? undefined });
    }
  }
  return { records, next };
}
