// The delivery core under every fault that the simulated world has: a bank whose sum must hold.
// minutes: 4
import type { Command, Event } from "../../runtime/delivery/events.ts";
import { advance, type Node } from "../../runtime/delivery/node.ts";
import { rules } from "../../runtime/delivery/rules.ts";
import { assert, fc, long, property, seed, test } from "../suite.ts";
import { unjudgedHistories } from "./laws.ts";
import { brokenRules, mutants } from "./mutants.ts";
import { type Kind, planOf, plans } from "./plan.ts";
import { demand, type Failure, firstFailure, shrunk, table, violationOf } from "./schedules.ts";
import { runPlan } from "./world.ts";

const times = long ? 20 : 1;
const timeoutMs = 100_000 * times;

for (const nodes of [2, 3]) {
  test(`Delivery keeps the bank's sum on ${nodes} nodes under faults`, async () => {
    await property(
      [plans(fc, 120), fc.integer({ min: -2 * nodes, max: nodes - 1 })],
      (plan, gone) => runPlan(plan, { nodes, rules, ...(gone < 0 ? {} : { gone }) }),
      { runs: 400 },
    );
  }, { timeoutMs });
}

test("Delivery keeps every law in many schedules, and each kind of fault happens", () => {
  const counts = new Map<string, number>();
  demand({ seed, count: 15_000 * times, length: 60, counts });
  demand({ seed: seed + 0x1000_0000, count: 4_000 * times, length: 300, counts });
  for (const what of sometimes) assert.ok((counts.get(what) ?? 0) > 0, `never happened: ${what}`);
  if (long) { for (const [what, count] of counts) console.log(`  ${what}: ${count}`); }
}, { timeoutMs });

/** What must have happened for the laws above to say anything. */
const sometimes = [
  "actor crash between handlers",
  "actor crash inside a handler",
  "ask inside a handler",
  "ask inside an ask",
  "commit fenced",
  "commit unknown, applied",
  "commit unknown, not applied",
  "burst",
  "cut one way",
  "delay",
  "drop",
  "expire",
  "expire inside a handler",
  "gap told",
  "journal trimmed",
  "kill between steps",
  "kill during a commit",
  "kill during a takeover",
  "kill inside a handler",
  "reorder",
  "repeat",
  "restored",
  "resumed",
  "settled failed CapacityExceeded",
  "settled failed Timeout",
  "settled unknown Lost",
  "settled unknown Suspended",
  "settled unknown Timeout",
  "snapshot forced",
  "store loses a mail log",
  "suspended",
  "tensor collected",
  "timer",
  "told that it is fenced",
  "zombie",
  "zombie ends itself",
];

/** Rare enough to need this many; most mutants do not live for a hundred. */
const mutantSchedulesMax = 40_000;
const mutantSeeds = long ? [1, 2, 3, 4, 5] : [1];

for (const mutant of mutants) {
  test(`Laws catch a core in which ${mutant.name}`, () => {
    const { limits, laws, plan } = mutant;
    if (plan !== undefined) {
      const law = violationOf(plan, { nodes: 3, rules: brokenRules(mutant) })?.law;
      assert.ok(law !== undefined && laws.includes(law), "survives the plan by which it was found");
      assert.equal(violationOf(plan, { nodes: 3, rules }), undefined);
      return;
    }
    const common = { length: 150, ...(limits === undefined ? {} : { limits }) };
    for (const one of mutantSeeds) {
      const begin = one * 1_000_003;
      const failure = firstFailure(
        { seed: begin, count: mutantSchedulesMax, rules: brokenRules(mutant), ...common },
        laws,
      );
      assert.ok(failure !== undefined, `survives ${mutantSchedulesMax} schedules of seed ${one}`);
      // With narrower limits it must still be the mutant that is caught, and not the limits.
      const honest = limits === undefined ? undefined : firstFailure({ seed: begin, count: 500, ...common }, laws);
      assert.equal(honest?.violation.message, undefined, "the core itself breaks a law under these limits");
      if (long) console.log(`  seed ${one}, schedule ${failure.index}: ${failure.violation.message}`);
    }
  }, { timeoutMs: 60_000 * mutantSeeds.length });
}

