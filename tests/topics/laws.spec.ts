// The laws of topics in the simulator: what is published arrives in order and once in what readers commit, whatever
// ends in the middle of it, and what is lost is told exactly.
// minutes: 1
import { type FaultRates, simulate, simulatedFolder, simulatedServer } from "../../runtime/simulator/mod.ts";
import type { SimulatedBackend } from "../../stores/simulated/backend.ts";
import type { StoreEnvironment } from "../../stores/store.ts";
import { ShoalError } from "../../stores/error.ts";
import { assert, fc, property, test } from "../suite.ts";
import { faults, feed, type Plan } from "./feed.ts";

const profiles: Readonly<Record<string, Partial<FaultRates>>> = {
  "nothing": {},
  "actors": { crash: 0.01 },
  "processes": { kill: 0.003, pause: 0.002 },
  "zombies": { zombie: 0.003 },
  "the store": { unavailable: 0.01, lost: 0.01, unheard: 0.01, late: 0.01, slow: 0.01, slowMsMax: 500 },
};

const plan = fc.record({
  steps: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 8 }),
  volatile: fc.nat(3),
  batchMax: fc.integer({ min: 1, max: 6 }),
  options: fc.constantFrom<object>({}, { creditEntries: 4 }, { creditEntries: 3, retainBytes: 600 }),
});

const servers = ({ environment }: { environment: StoreEnvironment }): SimulatedBackend =>
  simulatedServer({ environment, strict: true });

async function holds(
  rates: Partial<FaultRates>,
  seed: number,
  isFolder: boolean,
  planned: Plan,
): Promise<number> {
  const simulation = await simulate(feed(planned), {
    store: isFolder ? ({ chance }) => simulatedFolder({ chance }) : servers,
    seed,
    nodes: 3,
    faults: { ...rates, calmAfterMs: 4_000 },
    supervision: { restartsMax: Number.POSITIVE_INFINITY },
  });
  assert.equal(simulation.outcome, "done", String(simulation.error));
  assert.deepEqual(faults(simulation.value!, "retainBytes" in planned.options), []);
  return simulation.faults.length;
}

const long: Plan = { steps: [3, 1, 4, 2, 5, 3, 2, 4], volatile: 3, batchMax: 2, options: {} };

for (const [name, rates] of Object.entries(profiles)) {
  test(`topics: order, once, and none lost, when ${name} fail`, async () => {
    let struck = 0;
    await property([fc.integer({ min: 1 }), fc.nat(3), plan], async (seed, of, planned) => {
      struck += await holds(rates, seed, of === 0, planned);
    }, { runs: 5 });
    if (Object.keys(rates).length === 0) return;
    // What was to go wrong did, in this run or in a few more.
    for (let seed = 1; struck === 0 && seed <= 30; seed++) struck += await holds(rates, seed, false, long);
    assert.ok(struck > 0);
  }, { timeoutMs: 120_000 });
}

/** A server that takes nothing into one publisher's log for a while, longer than one attempt is patient. */
function refusing(refusals: { left: number }): (world: { environment: StoreEnvironment }) => SimulatedBackend {
  return ({ environment }) => {
    const server = servers({ environment });
    let appends = 0;
    return {
      ...server,
      async open(opening, way) {
        const store = await server.open(opening, way);
        return {
          ...store,
          logs: {
            ...store.logs,
            append(name, epoch, frames) {
              const isIts = name.startsWith("topic/feed/by/") && name.endsWith("source-1") && ++appends > 4;
              if (!isIts || refusals.left === 0) return store.logs.append(name, epoch, frames);
              refusals.left--;
              return Promise.reject(new ShoalError("Unavailable", "Cannot append: nobody answers"));
            },
          },
        };
      },
    };
  };
}

test("topics: what a step has committed is published in its order, however long the store does not take it", async () => {
  const steps = [4, 4, 4, 4, 4];
  for (const options of [{}, { creditEntries: 4 }]) {
    const refusals = { left: 40 };
    const plan = { steps, volatile: 0, batchMax: 1, options };
    const supervision = { restartsMax: Number.POSITIVE_INFINITY };
    const told = await simulate(feed(plan), { store: refusing(refusals), seed: 1, nodes: 3, supervision });
    const { outcome, value, error } = told;
    assert.equal(outcome, "done", String(error));
    assert.deepEqual(faults(value!, false), []);
    assert.equal(refusals.left, 0);
  }
});

test("topics: an error of a file that was read takes nothing of a publisher's", async () => {
  const planned = { steps: [4, 4, 4, 4, 4], volatile: 3, batchMax: 1, options: { creditEntries: 4 } };
  assert.ok(await holds(profiles["the store"]!, 1_240_668_600, true, planned) > 0);
});
