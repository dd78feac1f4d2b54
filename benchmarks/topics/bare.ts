// What the log of a store takes and gives at most: batches of frames of the size of an entry, appended and read in one
// thread. Nobody counts, pins, waits for readers or finds publishers.

import process from "node:process";
import { randomBytes } from "node:crypto";
import { realWorld as environment } from "shoal";
import { openStore } from "shoal/stores";
import { numberOf } from "../protocol.ts";
import { type Measured, runtimeVersion, secondsSince, serve } from "../serve.ts";

const batchFrames = 256;
const frameBytes = 48;

const [url = "memory:"] = process.argv.slice(2);
const store = await openStore(url, {
  run: `bare-${randomBytes(6).toString("hex")}`,
  environment,
  strict: false,
  thresholdBytes: 0,
});
let rounds = 0;

async function append(stream: string, total: number): Promise<void> {
  for (let n = 1; n <= total;) {
    const frames: Uint8Array[] = [];
    for (; frames.length < batchFrames && n <= total; n++) {
      const frame = new Uint8Array(frameBytes);
      new DataView(frame.buffer).setFloat64(0, n);
      frames.push(frame);
    }
    await store.logs.append(stream, 1, frames);
  }
}

async function read(stream: string, total: number): Promise<Omit<Measured, "seconds">> {
  let [count, sum, misplaced, sequence] = [0, 0, 0, 0];
  while (count < total) {
    const after = sequence === 0 ? undefined : { epoch: 1, sequence };
    const entries = await store.logs.read(stream, after, { entriesMax: batchFrames, waitMs: 10_000 });
    for (const { frame, sequence: at } of entries) {
      const n = new DataView(frame.buffer, frame.byteOffset).getFloat64(0);
      if (n !== ++count) misplaced++;
      sum += n;
      sequence = at;
    }
  }
  return { count, check: sum, misplaced };
}

await serve({
  hello: () => ({ version: runtimeVersion(), settings: `batches of ${batchFrames} frames of ${frameBytes} bytes` }),
  async topic(command) {
    const [stream, total] = [`s${++rounds}`, numberOf(command, "count")];
    const start = performance.now();
    const [, found] = await Promise.all([append(stream, total), read(stream, total)]);
    const seconds = secondsSince(start);
    await store.logs.trim(stream, { epoch: 1, sequence: total });
    return { seconds, ...found };
  },
  async late(command) {
    const [stream, total] = [`s${++rounds}`, numberOf(command, "count")];
    await append(stream, total);
    const start = performance.now();
    const found = await read(stream, total);
    const seconds = secondsSince(start);
    await store.logs.trim(stream, { epoch: 1, sequence: total });
    return { seconds, ...found };
  },
}, () => store.close());
