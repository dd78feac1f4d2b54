// Waves that are learnt from while they are simulated, on a real Kafka broker: a network that begins late reads the topic
// from its start, and one that falls behind holds simulations back, so that what lies ahead of it is bounded.
// needs: kafka
// minutes: 3
import { setImmediate } from "node:timers/promises";
import type { WaveArrival } from "../../actors/waves/online.ts";
import { Wave } from "../../actors/waves/wave.ts";
import { launch } from "../../runtime/mod.ts";
import { inFolder } from "../cli/stage.ts";
import { host } from "../services/broker.ts";
import { kafkaService } from "../services/kafka.ts";
import { assert, test } from "../suite.ts";
import { prefix } from "./subjects.ts";

const timeoutMs = 240_000;
const service = await kafkaService();
const waves = ["run", "waves", "--online", "--grid", "64", "--step-seconds", "0", "--backend", "wasm", "--json"];
/** XXH64 of four waves on a grid of 64, computed by hand from the published algorithm. */
const expected = "b3ebf9729e24dd9f";

if ("reason" in service) {
  test.skip("kafka: online", service.reason);
} else {
  const url = (place: string): string => `kafka://${host}:${service.plain}/${prefix}-online/${place}`;

  test(
    "kafka: networks that begin when others have learnt all read the topic from its start, and see every pair",
    () =>
      inFolder(async ({ shoal }) => {
        const late = ["--replay", "--train-workers", "1", "--kernels", "3,5,3"];
        const said = await shoal(...waves, "--sims", "4", ...late, "--store", url("late"));
        assert.equal(said.code, 0, said.stderr);
        const { checksum, train } = JSON.parse(said.stdout);
        assert.equal(checksum, expected);
        assert.deepEqual(train.models.map(({ kernel, samples }: { [name: string]: number }) => [kernel, samples]), [
          [3, 40],
          [5, 40],
          [3, 40],
        ]);
      }),
    { timeoutMs },
  );

  test(
    "kafka: a simulation waits for one that falls behind: so many samples are ahead of it, and no more",
    async () => {
      const [steps, ahead] = [40, 8];
      const system = await launch({ store: url("behind"), threads: 0 });
      try {
        const sampleBytes = 2 * 64 * 64 * 8;
        const credit = ahead * (sampleBytes + 2_048);
        const online = { topic: "samples", readers: 1, readersMin: 1, creditBytes: credit, retainBytes: credit };
        const reading = system.topic<WaveArrival>(online.topic).read();
        const wave = await system.spawn(Wave);
        const simulated = wave.ask("simulate", { index: 0, period: 40, grid: 64, steps, online });
        const sealed = async (): Promise<number> => {
          let count = 0;
          for await (const { state } of system.store.list()) if (state === "sealed") count++;
          return count;
        };
        const seen: number[] = [];
        for await (const { value } of reading) {
          seen.push(value.first);
          // It goes on as far as it may before the next one is read.
          while (await sealed() < Math.min(steps, seen.length - 1 + ahead)) await setImmediate();
          // One more waits to be told of.
          const now = await sealed();
          assert.ok(now <= seen.length + ahead + 1, `${now} are there when ${seen.length} are read`);
          if (seen.length === steps) break;
        }
        assert.deepEqual(seen, Array.from({ length: steps }, (_, index) => index));
        assert.equal((await simulated).samples.length, steps);
      } finally {
        await system.close();
      }
    },
    { timeoutMs },
  );
}
