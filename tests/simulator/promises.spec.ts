// What the runtime promises, asked of whole systems under faults: every call settles once, and its outcome is true;
// messages from one to another keep their order; nothing is left behind. Actors crash wherever they are.
import { Actor, type ActorRef, isShoalError, type System, type TensorRef } from "../../runtime/mod.ts";
import { simulate, type Simulation, table } from "../../runtime/simulator/mod.ts";
import { assert, fc, long, property, test } from "../suite.ts";

interface Job {
  readonly from: number;
  readonly sequence: number;
  readonly how: "sync" | "slow" | "nested" | "tensor";
  readonly others: readonly ActorRef<Peer>[];
  readonly tensor?: TensorRef<"float64">;
}

/** What really happened, outside of all actors. */
class Witness {
  readonly began = new Map<string, number>();
  readonly ended = new Map<string, number>();
  readonly applied = new Map<string, number[]>();
  readonly running = new Map<string, number>();
  readonly faults: string[] = [];

  begin(actor: string, life: object, job: Job): void {
    const key = `${job.from}/${job.sequence}`;
    this.began.set(key, (this.began.get(key) ?? 0) + 1);
    const stream = `${job.from}>${actor}`;
    const order = this.applied.get(stream) ?? [];
    if (order.length > 0 && order.at(-1)! >= job.sequence) {
      this.faults.push(`${stream} had ${order.at(-1)}, then ${job.sequence}`);
    }
    order.push(job.sequence);
    this.applied.set(stream, order);
    if (lives.get(life) === true) this.faults.push(`${actor} began ${key} while it handled another`);
    lives.set(life, true);
  }

  end(life: object, job: Job): void {
    const key = `${job.from}/${job.sequence}`;
    this.ended.set(key, (this.ended.get(key) ?? 0) + 1);
    lives.set(life, false);
  }
}

const lives = new WeakMap<object, boolean>();
let witness = new Witness();

class Peer extends Actor<Peer> {
  readonly #name: string;

  constructor(name: string) {
    super();
    this.#name = name;
  }

  async work(job: Job): Promise<number> {
    witness.begin(this.#name, this, job);
    try {
      if (job.how === "slow") {
        await new Promise((resolve) => setTimeout(resolve, this.random.below(5_000)));
      }
      if (job.how === "tensor" && job.tensor !== undefined) {
        const { data } = await this.store.get(job.tensor);
        if (data[0] !== job.sequence) witness.faults.push(`a tensor of ${job.sequence} held ${data[0]}`);
      }
      if (job.how === "nested") {
        for (const other of job.others) await other.ask("echo", job.sequence, { timeoutMs: 60_000 }).catch(() => 0);
      }
      return job.sequence;
    } finally {
      witness.end(this, job);
    }
  }

  echo(n: number): number {
    return n;
  }

  async *count(n: number): AsyncGenerator<number> {
    for (let i = 0; i < n; i++) {
      yield i;
      await Promise.resolve();
    }
  }
}

interface Settled {
  readonly key: string;
  readonly outcome: "done" | "failed" | "unknown";
  readonly isValue: boolean;
}

type Act = readonly [from: number, to: number, how: Job["how"], timeoutMs: number, isAwaited: boolean];

async function campaign(system: System, acts: readonly Act[]): Promise<readonly Settled[]> {
  const peers = await Promise.all(["a", "b", "c"].map((name) => system.spawn(Peer, name)));
  const settled: Settled[] = [];
  const sequences = [0, 0, 0];
  const calls: Promise<void>[] = [];
  for (const [from, to, how, timeoutMs, isAwaited] of acts) {
    const sequence = ++sequences[from]!;
    const key = `${from}/${sequence}`;
    const others = how === "nested" ? [peers[(to + 1) % 3]!] : [];
    // A store that fails fails the put, before anything is sent.
    const tensor = how === "tensor"
      ? await system.store.put({ data: new Float64Array(1_500).fill(sequence), dtype: "float64" }).catch(() =>
        undefined
      )
      : undefined;
    const job: Job = {
      from,
      sequence,
      how,
      others,
      ...(tensor === undefined ? {} : { tensor }),
    };
    const call = peers[to]!.ask("work", job, { timeoutMs }).then(
      (value) => void settled.push({ key, outcome: "done", isValue: value === sequence }),
      (error: unknown) => {
        if (!isShoalError(error)) throw error;
        settled.push({ key, outcome: error.outcome, isValue: false });
      },
    );
    calls.push(call);
    if (isAwaited) await call;
  }
  let sum = 0;
  await (async () => {
    for await (const n of peers[0]!.stream("count", 20, { creditMax: 3 })) sum += n;
  })().catch((error: unknown) => {
    if (!isShoalError(error)) throw error;
    sum = 190;
  });
  assert.equal(sum, 190, "a stream that ended well was not whole");
  await Promise.all(calls);
  return settled;
}

function checkRun(simulation: Simulation<readonly Settled[]>, acts: readonly Act[]): void {
  const shown = (): string => table(simulation);
  assert.equal(simulation.outcome, "done", shown());
  assert.deepEqual(witness.faults, [], shown());
  const { value: settled = [] } = simulation;
  assert.equal(settled.length, acts.length, shown());
  for (const { key, outcome, isValue } of settled) {
    const began = witness.began.get(key) ?? 0;
    assert.ok(began <= 1, `${key} began ${began} times\n${shown()}`);
    if (outcome === "failed") assert.equal(began, 0, `${key} was said to have failed\n${shown()}`);
    if (outcome === "done") assert.equal(began, 1, `${key} was said to be done\n${shown()}`);
    if (isValue) assert.equal(witness.ended.get(key), 1, `${key} was answered before its end\n${shown()}`);
  }
}

const act = fc.tuple(
  fc.nat(2),
  fc.nat(2),
  fc.constantFrom("sync" as const, "slow" as const, "nested" as const, "tensor" as const),
  fc.constantFrom(1_000, 3_000, 600_000),
  fc.boolean(),
);

test("every call settles once with a true outcome, in order, whoever crashes when", async () => {
  const happened = { crash: 0, done: 0, failed: 0, unknown: 0 };
  await property(
    [
      fc.array(act, { minLength: 1, maxLength: 25, size: "max" }),
      fc.nat(),
      fc.constantFrom(0, 0.02, 0.1),
      fc.constantFrom(1, 3, 100),
    ],
    async (acts, seed, crash, mailboxMessagesMax) => {
      witness = new Witness();
      const simulation = await simulate((system) => campaign(system, acts), {
        seed,
        faults: { crash, unavailable: crash, slow: crash, slowMsMax: 2_000 },
        supervision: { restartsMax: Number.POSITIVE_INFINITY, backoffMs: 100 },
        limits: { mailboxMessagesMax },
      });
      checkRun(simulation, acts);
      happened.crash += simulation.faults.filter(({ kind }) => kind === "crash").length;
      for (const { outcome } of simulation.value ?? []) happened[outcome]++;
    },
    { runs: long ? 5_000 : 150, caseTimeoutMs: 60_000 },
  );
  for (const [what, times] of Object.entries(happened)) assert.ok(times > 0, `${what} never happened`);
}, { timeoutMs: long ? 1_200_000 : 120_000 });
