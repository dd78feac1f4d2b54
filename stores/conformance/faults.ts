// What breaks behind a store: a wrapper whose nth call fails, for whatever stands on a store; and the law of what a
// store says when something broke behind it.
import { ShoalError } from "../error.ts";
import type { Store } from "../store.ts";
import { fc, listOf, type Made } from "./arbitraries.ts";
import { type Law, law } from "./law.ts";
import type { FaultKind, SubjectFaults } from "./subject.ts";
import { hold, isMade, itemOf, same, type Settled, settled } from "./verdicts.ts";
import { wrappedStore } from "./wrapped.ts";

/** A store whose nth call from now can be made to fail, once. */
export interface FailingStore extends Store {
  /** Calls so far that could have failed. */
  readonly calls: number;
  arm(nth: number, kind: FaultKind): void;
  /** Takes the fault back, and answers whether it had struck. */
  disarm(): boolean;
}

const broken = (kind: FaultKind): ShoalError =>
  kind === "full"
    ? new ShoalError("CapacityExceeded", "Cannot use store: there is no room behind it")
    : new ShoalError("Unavailable", `Cannot reach store: it was cut off ${kind} the call`, {
      outcome: kind === "before" ? "failed" : "unknown",
    });

/** Wraps a store so that calls can be made to fail: before they did anything, or after, so that the answer is lost. */
export function failingStore(inner: Store): FailingStore {
  let calls = 0;
  let armed: { readonly at: number; readonly kind: FaultKind } | undefined;
  let hasStruck = false;

  async function through<T>(call: () => Promise<T>): Promise<T> {
    calls += 1;
    if (armed === undefined || calls < armed.at) return call();
    const { kind } = armed;
    armed = undefined;
    hasStruck = true;
    if (kind === "after") await call();
    throw broken(kind);
  }

  return {
    ...wrappedStore(inner, through),
    get calls() {
      return calls;
    },
    arm(nth, kind) {
      armed = { at: calls + nth, kind };
      hasStruck = false;
    },
    disarm() {
      armed = undefined;
      return hasStruck;
    },
  };
}

const actsOf = ({ kinds = ["before", "after"], requestsMax = 3, sizesBytes = [5] }: Partial<SubjectFaults> = {}) =>
  fc.record({
    act: fc.constantFrom("put", "get", "get", "release", "append", "append", "read", "claim", "claimed"),
    nth: fc.integer({ min: 1, max: requestsMax }),
    kind: fc.constantFrom<FaultKind>(...kinds),
    which: fc.nat(20),
    // The first is the most frequent: the others are larger.
    bytes: fc.oneof({ weight: 5, arbitrary: fc.constant(sizesBytes[0]!) }, fc.constantFrom(...sizesBytes)),
  });

/** What a cut may be told as. What it never is: that something is not there, or is not as it was. */
const cut: readonly string[] = ["Unavailable", "Timeout"];

export const toldOutcome: Law = law({
  name: "L4 outcome",
  about: "a call behind which something broke says so, and says failed only where nothing happened",
  needs: (_, { faults, unbreakable }) =>
    faults === undefined ? unbreakable ?? "the subject cannot break what is behind its store" : undefined,
  cases: ({ faults }) => listOf(actsOf(faults), 30, 1),
  // A store may never be sure that nothing happened; and for want of room no read fails.
  wants: ({ faults }) =>
    faults?.kinds?.includes("before") === false ? ["a write broke"] : ["a write broke", "a read broke"],
  async holds(steps, stage) {
    const faults = stage.subject.faults!;
    const { tensors, logs, claims } = await stage.open();
    const standing: { readonly ref: Awaited<ReturnType<typeof tensors.put>>; readonly made: Made }[] = [];
    let written: string[] = [];
    let claimed: { epoch: number; value: string } | undefined;

    const ids = async (): Promise<Set<string>> => {
      const found = new Set<string>();
      for await (const { id, state } of tensors.list()) if (state === "sealed") found.add(id);
      return found;
    };
    const frames = async (): Promise<string[]> =>
      (await logs.read("s", undefined)).map(({ sequence, frame }) => `${sequence}:${frame.join()}`);

    for (const [index, { act, nth, kind, which, bytes }] of steps.entries()) {
      const target = standing[which % Math.max(1, standing.length)];
      const byte = index & 255;
      const made: Made = { dtype: "uint8", shape: [bytes], fill: byte };
      const before = await ids();
      const next = `${written.length + 1}:${byte}`;
      const calls: Record<typeof act, (() => Promise<unknown>) | undefined> = {
        put: () => tensors.put(itemOf(made)).then((ref) => standing.push({ ref, made })),
        get: target && (async () => isMade(await tensors.get(target.ref), target.made, "get")),
        release: target && (() => tensors.release(target.ref)),
        append: () => logs.append("s", 1, [Uint8Array.of(byte)]),
        read: async () => same(await frames(), written, "what stands in s"),
        claim: () => claims.claim("n", index, `${byte}`),
        claimed: async () => same(await claims.claimed("n"), claimed, "what was claimed"),
      };
      const call = calls[act];
      if (call === undefined) continue;
      faults.arm(stage.place, nth, kind);
      const end: Settled<unknown> = await settled(act, call());
      const hasStruck = faults.disarm(stage.place);
      const isWrite = act === "put" || act === "release" || act === "append" || act === "claim";
      if ("error" in end) {
        hold(hasStruck, `${act}: ${end.error.code}, and nothing broke`);
        const told = kind === "full" ? [...cut, "CapacityExceeded"] : cut;
        hold(told.includes(end.error.code), `${act}: what broke behind the store is told as ${end.error.code}`);
        stage.happened(isWrite ? "a write broke" : "a read broke");
        if (isWrite) stage.happened(`a write ${end.error.outcome === "failed" ? "failed" : "is unknown"}`);
      }
      // Nothing is broken any more: what really happened is looked up.
      const isDone = "value" in end;
      const mayBe = "error" in end && end.error.outcome === "unknown";
      const check = (did: boolean, what: string): void => {
        if (isDone) hold(did, `${act} succeeded, and ${what} did not happen`);
        else if (!mayBe) hold(!did, `${act} is told as failed, and ${what} happened`);
      };
      if (act === "put") check([...await ids()].some((id) => !before.has(id)), "the put");
      if (act === "release" && target !== undefined) {
        const did = !(await ids()).has(target.ref.id);
        check(did, "the release");
        if (did) standing.splice(standing.indexOf(target), 1);
      }
      if (act === "append") {
        const found = await frames();
        check(found.length > written.length, "the append");
        same(found, found.length > written.length ? [...written, next] : written, "what stands in s after an append");
        written = found;
      }
      if (act === "claim") {
        const found = await claims.claimed("n");
        const own = { epoch: index, value: `${byte}` };
        check(found?.epoch === index, "the claim");
        same(found, found?.epoch === index ? own : claimed, "what is claimed after a claim");
        claimed = found;
      }
      for (const { ref, made } of standing) isMade(await tensors.get(ref), made, "get after a fault");
    }
  },
});