test("Schedules replay, shrink and are told as a table", () => {
  const mutant = mutants.find(({ name }) => name === "a tell leaves before its commit")!;
  const failure = firstFailure({ seed: 1, count: 1_000, length: 150, rules: brokenRules(mutant) }) as Failure;
  const again = violationOf(failure.plan, failure.options);
  assert.equal(again?.message, failure.violation.message);
  const plan = shrunk(failure);
  assert.ok(plan.length <= 20, `still ${plan.length} operations`);
  const told = table(plan, failure.options);
  assert.match(told, /^operation +│ what happened\n/);
  assert.match(told, /L1: .*never committed$/);
});

test("Laws fail on a core that does nothing and on one that answers nothing", () => {
  const nothing = violationOf([], { nodes: 2, rules, advance: () => [] });
  assert.equal(nothing?.law, "L3");
  const silent = violationOf([["send", 0, 0]], {
    nodes: 2,
    rules,
    advance: (node, events) => advance(node, events).filter(({ type }) => type !== "send"),
  });
  assert.equal(silent?.law, "L3");
});

test("Laws fail on a core that answers asks in an order that never was, and judge every history", () => {
  const wrong = (node: Node, events: readonly Event[]): readonly Command[] =>
    advance(node, events).map((command) =>
      command.type === "settle" && typeof command.body === "number" ? { ...command, body: command.body + 1 } : command
    );
  const caught = new Set<string>();
  const before = unjudgedHistories();
  for (let seed = 1; seed <= 100; seed++) {
    const plan = planOf(seed, 60);
    assert.equal(violationOf(plan, { nodes: 2, rules }), undefined);
    const violation = violationOf(plan, { nodes: 2, rules, advance: wrong });
    if (violation !== undefined) caught.add(violation.message.replace(/what .*/, ""));
  }
  assert.deepEqual([...caught], ["L4: no order of its asks explains "]);
  assert.equal(unjudgedHistories(), before);
});

/** For each kind of fault a mutant that lives without it, or why the fault is there all the same. */
const kept: { readonly [K in Exclude<Kind, "send" | "deliver" | "run" | "store" | "tick" | "odd">]: string } = {
  zombie: "mutant: a fenced commit is taken for done",
  crash: "mutant: a life that restarts is not a new one",
  expire: "a suspension withdraws too; a deadline does so far more often, and inside handlers",
  drop: "lost mail logs and killed processes lose frames too; one frame alone makes shorter tables",
  lose: "as drop, and a whole run of frames at once",
  repeat: "a resend repeats too; this one comes when nothing was lost",
  cut: "losses and delays together starve a way; one that is cut for long leads to suspension in the middle of a plan",
  kill: "zombies make nodes change hands too, but their predecessors answer to the end",
  restart: "without it a killed node is gone until faults stop",
  collect: "the sweeper also runs when faults stop; in between it comes at worse moments",
  fire: "timers also fire when faults stop; in between they meet crashes",
  end: "reaches what an ended actor's senders are told",
  peer: "reaches what a registry's word ends",
  link: "no loss needs it; it ends waiting, and must not break order",
};

if (long) {
  test("Faults are each needed for a mutant, or said to be kept all the same", () => {
    for (const [fault, why] of Object.entries(kept) as [Kind, string][]) {
      const mutant = mutants.find(({ name }) => why === `mutant: ${name}`);
      if (mutant === undefined) continue;
      const common = { seed: 1_000_003, count: 8_000, length: 150, rules: brokenRules(mutant) };
      assert.ok(firstFailure(common, mutant.laws) !== undefined, `${mutant.name} lives with every fault`);
      const without = firstFailure({ ...common, without: [fault] }, mutant.laws);
      assert.equal(without?.violation.message, undefined, `${mutant.name} is caught without ${fault}`);
    }
  }, { timeoutMs: 10 * 60_000 });
}
