// The laws themselves: each holds for what ships in schedules in which it was put to the test, and fails, under its own
// name, on a core that does nothing and on one that answers nothing.
// minutes: 3
import { advance } from "../../runtime/delivery/node.ts";
import { rules } from "../../runtime/delivery/rules.ts";
import { assert, test } from "../suite.ts";
import { type Law, lawNames, Violation } from "./laws/law.ts";
import { planOf } from "./plan.ts";
import { take, type Way } from "./ways.ts";
import type { WorldOptions } from "./options.ts";

/** What must have happened for a law to have been put to the test: without it, it says nothing and is taken for broken. */
const witnesses: { readonly [L in Law]: readonly string[] } = {
  L1: ["handler begun", "reorder", "repeat", "drop"],
  L2: ["acknowledged", "restored"],
  L3: ["handler begun", "suspended"],
  L4: ["settled done", "settled unknown Timeout", "settled failed Timeout"],
  L5: ["told that it is fenced", "zombie ends itself"],
  L6: ["settled failed CapacityExceeded", "snapshot forced"],
  L9: ["reference handed over", "tensor collected"],
  L11: ["handler begun", "ask inside a handler"],
  L12: ["restored", "actor reloaded"],
  L13: ["applied on either store"],
  L14: ["delivery said again"],
  L15: ["frame of another run refused"],
  L16: ["commit fenced", "end told"],
};

const ways: { readonly [L in Law]?: Way } = { L13: "elsewhere", L14: "again", L15: "beside" };
const plansOf = 60;

/** Puts one law to the test, and no other. */
function demandOf(law: Law, core: Partial<WorldOptions> = {}): void {
  const counts = new Map<string, number>();
  for (let seed = 1; seed <= plansOf; seed++) {
    const gone = seed % 4 === 3 ? { gone: seed % 3 } : {};
    take(ways[law] ?? "alone", planOf(seed, 300), {
      nodes: 3,
      rules,
      ...gone,
      ...core,
      counts,
      asked: (one) => one === law,
    });
  }
  for (const what of witnesses[law]) {
    if ((counts.get(what) ?? 0) === 0) throw new Violation(law, `never put to the test: ${what}`);
  }
}

const nothing: Partial<WorldOptions> = { advance: () => [] };
const silent: Partial<WorldOptions> = {
  advance: (node, events) =>
    advance(node, events).filter(({ type }) => !["send", "settle", "left", "answered"].includes(type)),
};

for (const law of lawNames) {
  test(`${law} holds, and fails on a core that does nothing and on one that answers nothing`, () => {
    demandOf(law);
    for (const core of [nothing, silent]) {
      assert.throws(() => demandOf(law, core), (error: unknown) => error instanceof Violation && error.law === law);
    }
  }, { timeoutMs: 60_000 });
}

/** Frozen all the way down, once. */
function freeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const part of Object.values(value)) freeze(part);
  return value;
}

test("advance changes nothing that it was given, nor what it gave", () => {
  for (let seed = 1; seed <= 40; seed++) {
    take("alone", planOf(seed, 200), {
      nodes: 2 + seed % 2,
      rules,
      advance: (node, events) => freeze(advance(node, freeze(events))),
    });
  }
});

test("advance keeps to what its events say, wherever their parts lie in memory", () => {
  for (let seed = 1; seed <= 10; seed++) {
    take("alone", planOf(seed, 200), {
      nodes: 2 + seed % 2,
      rules,
      advance: (node, events) => structuredClone(advance(node, structuredClone(events))),
    });
  }
});
