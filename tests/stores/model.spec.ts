// The tensors of `memory:` against a model that is too simple to be wrong: which stand, which are gone and why, what
// they hold, and how much room they take.
import { dtypes, elementBytes } from "../../stores/dtype.ts";
import { isShoalError } from "../../stores/error.ts";
import { memoryStore } from "../../stores/memory.ts";
import type { Draft, Lifetime, Store, Tensor, TensorRef } from "../../stores/store.ts";
import { assert, fc, property, test } from "../suite.ts";
import { errorOf, type World, world } from "./world.ts";

const capacityBytes = 4_096;
const graceMs = 50;

const lifetimes: fc.Arbitrary<Lifetime> = fc.oneof(
  fc.constant({ until: "release" } as const),
  fc.record({ reads: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ leaseMs: fc.integer({ min: 1, max: 400 }) }),
);

const making = { dtype: fc.constantFrom(...dtypes), length: fc.oneof(fc.nat(9), fc.nat(150)), lifetime: lifetimes };
const which = { which: fc.nat(30), holder: fc.constantFrom("a", "b", "c") };
const steps = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constantFrom("put", "allocate"), ...making }),
    fc.record({ kind: fc.constantFrom("seal", "discard", "get", "get", "done", "release", "pin"), ...which }),
    fc.record({ kind: fc.constant("unpin"), ...which, read: fc.boolean() }),
    fc.record({ kind: fc.constant("tick"), ms: fc.nat(200) }),
  ),
  { maxLength: 120, size: "max" },
);
type Step = typeof steps extends fc.Arbitrary<(infer One)[]> ? One : never;

interface Modelled {
  readonly fill: number;
  readonly bytes: number;
  readonly lifetime: Lifetime;
  readonly draft: Draft | undefined;
  state: "draft" | "stands" | "Missing" | "Expired" | "discarded";
  ref: TensorRef | undefined;
  deadline: number;
  readsLeft: number;
  readonly pins: Set<string>;
  readonly views: Tensor[];
}

const fillOf = (array: ArrayBufferView, fill: number): boolean =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength).every((byte) => byte === fill);

function lapse(tensor: Modelled, now: number): void {
  if (tensor.state !== "stands" || tensor.pins.size > 0) return;
  if (now >= tensor.deadline) tensor.state = "Expired";
  else if (tensor.readsLeft <= 0) tensor.state = "Missing";
}

/** Bytes that must be held, and bytes that may be: the difference is what lapsed within the grace. */
function heldBounds(all: readonly Modelled[], now: number): [number, number] {
  let [least, most] = [0, 0];
  for (const { state, bytes, pins, views, deadline } of all) {
    if (state === "discarded") continue;
    const isHeld = state === "draft" || state === "stands" || pins.size > 0 || views.length > 0;
    if (isHeld) least += bytes;
    if (isHeld || (state === "Expired" && now < deadline + graceMs)) most += bytes;
  }
  return [least, most];
}

async function make(
  store: Store,
  step: Extract<Step, { dtype: unknown }>,
  all: Modelled[],
  now: number,
): Promise<void> {
  const { kind, dtype, length, lifetime } = step;
  const bytes = length * elementBytes(dtype);
  const fill = (all.length * 7 + 1) % 199;
  const [least, most] = heldBounds(all, now);
  const model = (draft: Draft | undefined): Modelled => {
    const reads = "reads" in lifetime ? lifetime.reads : Infinity;
    const plain = { fill, bytes, lifetime, draft, ref: undefined, deadline: Infinity, readsLeft: reads };
    return { ...plain, state: "draft", pins: new Set(), views: [] };
  };
  try {
    const draft = await store.tensors.allocate(dtype, [length], { lifetime });
    new Uint8Array(draft.data.buffer, draft.data.byteOffset, bytes).fill(fill);
    if (kind === "allocate") {
      all.push(model(draft));
    } else {
      const copy = draft.data.slice() as typeof draft.data;
      draft.discard();
      const ref = await store.tensors.put({ data: copy, dtype }, { lifetime });
      all.push(model(undefined));
      stand(all.at(-1)!, ref, now);
    }
    assert.ok(bytes === 0 || least + bytes <= capacityBytes, "let in beyond the capacity");
  } catch (error) {
    if (!isShoalError(error, "CapacityExceeded")) throw error;
    assert.ok(most + bytes > capacityBytes, "refused though there was room");
    seen.add("refused");
  }
}

