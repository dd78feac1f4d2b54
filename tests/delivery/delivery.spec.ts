// The delivery core under every fault that the simulated world has: a bank whose sum must hold.
// minutes: 4
import type { Command, Event } from "../../runtime/delivery/events.ts";
import { advance, type Node } from "../../runtime/delivery/node.ts";
import { rules } from "../../runtime/delivery/rules.ts";
import { assert, fc, long, property, seed, test } from "../suite.ts";
import { unjudgedHistories } from "./laws/calls.ts";
import { mutants, worldOf } from "./mutants.ts";
import { planOf, plans } from "./plan.ts";
import { demand, type Failure, firstFailure, shrunk, table } from "./schedules.ts";
import { violationOf } from "./ways.ts";
import { singly } from "./singly.ts";
import type { Level } from "./store.ts";
import { storms } from "./storms.ts";
import { runPlan } from "./world.ts";

const times = long ? 20 : 1;
const timeoutMs = 100_000 * times;

for (const nodes of [2, 3]) {
  test(`Delivery keeps the bank's sum on ${nodes} nodes under faults`, async () => {
    await property(
      [plans(fc, 120), fc.integer({ min: -2 * nodes, max: nodes - 1 })],
      (plan, gone) => void runPlan(plan, { nodes, rules, ...(gone < 0 ? {} : { gone }) }),
      { runs: 400 },
    );
  }, { timeoutMs });
}

test("Delivery keeps every law in many schedules, and each kind of fault happens", () => {
  const counts = new Map<string, number>();
  // One half is new in each run, and the other always the same, so that what is rare is never missing by chance.
  for (const first of [1, seed + 0x1000_0000]) {
    demand({ seed: first, count: 6_000 * times, length: 60, counts });
    demand({ seed: first + 0x1000_0000, count: 2_000 * times, length: 300, counts });
  }
  for (const what of sometimes) assert.ok((counts.get(what) ?? 0) > 0, `never happened: ${what}`);
  for (const fault of anywhere) {
    for (const phase of phases) assert.ok((counts.get(`${fault}: ${phase}`) ?? 0) > 0, `no ${fault} ${phase}`);
  }
  if (long) { for (const [what, count] of counts) console.log(`  ${what}: ${count}`); }
}, { timeoutMs });

/** What a store that survives so much, and no more, loses when its hosts, its server and the power end. */
const losses: readonly (readonly [Level, readonly string[]])[] = [
  ["process", ["store loses all", "store loses commits"]],
  ["host", ["store loses all", "store loses commits"]],
  ["server", ["store loses commits"]],
  ["power", []],
];

for (const [survives, lost] of losses) {
  const what = lost.length === 0 ? "nothing" : "what it did not declare to keep, and tells of it";
  test(`Delivery keeps every law but the sum where a store that survives ${survives} loses ${what}`, () => {
    const counts = new Map<string, number>();
    const weights = { host: 1, server: 1 };
    demand({ seed: seed + 0x2000_0000, count: 500 * times, length: 200, survives, weights, counts });
    for (const end of ["host", "server", "power"]) assert.ok((counts.get(end) ?? 0) > 0, `${end} never ended`);
    const happened = ["store loses all", "store loses commits"].filter((one) => (counts.get(one) ?? 0) > 0);
    assert.deepEqual(happened, lost);
  }, { timeoutMs });
}

for (const { name, ...storm } of storms) {
  test(`Delivery keeps every law in ${name}`, () => {
    demand({ seed: seed + 0x3000_0000, count: 300 * times, length: 120, ...storm });
  }, { timeoutMs });
}

/** What must have happened for the laws above to say anything. */
const sometimes = [
  "account ended",
  "actor crash between handlers",
  "actor crash inside a handler",
  "actor ended",
  "ask given up for good",
  "ask inside a handler",
  "ask inside an ask",
  "burst",
  "commit fenced",
  "commit known",
  "commit refused, the store is full",
  "commit unknown, applied",
  "commit unknown, not applied",
  "cut one way",
  "delay",
  "drop: ack",
  "drop: answer",
  "drop: fenced",
  "drop: mail",
  "echo",
  "end told",
  "expire",
  "expire inside a handler",
  "gap told",
  "journal trimmed",
  "kill between steps",
  "kill during a commit",
  "kill during a takeover",
  "kill inside a handler",
  "lease found lapsed",
  "read in part",
  "reorder",
  "repeat",
  "restored",
  "resumed",
  "settled failed CapacityExceeded",
  "settled failed Ended",
  "settled failed Timeout",
  "settled unknown Ended",
  "settled unknown Lost",
  "settled unknown Suspended",
  "settled unknown Timeout",
  "snapshot forced",
  "store loses a mail log",
  "store stalls",
  "successor by lease",
  "suspended",
  "tensor collected",
  "timer",
  "told that it is fenced",
  "zombie",
  "zombie ends itself",
];

/** Faults that must have come everywhere: between any two steps of a delivery, and inside handlers. */
const anywhere = ["kill", "zombie", "crash", "power", "store full", "store stalls", "actor ended"];

/** The steps of a delivery. */
const phases = [
  "taken on",
  "under way",
  "in a mailbox",
  "in a handler begun",
  "in a handler asking",
  "in a handler answered",
  "in a handler yielding",
  "in a handler that has told",
  "sealed",
  "in a commit",
  "in an unknown commit",
  "accepted, not acknowledged",
];

test("Schedules replay, shrink and are told as a table", () => {
  const mutant = mutants.find(({ name }) => name === "a tell leaves before its commit")!;
  const failure = firstFailure({ seed: 1, count: 1_000, length: 150, ...worldOf(mutant) }) as Failure;
  const again = violationOf(failure.plan, failure.options);
  assert.equal(again?.message, failure.violation.message);
  const plan = shrunk(failure);
  assert.ok(plan.length <= 20, `still ${plan.length} operations`);
  const told = table(plan, failure.options);
  assert.match(told, /^operation +│ what happened\n/);
  assert.match(told, /L1: .*never committed$/);
});

test("Laws fail on a core that answers asks in an order that never was, and judge every history", () => {
  const wrong = (node: Node, events: readonly Event[]): readonly Command[] =>
    advance(node, events).flatMap(singly).map((command) =>
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
