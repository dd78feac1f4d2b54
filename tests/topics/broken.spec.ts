// The laws of topics catch what breaks them: a log that loses what it has answered, one that gives it back in another
// order, a reader that does not keep its cursor, and a publisher that publishes beside its steps.
import { type FaultRates, type MakeBackend, simulate, simulatedServer } from "../../runtime/simulator/mod.ts";
import type { TopicCursor } from "../../runtime/topic.ts";
import type { Logs } from "../../stores/store.ts";
import { assert, test } from "../suite.ts";
import { type Cast, faults, feed, Sink, Source } from "./feed.ts";

class Forgetful extends Sink {
  override keep(_: TopicCursor): void {}
}

class Hasty extends Source {
  override publish(count: number): Promise<void> {
    // By then the step is over: this is none of its doing.
    setTimeout(() => void super.publish(count).catch(() => {}), 20);
    return Promise.resolve();
  }
}

/** A server whose logs of publishers are broken. */
function broken(breaks: (logs: Logs) => Partial<Logs>): MakeBackend {
  return ({ environment }) => {
    const backend = simulatedServer({ environment, strict: true });
    return {
      ...backend,
      async open(options, way) {
        const store = await backend.open(options, way);
        return { ...store, logs: { ...store.logs, ...breaks(store.logs) } };
      },
    };
  };
}

const isPublishers = (stream: string): boolean => stream.startsWith("topic/feed/by/");

const loses = broken((logs) => {
  let appends = 0;
  return {
    async append(stream, epoch, frames) {
      if (!isPublishers(stream) || frames.length === 0 || ++appends % 4 !== 0) {
        return await logs.append(stream, epoch, frames);
      }
      return await logs.append(stream, epoch, frames.slice(1));
    },
  };
});

const reorders = broken((logs) => ({
  async read(stream, after, options) {
    const entries = await logs.read(stream, after, options);
    return isPublishers(stream) ? entries.toReversed() : entries;
  },
}));

interface Breaking {
  readonly cast?: Cast;
  readonly store?: MakeBackend;
  readonly faults: Partial<FaultRates>;
}

const all: Readonly<Record<string, Breaking>> = {
  "a log that loses what it has answered": { store: loses, faults: {} },
  "a log that is read in another order": { store: reorders, faults: {} },
  "a reader that does not keep its cursor": { cast: { Source, Sink: Forgetful }, faults: { crash: 0.05 } },
  "a publisher beside its steps": { cast: { Source: Hasty, Sink }, faults: { crash: 0.05 } },
};

for (const [name, { cast, store, faults: rates }] of Object.entries(all)) {
  test(`topics: the laws catch ${name}`, async () => {
    const plan = { steps: [2, 3, 4, 2, 3], volatile: 0, batchMax: 3, options: {} };
    for (let seed = 1; seed <= 20; seed++) {
      const simulation = await simulate(feed(plan, 20_000, cast), {
        seed,
        nodes: 3,
        faults: { ...rates, calmAfterMs: 5_000 },
        supervision: { restartsMax: Number.POSITIVE_INFINITY },
        ...store === undefined ? {} : { store },
      });
      if (simulation.outcome !== "done" || faults(simulation.value!, false).length > 0) return;
    }
    assert.fail("nothing was found in 20 runs");
  });
}
