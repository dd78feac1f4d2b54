// The delivery laws on a real store: two nodes that keep their journals in its logs and their epochs in its claims, and
// that write to each other through it. They crash and are taken over, and no money is lost or made.
import { fc, listOf } from "../../stores/conformance/arbitraries.ts";
import { type Law, law } from "../../stores/conformance/law.ts";
import { callMsMax, type Stage } from "../../stores/conformance/stage.ts";
import { type FaultKind, isShared, type SubjectFaults } from "../../stores/conformance/subject.ts";
import { hold, same } from "../../stores/conformance/verdicts.ts";
import { isShoalError } from "../../stores/error.ts";
import type { Store } from "../../stores/store.ts";
import type { Environment } from "../environment.ts";
import { type Account, accounts, homeOf, nodes, opening, type Process, process } from "./process.ts";

const stepsOf = ({ kinds = ["before", "after"] }: Partial<SubjectFaults> = {}) =>
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant("pay" as const),
        from: fc.constantFrom(...accounts),
        to: fc.constantFrom(...accounts),
        amount: fc.integer({ min: 1, max: 9 }),
        desk: fc.nat(1),
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.nat(200) }) },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constantFrom("crash" as const, "take over" as const, "race" as const),
        node: fc.nat(1),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant("break" as const),
        nth: fc.integer({ min: 1, max: 20 }),
        kind: fc.constantFrom<FaultKind>(...kinds),
      }),
    },
  );

/** Longer than all waits of the delivery core together, and short enough to be seen to end. */
const settleMsMax = 5 * callMsMax;

function environmentOf({ world }: Stage): Environment {
  return {
    now: () => world.now(),
    date: () => world.now(),
    after: (delayMs, call) => world.after(delayMs, call),
    soon: (call) => queueMicrotask(call),
    later: (call) => void setImmediate(call),
    token: () => world.token(),
  };
}

/** The processes of a case, and what became of them. */
interface Bank {
  readonly all: readonly Process[];
  living(node: number): Process;
  /** Lets some processes take a node over at once: one of them is the node from then on. */
  start(node: number, racing?: number): Promise<void>;
  /** Settles once something holds; what happens to processes is when it may have come true. */
  until(what: string, holds: () => boolean): Promise<void>;
}

async function bank(stage: Stage): Promise<Bank> {
  const first = await stage.open();
  const environment = environmentOf(stage);
  const all: Process[] = [];
  const living: Process[] = [];
  const watching = new Set<() => void>();
  let violation: string | undefined;
  const storeOf = async (): Promise<Store> => isShared(first.abilities) ? await stage.open() : first;

  async function made(node: number): Promise<Process> {
    return process({
      node: nodes[node]!,
      store: await storeOf(),
      environment,
      token: environment.token(),
      violated(what) {
        violation ??= what;
        for (const look of watching) look();
      },
      happened(what) {
        if (what === "stopped") stage.happened("a process that was taken over is told");
        for (const look of watching) look();
      },
    });
  }

  return {
    all,
    living: (node) => living[node]!,
    async start(node, racing = 1) {
      const started: Process[] = [];
      while (started.length === 0) {
        const own = await Promise.all(Array.from({ length: racing }, () => made(node)));
        all.push(...own);
        const ends = await stage.world.until(Promise.allSettled(own.map((one) => one.start())), callMsMax);
        if (violation !== undefined) throw new Error(violation);
        for (const [index, end] of ends.entries()) {
          if (end.status === "fulfilled") started.push(own[index]!);
          else if (!isShoalError(end.reason, "Fenced")) throw end.reason;
        }
      }
      if (started.length < racing) stage.happened("a race is lost");
      living[node] = started.toSorted((a, b) => b.epoch - a.epoch)[0]!;
    },
    async until(what, holds) {
      const done = new Promise<void>((resolve) => {
        const look = (): void => {
          if (violation === undefined && !holds()) return;
          watching.delete(look);
          resolve();
        };
        watching.add(look);
        look();
      });
      try {
        await stage.world.until(done, settleMsMax);
      } catch (error) {
        throw new Error(`L3 liveness: ${what} never comes`, { cause: error });
      }
      if (violation !== undefined) throw new Error(violation);
    },
  };
}

/** What the accounts of both nodes have committed, as their living processes know it. */
function standingOf({ living }: Bank): Map<string, Account> {
  const states = new Map<string, Account>();
  for (const account of accounts) {
    const process = living(nodes.indexOf(homeOf(account)));
    states.set(account, process.committed.get(account) ?? opening);
  }
  return states;
}

const isPrefix = (short: readonly number[], long: readonly number[]): boolean =>
  short.length <= long.length && short.every((id, index) => id === long[index]);

