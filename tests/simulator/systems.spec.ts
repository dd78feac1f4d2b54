// Whole systems of nodes under faults: the laws of delivery hold for what programs see, money is neither made nor lost,
// and what fails is found again, made small, and shown.
// minutes: 3
import { Actor } from "../../runtime/actor.ts";
import {
  explore,
  type Fault,
  type FaultKind,
  type FaultRates,
  replay,
  simulate,
  simulatedFolder,
  simulatedServer,
  type Simulation,
  table,
} from "../../runtime/simulator/mod.ts";
import type { ActorRef } from "../../runtime/ref.ts";
import type { System } from "../../runtime/system.ts";
import { isShoalError } from "../../stores/error.ts";
import { assert, fc, long, property, test } from "../suite.ts";
import { bank, type BankResult, type Transfer } from "./bank.ts";
import { type Act, post, violations } from "./post.ts";

/** What goes wrong together. */
const profiles: Readonly<Record<string, Partial<FaultRates>>> = {
  "nothing": {},
  "the network": { drop: 0.1, repeat: 0.05, delay: 0.03, reorder: 0.05, partition: 0.004 },
  "actors": { crash: 0.01 },
  "processes": { kill: 0.003, pause: 0.003, skew: 0.3 },
  "zombies": { zombie: 0.003 },
  "the store": { unavailable: 0.02, lost: 0.02, unheard: 0.02, late: 0.02, slow: 0.02, full: 0.01, slowMsMax: 2_000 },
  "power": { power: 0.002, server: 0.004 },
  "everything": {
    drop: 0.03,
    repeat: 0.02,
    delay: 0.01,
    reorder: 0.02,
    partition: 0.002,
    crash: 0.003,
    kill: 0.001,
    pause: 0.001,
    zombie: 0.001,
    power: 0.0005,
    server: 0.001,
    unheard: 0.005,
    lost: 0.005,
    late: 0.005,
    slow: 0.005,
    skew: 0.2,
    slowMsMax: 2_000,
  },
};

const calmAfterMs = 20_000;
const nodes = 3;
const supervision = { restartsMax: Number.POSITIVE_INFINITY };
const runs = 8;

const transfer: fc.Arbitrary<Transfer> = fc.record({
  from: fc.nat(nodes - 1),
  to: fc.nat(nodes - 1),
  amount: fc.integer({ min: 1, max: 100 }),
  ordered: fc.constantFrom("tell", "ask"),
  paid: fc.constantFrom("tell", "ask"),
});

const act: fc.Arbitrary<Act> = fc.record({
  from: fc.nat(3),
  to: fc.nat(3),
  how: fc.constantFrom("tell", "ask", "tensor"),
  timeoutMs: fc.constantFrom(1_000, 5_000, 600_000),
  isAwaited: fc.nat(3).map((one) => one === 0),
});

const happened = new Map<FaultKind, number>();

function counted<T>(simulation: Simulation<T>): Simulation<T> {
  for (const { kind } of simulation.faults) happened.set(kind, (happened.get(kind) ?? 0) + 1);
  return simulation;
}

const isList = (faults: Partial<FaultRates> | readonly Fault[]): faults is readonly Fault[] => Array.isArray(faults);

const options = (seed: number, faults: Partial<FaultRates> | readonly Fault[]): Parameters<typeof simulate>[1] => ({
  seed,
  nodes,
  faults: isList(faults) ? faults : { calmAfterMs, ...faults },
  supervision,
  timeMsMax: 6 * 3_600_000,
  stepsMax: 200_000,
});

function isBalanced({ outcome, value }: Simulation<BankResult>): boolean {
  return outcome === "done" && value !== undefined && value.total <= value.initial &&
    value.total + value.uncertain >= value.initial;
}

for (const [what, faults] of Object.entries(profiles)) {
  test(`a bank on three nodes keeps its sum, and every call settles, whatever ${what} does`, async () => {
    await property(
      [fc.array(transfer, { minLength: 1, maxLength: 25, size: "max" }), fc.nat()],
      async (transfers, seed) => {
        const simulation = counted(await simulate(bank(nodes, transfers), options(seed, faults)));
        assert.ok(isBalanced(simulation), `${JSON.stringify(simulation.value)}\n${table(simulation)}`);
        assert.equal(Object.values(simulation.value!.outcomes).reduce((sum, n) => sum + n, 0), transfers.length);
      },
      { runs, caseTimeoutMs: 60_000 },
    );
  }, { timeoutMs: long ? 1_200_000 : 120_000 });

  test(`messages between nodes keep their laws, whatever ${what} does`, async () => {
    await property(
      [fc.array(act, { minLength: 1, maxLength: 40, size: "max" }), fc.nat(), fc.constantFrom(2, 5, 1_000)],
      async (acts, seed, mailboxMessagesMax) => {
        const { program, witness } = post(acts);
        const simulation = counted(
          await simulate(program, { ...options(seed, faults), limits: { mailboxMessagesMax } }),
        );
        assert.equal(simulation.outcome, "done", table(simulation));
        const hasZombies = simulation.faults.some(({ kind }) => kind === "zombie");
        const found = violations(witness, simulation.value!, hasZombies);
        assert.deepEqual(found, [], `${found.join("\n")}\n${table(simulation)}`);
      },
      { runs, caseTimeoutMs: 60_000 },
    );
  }, { timeoutMs: long ? 1_200_000 : 120_000 });
}

