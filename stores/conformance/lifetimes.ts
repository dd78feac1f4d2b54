// The laws of lifetimes: tensors against a model that is too simple to be wrong. One model for all of them; each law
// asks more often for what it is about.
import type { Draft, Lifetime, Store, Tensor, TensorRef } from "../store.ts";
import { fc, lifetimes, listOf, type Made, smallTensors } from "./arbitraries.ts";
import { type Law, law, type Needs } from "./law.ts";
import type { Stage } from "./stage.ts";
import { bytesOf, hold, isMade, itemOf, patternOf, refused, settled } from "./verdicts.ts";

type Kind = "put" | "allocate" | "seal" | "discard" | "get" | "done" | "release" | "pin" | "unpin" | "read" | "tick";

interface Step {
  readonly kind: Kind;
  readonly one: Made;
  readonly lifetime: Lifetime;
  readonly which: number;
  readonly holder: string;
  readonly ms: number;
}

const stepsOf = (kinds: readonly Kind[]): fc.Arbitrary<Step[]> =>
  listOf(
    fc.record({
      kind: fc.constantFrom<Kind>("put", "put", "get", ...kinds),
      one: smallTensors,
      lifetime: lifetimes,
      which: fc.oneof(fc.nat(3), fc.nat(20)),
      // They collide as keys made of an id and a holder would.
      holder: fc.constantFrom("a", "aa", "a/b", ":a"),
      ms: fc.nat(250),
    }),
    60,
  );

interface Modelled {
  readonly one: Made;
  readonly lifetime: Lifetime;
  readonly draft: Draft | undefined;
  state: "draft" | "stands" | "Missing" | "Expired" | "discarded";
  ref: TensorRef | undefined;
  deadline: number;
  readsLeft: number;
  readonly pins: Set<string>;
  readonly views: Tensor[];
}

/** What has lapsed is Expired; a store that has forgotten why it is gone says Missing. */
const codesOf = (state: "Missing" | "Expired"): readonly ("Missing" | "Expired")[] =>
  state === "Missing" ? ["Missing"] : ["Expired", "Missing"];

function lapse(tensor: Modelled, now: number): void {
  if (tensor.state !== "stands" || tensor.pins.size > 0) return;
  if (now >= tensor.deadline) tensor.state = "Expired";
  else if (tensor.readsLeft <= 0) tensor.state = "Missing";
}

function stand(tensor: Modelled, ref: TensorRef, now: number): void {
  tensor.state = "stands";
  tensor.ref = ref;
  if ("leaseMs" in tensor.lifetime) tensor.deadline = now + tensor.lifetime.leaseMs;
}

function note({ state, deadline, pins, views, readsLeft }: Modelled, { world, happened }: Stage): void {
  if (state !== "draft" && state !== "discarded") happened(state);
  if (state === "stands" && world.now() >= deadline) happened("pinned past its lease");
  if (state === "stands" && readsLeft <= 0) happened("pinned past its reads");
  if (state === "Missing" && views.length > 0) happened("viewed past its release");
  if (state === "Missing" && pins.size > 0) happened("pinned past its release");
}

async function make(store: Store, { kind, one, lifetime }: Step, all: Modelled[], stage: Stage): Promise<void> {
  const readsLeft = "reads" in lifetime ? lifetime.reads : Infinity;
  const plain = { one, lifetime, ref: undefined, deadline: Infinity, readsLeft, state: "draft" } as const;
  if (kind === "allocate") {
    const draft = await store.tensors.allocate(one.dtype, one.shape, { lifetime });
    bytesOf(draft.data).set(patternOf(one));
    all.push({ ...plain, draft, pins: new Set(), views: [] });
    return;
  }
  const ref = await store.tensors.put(itemOf(one), { lifetime });
  const tensor: Modelled = { ...plain, draft: undefined, pins: new Set(), views: [] };
  all.push(tensor);
  stand(tensor, ref, stage.world.now());
}

async function seal(tensor: Modelled, stage: Stage): Promise<void> {
  const { draft, ref } = tensor;
  if (draft === undefined) return;
  try {
    const sealed = await draft.seal();
    hold(tensor.state !== "discarded", "a draft was sealed that had been discarded");
    if (ref !== undefined) hold(sealed.id === ref.id, "a draft was sealed twice, as two tensors");
    else stand(tensor, sealed, stage.world.now());
    if (tensor.state === "Missing" || tensor.state === "Expired") stage.happened("a late writer");
  } catch (error) {
    // A draft that was sealed may refuse to be once more; what is gone stays gone either way.
    const isLate = tensor.state !== "draft" && tensor.state !== "stands";
    if (!isLate || error instanceof Error && error.message.startsWith("a draft was sealed")) throw error;
    stage.happened("a late writer");
  }
}

