// The tests of the tests: whatever is broken in one place is caught by a law that it breaks, and each kind of fault is
// there for something that only it shows.
// minutes: 6
import { assert, long, test } from "../suite.ts";
import type { Law } from "./laws/law.ts";
import type { Mutant } from "./mutant.ts";
import { mutants, worldOf } from "./mutants.ts";
import type { Kind } from "./plan.ts";
import { firstFailure } from "./schedules.ts";
import { violationOf } from "./ways.ts";

/** Rare enough to need this many; most mutants do not live for a hundred. */
const schedulesMax = 40_000;
const seeds = long ? [1, 2, 3, 4, 5] : [1];
const seedOf = (one: number): number => one * 1_000_003;

/** With narrower limits it must still be the mutant that is caught, and not the limits. */
function mustHoldUnder(
  { limits, survives, way, weights, length = 150 }: Mutant,
  seed: number,
  laws: readonly Law[],
): void {
  if (limits === undefined && survives === undefined && way === undefined) return;
  const world = worldOf({ name: "", laws, limits, survives, ...(weights === undefined ? {} : { weights }) });
  const honest = firstFailure({ seed, count: 300, length, way, ...world }, laws);
  assert.equal(honest?.violation.message, undefined, "what ships breaks a law under these conditions");
}

for (const mutant of mutants) {
  test(`Laws catch it where ${mutant.name}`, () => {
    const { laws, plan, way, length = 150 } = mutant;
    if (plan !== undefined) {
      const law = violationOf(plan, { nodes: 3, ...worldOf(mutant) })?.law;
      assert.ok(law !== undefined && laws.includes(law), "survives the plan by which it was found");
      assert.equal(violationOf(plan, { nodes: 3, ...worldOf({ name: "", laws }) }), undefined);
      return;
    }
    for (const one of seeds) {
      const began = performance.now();
      const failure = firstFailure({ seed: seedOf(one), count: schedulesMax, length, way, ...worldOf(mutant) }, laws);
      assert.ok(failure !== undefined, `survives ${schedulesMax} schedules of seed ${one}`);
      mustHoldUnder(mutant, seedOf(one), laws);
      const seconds = ((performance.now() - began) / 1000).toFixed(1);
      if (long) console.log(`  seed ${one}, schedule ${failure.index}, ${seconds} s: ${failure.violation.message}`);
    }
  }, { timeoutMs: 60_000 * seeds.length });
}

test("Each law is broken by some mutant that no other law notices", () => {
  for (const [law, name] of alone) {
    const mutant = mutants.find((one) => one.name === name);
    assert.ok(mutant !== undefined, name);
    assert.ok(mutant.laws.includes(law), `${name} is not said to break ${law}`);
    const { way, length = 150 } = mutant;
    let isAlone = false;
    for (let index = 0; index < 400 && !isAlone; index++) {
      const common = { seed: seedOf(7) + index, count: 1, length, way, ...worldOf(mutant) };
      const isBroken = firstFailure({ ...common, asked: (one) => one === law }) !== undefined;
      isAlone = isBroken && firstFailure({ ...common, asked: (one) => one !== law }) === undefined;
    }
    assert.ok(isAlone, `whenever ${name}, another law than ${law} notices too`);
  }
}, { timeoutMs: 120_000 });

/** What no other law notices, in some schedule at least. */
const alone: readonly (readonly [Law, string])[] = [
  ["L1", "an answer is dropped before its asker has committed"],
  ["L2", "what is sealed but not committed is acknowledged"],
  ["L3", "a wake-up that is lost is not asked for again"],
  ["L4", "a message that left is withdrawn"],
  ["L5", "a lease is read from a stale clock"],
  ["L6", "the mailbox has no bound in bytes"],
  ["L9", "a restored outbox does not pin"],
  ["L11", "a generator lets go of its actor when it first yields"],
  ["L12", "a timer that fires twice counts twice"],
  ["L13", "all actors of a process draw from one source of chance"],
  ["L14", "the lives of actors are counted beside the state"],
  ["L15", "frames of another run are taken"],
  ["L16", "a process that is fenced goes on"],
];

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
  end: "mutant: an actor that has ended gets messages",
  peer: "reaches what a registry's word ends",
  link: "no loss needs it; it ends waiting, and must not break order",
  wait: "mutant: a lease is read from a stale clock",
  full: "mutant: a commit that the store refuses eight times is taken for done",
  stall:
    "chance makes the store late too; a stall lasts longer than senders wait, so that they are suspended in between",
  echo: "mutant: a journal knows a repeat only by what it still holds",
  power: "mutant: a store loses what it declares to keep",
  host: "mutant: what was lost with a host is not told",
  server: "mutant: what a server has forgotten is not told",
};

if (long) {
  test("Faults are each needed for a mutant, or said to be kept all the same", () => {
    for (const [fault, why] of Object.entries(kept) as [Kind, string][]) {
      const mutant = mutants.find(({ name }) => why === `mutant: ${name}`);
      if (mutant === undefined) {
        assert.doesNotMatch(why, /^mutant:/, "names a mutant that is not there");
        continue;
      }
      const { way, length = 150 } = mutant;
      const common = { seed: seedOf(1), count: 8_000, length, way, ...worldOf(mutant) };
      assert.ok(firstFailure(common, mutant.laws) !== undefined, `${mutant.name} lives with every fault`);
      const without = firstFailure({ ...common, without: [fault] }, mutant.laws);
      assert.equal(without?.violation.message, undefined, `${mutant.name} is caught without ${fault}`);
    }
  }, { timeoutMs: 10 * 60_000 });
} else {test.skip(
    "Faults are each needed for a mutant, or said to be kept all the same",
    "it takes minutes: npm run test:long",
  );}