/** Whether nothing that was paid is on its way. */
function isAtRest(standing: ReadonlyMap<string, Account>): boolean {
  const states = [...standing.values()];
  const got = new Set(states.flatMap((state) => state.got));
  return states.every((state) => state.paid.every((id) => got.has(id)));
}

/** What must hold of the books at rest. */
function judgeSums(all: readonly Process[], final: ReadonlyMap<string, Account>): void {
  const sum = [...final.values()].reduce((total, { balance }) => total + balance, 0);
  same(sum, accounts.length * opening.balance, "L2 acknowledged is kept: the sum of all balances");
  const payments = new Map(all.flatMap(({ ordered }) => ordered.map((payment) => [payment.id, payment] as const)));
  const paid = [...final.values()].flatMap((state) => state.paid);
  const got = [...final.values()].flatMap((state) => state.got);
  same(new Set(paid).size, paid.length, "L1 prefix: payments that were made, each once");
  same(got.toSorted((a, b) => a - b), paid.toSorted((a, b) => a - b), "L1 prefix: payments that arrived, each once");
  for (const [account, state] of final) {
    for (const [other, { got }] of final) {
      const between = (ids: readonly number[]): number[] =>
        ids.filter((id) => payments.get(id)?.from === account && payments.get(id)?.to === other);
      same(between(got), between(state.paid), `L1 prefix: what ${other} got from ${account}, in order`);
    }
  }
}

/** What must hold of them at any time. */
function judgeKept(all: readonly Process[], final: ReadonlyMap<string, Account>): void {
  for (const [account, state] of final) {
    for (const process of all) {
      const { committed, ordered, outcomes } = process;
      const known = committed.get(account) ?? opening;
      const isKept = isPrefix(known.paid, state.paid) && isPrefix(known.got, state.got);
      hold(
        isKept,
        `L12 restart: ${account} had committed ${known.paid} and ${known.got}, and is ${state.paid} and ${state.got}`,
      );
      const mine = ordered.filter(({ from }) => from === account).map(({ id }) => id);
      const order = state.paid.filter((id) => mine.includes(id));
      same(order, order.toSorted((a, b) => a - b), `L1 prefix: what ${account} got of one desk, in order`);
      for (const id of mine) {
        const outcome = outcomes.get(id);
        const isThere = state.paid.includes(id);
        hold(outcome !== "done" || isThere, `L2 acknowledged is kept: payment ${id} is acknowledged and not made`);
        hold(outcome !== "failed" || !isThere, `L4 outcome: payment ${id} is told as failed, and was made`);
      }
    }
  }
}

/** Delivery on a store, judged by a bank that moves money by messages. */
export const deliveryOnAStore: Law = law({
  name: "delivery on a store",
  about: "two nodes over the store's logs and claims crash and are taken over, and each message counts once, in order",
  cases: ({ faults }) => listOf(stepsOf(faults), 40, 1),
  wants: [
    "a payment is acknowledged",
    "a crash",
    "a takeover",
    "a race is lost",
    "a process that was taken over is told",
  ],
  async holds(all, stage) {
    const { faults } = stage.subject;
    const mend = (): void => {
      if (faults?.disarm(stage.place) === true) stage.happened("the store was cut off");
    };
    const own = await bank(stage);
    for (const [index] of nodes.entries()) await own.start(index);
    let ids = 0;
    for (const step of all) {
      if (step.do === "pay") {
        const { from, to, amount, desk } = step;
        own.living(desk).order({ id: ++ids, from, to, amount });
      } else if (step.do === "wait") await stage.world.advance(stage.world.clock === "real" ? step.ms / 20 : step.ms);
      else if (step.do === "break") {
        mend();
        faults?.arm(stage.place, step.nth, step.kind);
      } else {
        if (step.do === "crash") own.living(step.node).kill();
        stage.happened(step.do === "crash" ? "a crash" : "a takeover");
        mend();
        await own.start(step.node, step.do === "race" ? 2 : 1);
      }
    }
    mend();
    await own.until("the end of each payment", () =>
      nodes.every((_, node) => {
        const { ordered, outcomes } = own.living(node);
        return ordered.every(({ id }) => outcomes.has(id));
      }));
    if (own.all.some(({ outcomes }) => [...outcomes.values()].includes("done"))) {
      stage.happened("a payment is acknowledged");
    }
    const made = (): Promise<void> => own.until("each payment that was made", () => isAtRest(standingOf(own)));
    await made();
    // What stands is what a next life of each node is told.
    for (const [index] of nodes.entries()) await own.start(index);
    judgeKept(own.all, standingOf(own));
    // What one that is gone had ordered may have been under way, and is paid only now.
    while (!isAtRest(standingOf(own))) await made();
    judgeKept(own.all, standingOf(own));
    judgeSums(own.all, standingOf(own));
    for (const one of own.all) await one.close();
  },
});