const someTransfers: readonly Transfer[] = Array.from({ length: 12 }, (_, index) => ({
  from: index % 3,
  to: (index * 2 + 1) % 3,
  amount: index + 1,
  ordered: index % 2 === 0 ? "tell" : "ask",
  paid: index % 3 === 0 ? "ask" : "tell",
}));

test("each kind of fault happens in these systems, and the bank stands it", async () => {
  for (const faults of Object.values(profiles)) {
    const wanted = Object.keys(faults).filter((kind): kind is FaultKind => !/Ms/.test(kind));
    for (let seed = 1; wanted.some((kind) => !happened.has(kind)); seed++) {
      assert.ok(seed < 100, `these never happen: ${wanted.filter((kind) => !happened.has(kind)).join(", ")}`);
      const simulation = counted(await simulate(bank(nodes, someTransfers), options(seed, faults)));
      assert.ok(isBalanced(simulation), table(simulation));
    }
  }
});

test("a bank keeps its sum on files of a simulated disk, too", async () => {
  const { failure, faults } = await explore(bank(nodes, someTransfers), {
    ...options(1, { kill: 0.003, slow: 0.005, slowMsMax: 100 }),
    runs: 5,
    store: ({ chance }) => simulatedFolder({ chance }),
    isRight: (simulation) => isBalanced(simulation as Simulation<BankResult>),
  });
  assert.equal(failure, undefined, failure && table(failure));
  assert.ok(faults.kill > 0);
});

test("a store that does not survive what happens to it loses money, and explore shows with which cut", async () => {
  const { failure } = await explore(bank(nodes, someTransfers, 5_000), {
    ...options(1, { power: 0.01 }),
    stepsMax: 5_000,
    runs: 50,
    store: ({ environment }) => simulatedServer({ environment, survives: "process", strict: true }),
    isRight: (simulation) => isBalanced(simulation as Simulation<BankResult>),
  });
  assert.ok(failure !== undefined, "nothing was found");
  assert.equal(failure.faults.length, 1, JSON.stringify(failure.faults));
  assert.equal(failure.faults[0]!.kind, "power");
  const text = table({ ...failure, happenings: failure.happenings });
  assert.match(text, /main {2,}n1 {2,}n2 {2,}n3/);
});

test("a server that forgets everything leaves nobody waiting: each call settles, and says what is lost", async () => {
  const ends = new Map<string, number>();
  for (let seed = 1; seed <= 12; seed++) {
    const { outcome, error, value } = await simulate(bank(nodes, someTransfers, 120_000), {
      ...options(seed, { server: 0.004, kill: 0.004 }),
      limits: { replyTimeoutMs: 60_000 },
      store: ({ environment }) => simulatedServer({ environment, survives: "host", strict: true }),
    });
    assert.ok(
      outcome === "done" || (outcome === "failed" && isShoalError(error)),
      `${seed} ${outcome}: ${String(error)}`,
    );
    const end = isShoalError(error)
      ? error.code
      : isBalanced({ outcome, value } as Simulation<BankResult>)
      ? "whole"
      : "less";
    ends.set(end, (ends.get(end) ?? 0) + 1);
  }
  assert.ok((ends.get("Suspended") ?? 0) > 0, [...ends].join("; "));
});

test("simulate with nodes does the same for the same seed, its listed faults, and its record", async () => {
  const faults = profiles["everything"]!;
  for (const seed of [1, 2]) {
    const drawn = await simulate(bank(nodes, someTransfers), { ...options(seed, faults), happeningsMax: 1e6 });
    const again = await simulate(bank(nodes, someTransfers), options(seed, faults));
    const listed = await simulate(bank(nodes, someTransfers), options(seed, drawn.faults));
    assert.deepEqual([again.digest, listed.digest], [drawn.digest, drawn.digest]);
    const replayed = await replay(bank(nodes, someTransfers), drawn, { nodes, supervision });
    assert.deepEqual([replayed.outcome, replayed.digest], ["done", drawn.digest]);
    const other = await replay(bank(nodes, someTransfers.slice(1)), drawn, { nodes, supervision });
    assert.equal(other.outcome, "differs");
    assert.ok(other.difference?.happened !== undefined && other.steps < drawn.steps);
  }
});

test("a record that went through JSON replays, and one that is cut is refused", async () => {
  const recorded = await simulate(bank(nodes, someTransfers), { ...options(1, {}), happeningsMax: 1e6 });
  assert.equal(recorded.outcome, "done", table(recorded));
  const kept = JSON.parse(JSON.stringify(recorded)) as typeof recorded;
  assert.equal((await replay(bank(nodes, someTransfers), kept, { nodes, supervision })).outcome, "done");
  const cut = { ...kept, happenings: kept.happenings.slice(1) };
  assert.throws(() => replay(bank(nodes, someTransfers), cut, { nodes }), /keep more with happeningsMax/);
});