function stand(tensor: Modelled, ref: TensorRef, now: number): void {
  tensor.state = "stands";
  tensor.ref = ref;
  if ("leaseMs" in tensor.lifetime) tensor.deadline = now + tensor.lifetime.leaseMs;
}

async function apply(store: Store, environment: World, step: Step, all: Modelled[]): Promise<void> {
  if (step.kind === "tick") return environment.advance("ms" in step ? step.ms : 0);
  if ("dtype" in step) return make(store, step, all, environment.now());
  if (!("which" in step) || all.length === 0) return;
  const tensor = all[step.which % all.length]!;
  const { ref, draft } = tensor;
  if (step.kind === "discard") {
    draft?.discard();
    if (tensor.state === "draft") tensor.state = "discarded";
  } else if (step.kind === "seal") {
    if (draft === undefined) return;
    if (tensor.state === "discarded") return assert.rejects(draft.seal(), TypeError);
    const sealed = await draft.seal();
    if (ref !== undefined) assert.equal(sealed, ref);
    else stand(tensor, sealed, environment.now());
  } else if (ref === undefined) {
    return;
  } else if (step.kind === "get") {
    if (tensor.state === "Missing" || tensor.state === "Expired") {
      return void await errorOf(tensor.state, () => store.tensors.get(ref));
    }
    tensor.views.push(await store.tensors.get(ref));
  } else if (step.kind === "done") tensor.views.shift()?.done();
  else if (step.kind === "release") {
    await store.tensors.release(ref);
    if (tensor.state === "stands") tensor.state = "Missing";
  } else if (step.kind === "pin") {
    store.tensors.pin(ref, step.holder);
    if (tensor.state === "stands") tensor.pins.add(step.holder);
  } else if (step.kind === "unpin" && "read" in step) {
    store.tensors.unpin(ref, step.holder, step.read);
    if (tensor.pins.delete(step.holder) && step.read) tensor.readsLeft -= 1;
  }
}

/** What the model went through: a law that was never put to the test has not been kept. */
const seen = new Set<string>();

function note({ state, deadline, pins, views }: Modelled, now: number): void {
  seen.add(state);
  if (state === "stands" && now >= deadline) seen.add("pinned past its lease");
  if (state === "Missing" && views.length > 0) seen.add("viewed past its release");
  if (state === "Expired" && views.length > 0) seen.add("viewed past its lease");
  if (state === "Missing" && pins.size > 0) seen.add("pinned past its release");
}

test("memory store: does what the model does, whatever is asked of it in whatever order", async () => {
  await property([steps, fc.boolean()], async (steps, strict) => {
    const environment = world();
    const store = memoryStore({ run: "r", environment, strict, capacityBytes, full: "reject", graceMs });
    const all: Modelled[] = [];
    for (const step of steps) {
      await apply(store, environment, step, all);
      for (const tensor of all) {
        lapse(tensor, environment.now());
        note(tensor, environment.now());
        // A slot that was used again while somebody still looks at it would show another tensor's bytes.
        for (const view of tensor.views) assert.ok(fillOf(view.data, tensor.fill), "a view shows other bytes");
      }
      const { bytes } = store.statistics();
      const [least, most] = heldBounds(all, environment.now());
      assert.ok(bytes >= least && bytes <= most, `${bytes} held, from ${least} to ${most} expected`);
    }
    const ids = all.flatMap(({ ref }) => ref === undefined ? [] : [ref.id]);
    assert.equal(new Set(ids).size, ids.length);
    for (const { ref, state, fill } of all) {
      if (ref === undefined || state === "draft" || state === "discarded") continue;
      if (state !== "stands") await errorOf(state, () => store.tensors.get(ref));
      else assert.ok(fillOf((await store.tensors.get(ref)).data, fill), "a get shows other bytes");
    }
    await store.close();
    assert.equal(environment.timers, 0);
  }, { runs: 300 });
  if (process.env["SHOAL_PATH"] !== undefined) return;
  const wanted = ["draft", "discarded", "stands", "Missing", "Expired", "refused"];
  wanted.push("pinned past its lease", "pinned past its release", "viewed past its lease", "viewed past its release");
  assert.deepEqual(wanted.filter((what) => !seen.has(what)), []);
});
