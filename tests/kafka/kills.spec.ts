// What was acknowledged stands, in its order and once, whoever is killed: the processes that write and read, at whatever
// point; and the broker itself, again and again, amid appends, puts and claims.
// needs: kafka
// minutes: 8
import { kills } from "../../stores/conformance/mod.ts";
import { environment } from "../../stores/conformance/kills/opener.ts";
import { isShoalError, openStore, type Position, type Store, type TensorRef } from "../../stores/open.ts";
import { type Broker, host, startBroker } from "../services/broker.ts";
import { kafkaService } from "../services/kafka.ts";
import { assert, long, seed, test } from "../suite.ts";
import { prefix } from "./subjects.ts";

const service = await kafkaService();
const chunky = 2 ** 20 + 8;

interface Ended {
  readonly acknowledged: number;
  readonly unknown: number;
  readonly failed: number;
}

/** Says again whatever was not acknowledged, as the delivery core does, until it is told to stop. */
async function write(
  store: Store,
  isOver: () => boolean,
  refs: Map<number, TensorRef>,
): Promise<Ended & { last: number }> {
  let [acknowledged, unknown, failed, next] = [0, 0, 0, 0];
  const note = (error: unknown): void => {
    assert.ok(isShoalError(error), String(error));
    assert.ok(["Unavailable", "Timeout"].includes(error.code), `${error.code}: ${error.message}`);
    if (error.outcome === "unknown") unknown += 1;
    else failed += 1;
  };
  while (!isOver()) {
    try {
      await store.logs.append("s", 1, [new TextEncoder().encode(`${next}`)]);
      acknowledged += 1;
      next += 1;
    } catch (error) {
      note(error);
    }
    if (next % 5 !== 0 || refs.has(next)) continue;
    try {
      const data = new Uint8Array(next % 2 === 0 ? chunky : 8).fill(next & 255);
      refs.set(next, await store.tensors.put({ data }));
    } catch (error) {
      note(error);
    }
  }
  return { acknowledged, unknown, failed, last: next };
}

/** Follows the stream as a node would; a read that fails is read again. */
async function follow(store: Store, isOver: () => boolean, upTo: () => number): Promise<number[]> {
  const seen: number[] = [];
  let after: Position | undefined;
  while (!isOver() || (seen.at(-1) ?? -1) < upTo()) {
    try {
      for (const { epoch, sequence, frame } of await store.logs.read("s", after, { waitMs: 200 })) {
        after = { epoch, sequence };
        seen.push(Number(new TextDecoder().decode(frame)));
      }
    } catch (error) {
      assert.ok(isShoalError(error, "Unavailable"), String(error));
    }
  }
  return seen;
}

/** Each that was acknowledged is there, in order; one whose end was unknown may be there twice, in a row. */
function judge(seen: readonly number[], last: number): number {
  let next = 0;
  let repeats = 0;
  for (const one of seen) {
    if (one === next) next += 1;
    else if (one === next - 1) repeats += 1;
    else assert.fail(`${one} stands where ${next} should`);
  }
  assert.ok(next >= last, `${next} of ${last} that were acknowledged stand`);
  return repeats;
}

if ("reason" in service) {
  test.skip("kafka: kills", service.reason);
} else {
  const url = (name: string): string => `kafka://${host}:${service.plain}/${prefix}-${name}`;

  test(
    "kafka: processes are killed and stopped: nothing acknowledged is lost, nothing of a zombie counts",
    async () => {
      const wanted = long ? 200 : 8;
      const { killed, counts, problems } = await kills({ url: url("kills"), kills: wanted, seed });
      assert.deepEqual(problems, [], `seed ${seed}`);
      assert.ok(Object.values(killed).reduce((sum, one) => sum + one, 0) >= wanted);
      assert.ok(Object.values(counts).some((count) => count > 0), JSON.stringify(counts));
    },
    { timeoutMs: long ? 1_800_000 : 240_000 },
  );

  test(
    "kafka: the broker is killed and comes back: nothing acknowledged is lost or out of order, all goes on",
    async () => {
      const broker: Broker = await startBroker(service.classPath);
      try {
        const at = `kafka://${host}:${broker.places.plain}/killed?patienceMs=2000`;
        const [writer, reader] = await Promise.all(
          [1, 2].map(() => openStore(at, { run: "run-1", environment, strict: true, thresholdBytes: 0 })),
        ) as [Store, Store];
        const refs = new Map<number, TensorRef>();
        let isOver = false;
        const ending = { last: Infinity };
        const writing = write(writer, () => isOver, refs);
        const reading = follow(reader, () => isOver, () => ending.last - 1);
        const rounds = long ? 20 : 2;
        for (let round = 0; round < rounds; round++) {
          const before = refs.size;
          await until(() => refs.size > before + 1 + (round % 3));
          await broker.kill();
          await assert.rejects(
            writer.claims.claim("n", 100 + round, "x"),
            (error) => isShoalError(error, "Unavailable"),
          );
          await broker.start();
          // It is the same one all the same, whoever answered what.
          const claimed = await reader.claims.claim("n", 200 + round, `${round}`);
          assert.deepEqual(claimed, { held: true, epoch: 200 + round, value: `${round}` });
        }
        const before = refs.size;
        await until(() => refs.size > before + 2);
        isOver = true;
        const { acknowledged, unknown, failed, last } = await writing;
        ending.last = last;
        const seen = await reading;
        const repeats = judge(seen, last);
        assert.ok(acknowledged > 10 && unknown + failed > 0, `${acknowledged} acknowledged, ${unknown + failed} not`);
        assert.ok(repeats <= unknown, `${repeats} stand twice, and ${unknown} had an unknown end`);
        for (const [fill, ref] of refs) {
          const tensor = await reader.tensors.get(ref);
          assert.ok(tensor.data.every((byte) => byte === (fill & 255)), `tensor ${fill} is another`);
          tensor.done();
        }
        await writer.close();
        await reader.close();
      } finally {
        await broker.stop();
      }
    },
    { timeoutMs: long ? 1_800_000 : 420_000 },
  );
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}
