// `kafka:` beside the tools that Kafka measures itself with, in turns on one broker:
// `node dist/benchmarks/stores/kafka.js kafka://127.0.0.1:9092/bench CLASSPATH`, where CLASSPATH holds Kafka's jars, those
// of kafka-tools among them.

import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import process from "node:process";
import { promisify } from "node:util";
import { realWorld as environment } from "shoal";
import { openStore } from "shoal/stores";
import { runtimeVersion, secondsSince } from "../serve.ts";

const run = promisify(execFile);
const tensorBytes = 64_000_000;
const tensors = 6;
const rounds = 3;
/** As large as the store's own pieces; the tools' own limits are raised to what the store uses. */
const recordBytes = 1_000_000;
const records = tensorBytes * tensors / recordBytes;
const partitions = 4;
const GB = 1e9;
const putShare = 0.6;
const getShare = 1;

interface Speeds {
  readonly put: number;
  readonly get: number;
}

async function ours(url: string): Promise<Speeds> {
  const store = await openStore(url, {
    run: `bench-${environment.token()}`,
    environment,
    strict: false,
    thresholdBytes: 0,
  });
  try {
    const data = new Uint8Array(randomBytes(tensorBytes));
    const start = performance.now();
    const refs = [];
    for (let count = 0; count < tensors; count++) refs.push(await store.tensors.put({ data }));
    const put = secondsSince(start);
    const middle = performance.now();
    for (const ref of refs) {
      const tensor = await store.tensors.get(ref);
      if (tensor.data.byteLength !== tensorBytes) throw new Error("a tensor came back short");
      tensor.done();
    }
    const get = secondsSince(middle);
    for (const ref of refs) await store.tensors.release(ref);
    return { put: tensorBytes * tensors / GB / put, get: tensorBytes * tensors / GB / get };
  } finally {
    await store.close();
  }
}

async function theirs(server: string, classPath: string): Promise<Speeds> {
  const topic = `bench-${environment.token()}`;
  const java = async (tool: string, ...args: string[]): Promise<string> =>
    (await run("java", ["-cp", classPath, `org.apache.kafka.tools.${tool}`, ...args])).stdout;
  const at = ["--bootstrap-server", server];
  const shape = ["--partitions", `${partitions}`, "--config", "max.message.bytes=16777216"];
  await java("TopicCommand", ...at, "--create", "--topic", topic, ...shape);
  try {
    const size = ["--num-records", `${records}`, "--record-size", `${recordBytes}`, "--throughput", "-1"];
    const limits = ["max.request.size=16777216", "buffer.memory=134217728", "acks=all"];
    const produced = await java(
      "ProducerPerformance",
      "--topic",
      topic,
      ...size,
      "--producer-props",
      `bootstrap.servers=${server}`,
      ...limits,
    );
    const each = /([\d.]+) records\/sec/.exec(produced.trim().split("\n").at(-1) ?? "")?.[1];
    const consumed = await java(
      "ConsumerPerformance",
      ...at,
      "--topic",
      topic,
      "--messages",
      `${records}`,
      "--fetch-size",
      "4194304",
    );
    // start, end, MB, MB/s, messages, messages/s, rebalance ms, fetch ms, fetch MB/s: what it fetched, without the join.
    const fetched = consumed.trim().split("\n").find((line) => /^\d{4}-/.test(line))?.split(", ")[8];
    if (each === undefined || fetched === undefined) throw new Error("Cannot read what Kafka's tools say");
    return { put: Number(each) * recordBytes / GB, get: Number(fetched) * 2 ** 20 / GB };
  } finally {
    await java("TopicCommand", ...at, "--delete", "--topic", topic);
  }
}

const median = (all: readonly number[]): number => [...all].sort((a, b) => a - b)[Math.floor(all.length / 2)] ?? NaN;
const shown = (speed: number): string => speed.toFixed(3).padStart(8);

const [url = "", classPath = ""] = process.argv.slice(2);
const [, server] = /^kafka:\/\/([^/,?]+)/.exec(url) ?? [];
if (server === undefined || classPath === "") {
  console.error("usage: node dist/benchmarks/stores/kafka.js kafka://HOST:PORT/PLACE CLASSPATH");
  process.exit(2);
}
const own: Speeds[] = [];
const java: Speeds[] = [];
for (let round = 0; round < rounds; round++) {
  own.push(await ours(url));
  java.push(await theirs(server, classPath));
}
console.log(`${tensors} tensors of ${tensorBytes / 1e6} MB, ${rounds} rounds in turns, medians, GB/s`);
for (const [way, share] of [["put", putShare], ["get", getShare]] as const) {
  const [mine, other] = [own, java].map((all) => median(all.map((speeds) => speeds[way])));
  const ratio = mine! / other!;
  const tool = way === "put" ? "ProducerPerformance" : "ConsumerPerformance";
  const bar = `${ratio >= share ? "holds" : "FAILS"}: ≥ ${share} ×`;
  console.log(
    `${way}  kafka: on ${runtimeVersion()} ${shown(mine!)}  ${tool} ${shown(other!)}  ${ratio.toFixed(2)} ×  ${bar}`,
  );
}