async function apply(store: Store, step: Step, all: Modelled[], stage: Stage): Promise<void> {
  if (step.kind === "tick") return stage.world.advance(step.ms);
  if (step.kind === "put" || step.kind === "allocate") return make(store, step, all, stage);
  const tensor = all[step.which % Math.max(1, all.length)];
  if (tensor === undefined) return;
  if (step.kind === "seal") return seal(tensor, stage);
  if (step.kind === "discard") {
    tensor.draft?.discard();
    if (tensor.state === "draft") tensor.state = "discarded";
    return;
  }
  const { ref } = tensor;
  if (ref === undefined) return;
  if (step.kind === "get") await look(store, tensor, true);
  else if (step.kind === "done") tensor.views.shift()?.done();
  else if (step.kind === "release") {
    await store.tensors.release(ref);
    if (tensor.state === "stands") tensor.state = "Missing";
  } else if (step.kind === "pin") {
    store.tensors.pin(ref, step.holder);
    if (tensor.state === "stands") tensor.pins.add(step.holder);
  } else {
    const read = step.kind === "read";
    store.tensors.unpin(ref, step.holder, read);
    if (tensor.pins.delete(step.holder) && read) tensor.readsLeft -= 1;
  }
}

async function look(store: Store, tensor: Modelled, keep: boolean): Promise<void> {
  const { state, ref, one } = tensor;
  if (ref === undefined || state === "draft" || state === "discarded") return;
  if (state !== "stands") {
    return void await refused(codesOf(state), "get of what is gone", () => store.tensors.get(ref));
  }
  const view = await store.tensors.get(ref);
  isMade(view, one, "get of what stands");
  if (keep) tensor.views.push(view);
  else view.done();
}

/** Runs the steps on store and model at once, and compares after each. */
async function modelled(steps: readonly Step[], stage: Stage): Promise<void> {
  const store = await stage.open();
  const all: Modelled[] = [];
  for (const step of steps) {
    await apply(store, step, all, stage);
    for (const tensor of all) {
      lapse(tensor, stage.world.now());
      note(tensor, stage);
      // Memory that was used again while somebody still looks at it would show another tensor's bytes.
      for (const view of tensor.views) isMade(view, tensor.one, "a view that is not done");
    }
  }
  for (const tensor of all) await look(store, tensor, false);
  for (const tensor of all) for (const view of tensor.views) view.done();
  await collected(store, all, stage);
}

/** Within the grace, nothing is listed any more that neither stands nor is pinned. */
async function collected(store: Store, all: readonly Modelled[], stage: Stage): Promise<void> {
  const gone = all.filter(({ state, pins }) => (state === "Missing" || state === "Expired") && pins.size === 0);
  const ids = new Set(gone.map(({ ref }) => ref?.id));
  await stage.world.advance((stage.subject.graceMs ?? 1_000) + 1);
  const amiss = await stage.world.settled(async () => {
    for await (const { id, state } of store.tensors.list()) {
      if (ids.has(id)) return `tensor ${id} is gone, and still takes room after the grace (${state})`;
    }
    return undefined;
  });
  hold(amiss === undefined, amiss ?? "");
}

const timed: Needs = (_, { clock }) =>
  clock === "real" ? "its clock is the machine's, and a model of lapses needs one that stands still" : undefined;

/** On the machine's own clock: no model, but one lease. */
async function oneLease(stage: Stage): Promise<void> {
  const store = await stage.open();
  const one: Made = { dtype: "uint8", shape: [3], fill: 1 };
  const leaseMs = 1_000;
  const before = stage.world.now();
  const ref = await store.tensors.put(itemOf(one), { lifetime: { leaseMs } });
  const leased = await settled("get while leased", store.tensors.get(ref));
  if ("value" in leased) isMade(leased.value, one, "get while leased");
  // On a busy machine the lease may be over before the first look.
  else hold(stage.world.now() - before >= leaseMs, `get while leased: ${leased.error.code}`);
  await stage.world.advance(1_100);
  await refused(["Expired", "Missing"], "get after the lease", () => store.tensors.get(ref));
}

export const pinned: Law = law({
  name: "L9 pinned",
  about: "what a message, a snapshot or an outbox pins is not collected before the last of them lets go",
  needs: timed,
  cases: () => stepsOf(["pin", "pin", "pin", "unpin", "read", "read", "release", "tick", "done"]),
  wants: ["pinned past its lease", "pinned past its release"],
  holds: modelled,
});

export const leased: Law = law({
  name: "L10 leases",
  about: "never collected while leased, gone from then on, and its room free within the grace",
  needs: timed,
  deviation: oneLease,
  cases: () => stepsOf(["tick", "tick", "pin", "unpin", "done"]),
  wants: ["Expired", "stands"],
  holds: modelled,
});

export const goneStaysGone: Law = law({
  name: "L16 gone stays gone",
  about: "nothing that was released, lapsed or discarded comes back, by a late seal, a pin, or a put of the same bytes",
  needs: timed,
  cases: () =>
    stepsOf(["allocate", "allocate", "seal", "seal", "seal", "discard", "release", "release", "pin", "tick"]),
  wants: ["Missing", "a late writer"],
  holds: modelled,
});