class Gambler extends Actor {
  roll(): number {
    return Math.random();
  }
}

test("simulate with nodes names the first actor that used dice which no replay could repeat", async () => {
  const program = async (system: System): Promise<number> =>
    await (await system.spawn(Gambler, undefined, { node: "n2" })).ask("roll");
  const one = await simulate(program, { seed: 3, nodes: 2 });
  const other = await simulate(program, { seed: 3, nodes: 2 });
  assert.deepEqual([one.outcome, one.value], ["done", other.value]);
  assert.equal(one.foreign?.what, "Math.random()");
  assert.match(one.foreign?.actor ?? "", /^Gambler n2\//);
});

class Friend extends Actor<Friend> {
  async call(friends: readonly ActorRef<Friend>[]): Promise<string> {
    const [next, ...rest] = friends;
    if (next === undefined) return "answered";
    return await next.ask("call", rest).catch((error: unknown) => isShoalError(error) ? error.code : "untyped");
  }
}

test("those on several nodes who ask each other in the same moment are told of their circle, and none waits for ever", async () => {
  let circles = 0;
  for (const size of [2, 3]) {
    for (let seed = 1; seed <= 10; seed++) {
      const simulation = await simulate(async (system, { now }) => {
        const all = await Promise.all(
          Array.from({ length: size }, (_, index) => system.spawn(Friend, undefined, { node: `n${index + 1}` })),
        );
        const began = now();
        const ends = await Promise.all(all.map((one, index) => one.ask("call", [all[(index + 1) % size]!])));
        assert.ok(now() - began < 60_000, `${now() - began} ms`);
        return ends;
      }, { seed, nodes: size, limits: { replyTimeoutMs: 3_600_000 } });
      assert.equal(simulation.outcome, "done", table(simulation));
      assert.ok(simulation.value!.every((end) => ["answered", "BadInput"].includes(end)), `${simulation.value}`);
      circles += simulation.value!.filter((end) => end === "BadInput").length;
    }
  }
  assert.ok(circles > 0, "there was no circle");
});

class Echo extends Actor {
  echo(n: number): number {
    return n;
  }
}

test("a program has its nodes in its hands: it kills, restarts, pauses and cuts them off", async () => {
  const simulation = await simulate(async (system, { nodes, now }) => {
    assert.deepEqual(nodes.names, ["main", "n1", "n2"]);
    const echo = await system.spawn(Echo, undefined, { node: "n1" });
    assert.equal(await echo.ask("echo", 1), 1);
    const mend = nodes.partition("main", ["n1", "n2"]);
    const late = echo.ask("echo", 2);
    const began = now();
    await nodes.system("n2").spawn(Echo);
    setTimeout(mend, 3_000);
    assert.equal(await late, 2);
    assert.ok(now() - began >= 3_000);
    nodes.pause("n1");
    const paused = echo.ask("echo", 3);
    setTimeout(() => nodes.resume("n1"), 2_000);
    assert.equal(await paused, 3);
    const killed = echo.ask("echo", 4).then(() => "answered", (error) => isShoalError(error) ? error.code : "untyped");
    await nodes.restart("n1");
    const code = await killed;
    assert.ok(["Lost", "Ended", "answered"].includes(code), code);
    const again = await system.spawn(Echo, undefined, { node: "n1" });
    assert.equal(await again.ask("echo", 5), 5);
    for (const call of [() => nodes.kill("main"), () => nodes.kill("n9"), () => nodes.system("n9")]) {
      assert.throws(call, (error) => isShoalError(error, "BadInput"));
    }
  }, { seed: 1, nodes: 2 });
  assert.equal(simulation.outcome, "done", table(simulation));
  assert.match(table(simulation), /▶/);
});

test("simulate refuses nodes that are no number of nodes, and stores of the other kind", async () => {
  const nothing = (): Promise<void> => Promise.resolve();
  for (const bad of [0, 1.5, 65, Number.NaN]) {
    await assert.rejects(simulate(nothing, { seed: 1, nodes: bad }), (error) => isShoalError(error, "BadInput"));
  }
  await assert.rejects(simulate(nothing, { seed: 1, nodes: 1, store: "memory:" }), /what makes a simulated one/);
  const store = ({ environment }: Parameters<typeof simulatedServer>[0]): ReturnType<typeof simulatedServer> =>
    simulatedServer({ environment });
  await assert.rejects(simulate(nothing, { seed: 1, store }), /nodes: 3/);
  await assert.rejects(
    simulate(async (_, { nodes }) => nodes.kill("n1"), { seed: 1 }).then(({ error }) => Promise.reject(error)),
    (error) => isShoalError(error, "BadInput"),
  );
});
