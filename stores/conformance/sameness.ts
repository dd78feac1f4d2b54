// The law that a program cannot tell stores apart: the same calls in the same order get the same answers from a store
// as from `memory:`, down to the codes of errors and the positions in logs.
import { isShoalError } from "../error.ts";
import { memoryStore } from "../memory.ts";
import type { Dtype, Store, TensorRef } from "../store.ts";
import { fc, listOf, type Made, names, smallTensors } from "./arbitraries.ts";
import { type Law, law } from "./law.ts";
import { bytesOf, itemOf, same } from "./verdicts.ts";

const calls = fc.record({
  call: fc.constantFrom(
    "put",
    "put",
    "putMany",
    "draft",
    "get",
    "get",
    "release",
    "append",
    "append",
    "read",
    "trim",
    "claim",
    "claimed",
    "list",
    "streams",
    "claims",
  ),
  one: smallTensors,
  name: names,
  which: fc.nat(12),
  epoch: fc.nat(3),
  count: fc.nat(4),
});

type Call = typeof calls extends fc.Arbitrary<infer One> ? One : never;

interface Answering {
  readonly store: Store;
  readonly refs: { readonly ref: TensorRef; readonly made: Made }[];
}

/** An answer as a program sees it: all but what only the store itself means by it, such as an id. */
async function answerOf({ store, refs }: Answering, step: Call, index: number): Promise<unknown> {
  const { tensors, logs, claims } = store;
  const { call, one, name, which, epoch, count } = step;
  const target = refs[which % Math.max(1, refs.length)];
  const plain = ({ dtype, shape, bytes }: TensorRef): unknown => ({ dtype, shape, bytes });
  switch (call) {
    case "put": {
      const ref = await tensors.put(itemOf(one), which % 4 === 0 ? { lifetime: { until: "release" } } : {});
      refs.push({ ref, made: one });
      return plain(ref);
    }
    case "putMany": {
      const all = await tensors.putMany(Array.from({ length: count }, () => itemOf(one)));
      for (const ref of all) refs.push({ ref, made: one });
      return all.map(plain);
    }
    case "draft": {
      const draft = await tensors.allocate<Dtype>(one.dtype, one.shape);
      bytesOf(draft.data).set(bytesOf(itemOf(one).data));
      if (which % 3 === 0) return draft.discard();
      const ref = await draft.seal();
      refs.push({ ref, made: one });
      return plain(ref);
    }
    case "get": {
      if (target === undefined) return undefined;
      const tensor = await tensors.get(target.ref);
      const seen = [tensor.dtype, tensor.shape, tensor.data.length, Array.from(bytesOf(tensor.data))];
      tensor.done();
      return seen;
    }
    case "release":
      return target && await tensors.release(target.ref);
    case "append":
      return await logs.append(name, epoch, Array.from({ length: count }, (_, at) => Uint8Array.of(index, at)));
    case "read": {
      const after = which % 3 === 0 ? undefined : { epoch, sequence: count };
      const entries = await logs.read(name, after, { entriesMax: 1 + which });
      return entries.map((entry) => [entry.epoch, entry.sequence, ...entry.frame]);
    }
    case "trim":
      return await logs.trim(name, { epoch, sequence: count });
    case "claim":
      return await claims.claim(name, epoch, `${which % 3}`);
    case "claimed":
      return await claims.claimed(name) ?? null;
    case "list": {
      const found: string[] = [];
      for await (const { id, bytes, state } of tensors.list()) {
        if (state === "sealed") found.push(`${refs.findIndex(({ ref }) => ref.id === id)} ${bytes}`);
      }
      return found.sort();
    }
    case "streams":
      return (await logs.streams(which % 2 === 0 ? "" : name)).toSorted();
    case "claims":
      return (await claims.claims(which % 2 === 0 ? "" : name)).toSorted();
  }
}

async function said(answering: Answering, step: Call, index: number): Promise<unknown> {
  try {
    return { value: await answerOf(answering, step, index) };
  } catch (error) {
    if (!isShoalError(error)) throw error;
    return { code: error.code, outcome: error.outcome };
  }
}

export const sameEverywhere: Law = law({
  name: "L13 same everywhere",
  about: "the same calls get the same answers as from memory:, values, positions and codes of errors alike",
  cases: () => listOf(calls, 60, 1),
  wants: ["refused", "got", "read"],
  async holds(steps, stage) {
    const other = memoryStore({ run: "run-1", environment: stage.world });
    try {
      const [own, memory] = [await stage.open(), other].map((store): Answering => ({ store, refs: [] }));
      for (const [index, step] of steps.entries()) {
        const wanted = await said(memory!, step, index);
        const found = await said(own!, step, index);
        same(found, wanted, `call ${index}, ${step.call}`);
        if (typeof found === "object" && found !== null && "code" in found) stage.happened("refused");
        else if (step.call === "get" || step.call === "read") stage.happened(step.call === "get" ? "got" : "read");
      }
    } finally {
      await other.close();
    }
  },
});
