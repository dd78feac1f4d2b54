// The laws of tensors that stand: a reader gets what was put, all of it and nothing else, or a typed error.
import { ShoalError } from "../error.ts";
import { tensorRef } from "../reference.ts";
import type { Dtype, Store, TensorRef } from "../store.ts";
import { alikeTensors, edgesBytes, fc, listOf, type Made, smallTensors, tensors } from "./arbitraries.ts";
import { type Law, law } from "./law.ts";
import { isShared } from "./subject.ts";
import { bytesOf, hold, isMade, itemOf, patternOf, refused, same, settled } from "./verdicts.ts";

type Way = "put" | "allocate" | "putMany";

const unlike: Made = { dtype: "uint8", shape: [31], fill: 7 };

/** Makes one tensor, and spoils what it was made from: what was put is the store's from then on. */
async function made(store: Store, one: Made, way: Way): Promise<TensorRef> {
  if (way === "allocate") {
    const draft = await store.tensors.allocate(one.dtype, one.shape);
    same([draft.dtype, draft.shape], [one.dtype, one.shape], "a draft's dtype and shape");
    bytesOf(draft.data).set(patternOf(one));
    return draft.seal();
  }
  const item = itemOf(one);
  // Another that is not alike goes before it: some stores have more than one way for tensors.
  const refs = way === "put"
    ? [await store.tensors.put(item)]
    : await store.tensors.putMany<Dtype>([itemOf(unlike), item]);
  hold(refs.length === (way === "put" ? 1 : 2), `${way} answered ${refs.length} references`);
  if (way === "putMany") same(refs[0]!.bytes, patternOf(unlike).length, "the first reference of putMany");
  bytesOf(item.data).fill(0xee);
  return refs.at(-1)!;
}

const ways = fc.constantFrom<Way>("put", "allocate", "putMany");

export const readYourPut: Law = law({
  name: "L7 read your put",
  about: "a reference that was handed out resolves, everywhere the store reaches, to the bytes that were put",
  cases: (subject) => {
    const one = tensors(subject.edgesBytes ?? edgesBytes);
    return fc.record({ all: listOf(fc.record({ one, way: ways }), 12, 1), elsewhere: fc.boolean() });
  },
  wants: ["no elements", "through JSON", "at once"],
  async holds({ all, elsewhere }, stage) {
    const store = await stage.open();
    const far = elsewhere && isShared(store.abilities);
    const reader = far ? await stage.open() : store;
    if (far) stage.happened("from another handle");
    if (all.length > 1) stage.happened("at once");
    const refs = await Promise.all(all.map(({ one, way }) => made(store, one, way)));
    for (const [index, { one }] of all.entries()) {
      const ref = refs[index]!;
      same([ref.dtype, ref.shape, ref.bytes], [one.dtype, one.shape, patternOf(one).length], "a reference");
      if (ref.bytes === 0) stage.happened("no elements");
    }
    const again = refs.map((ref) => JSON.parse(JSON.stringify(ref)) as TensorRef);
    stage.happened("through JSON");
    const gets = await Promise.all([...refs, ...again].map((ref) => reader.tensors.get(ref)));
    for (const [index, tensor] of gets.entries()) isMade(tensor, all[index % all.length]!.one, "get");
    let index = 0;
    for await (const tensor of reader.tensors.getMany(again)) {
      isMade(tensor, all[index++]!.one, "getMany");
      tensor.keep().done();
    }
    hold(index === refs.length, `getMany yielded ${index} of ${refs.length}`);
    for (const tensor of gets) tensor.done();
  },
});

const acts = fc.constantFrom("put", "get", "get", "release", "seal", "list", "peek", "read many");

export const wholeOrError: Law = law({
  name: "L8 whole or error",
  about: "a get yields all bytes of what was asked for or a typed error, whatever is made and released meanwhile",
  cases: () => listOf(fc.record({ act: acts, one: alikeTensors, which: fc.nat(40) }), 40, 2),
  wants: ["a draft that was not there", "a get of what was released"],
  async holds(steps, stage) {
    const store = await stage.open();
    const reader = isShared(store.abilities) ? await stage.open() : store;
    const standing: { readonly ref: TensorRef; readonly one: Made; released: boolean }[] = [];
    const seals = { begun: 0, done: 0 };

    async function one({ act, one, which }: typeof steps[number]): Promise<void> {
      const target = standing[which % Math.max(1, standing.length)];
      if (act === "put") {
        standing.push({ ref: await store.tensors.put(itemOf(one)), one, released: false });
      } else if (act === "seal" || act === "peek") {
        const draft = await store.tensors.allocate(one.dtype, one.shape);
        const pattern = patternOf(one);
        // Half of it, and then a look from outside: what is not sealed does not exist.
        bytesOf(draft.data).set(pattern.subarray(0, pattern.length >> 1));
        if (act === "peek") await peek(draft.data.byteLength, one);
        bytesOf(draft.data).set(pattern);
        seals.begun += 1;
        standing.push({ ref: await draft.seal(), one, released: false });
        seals.done += 1;
      } else if (act === "list") {
        for await (const entry of reader.tensors.list()) hold(entry.run === store.run, "a list shows another run");
      } else if (target === undefined) {
        return;
      } else if (act === "release") {
        target.released = true;
        await store.tensors.release(target.ref);
      } else if (act === "read many") {
        const some = standing.filter(({ released }) => !released).slice(0, 5);
        let index = 0;
        const reading = async (): Promise<void> => {
          for await (const tensor of reader.tensors.getMany(some.map(({ ref }) => ref))) {
            isMade(tensor, some[index++]!.one, "getMany");
            tensor.done();
          }
          hold(index === some.length, `getMany yielded ${index} of ${some.length}`);
        };
        const end = await settled("getMany", reading());
        if ("error" in end) {
          hold(some.some(({ released }) => released), `getMany: ${end.error.code}, none was released`);
        }
      } else {
        const wasReleased = target.released;
        const got = await settled("get", reader.tensors.get(target.ref));
        if ("value" in got) {
          isMade(got.value, target.one, "get");
          got.value.done();
        } else {
          hold(wasReleased || target.released, `get of what stands: ${got.error.code}`);
          hold(got.error.code === "Missing", `get of what was released: ${got.error.code}, not Missing`);
          stage.happened("a get of what was released");
        }
      }
    }

    async function peek(bytes: number, { dtype, shape }: Made): Promise<void> {
      const { done } = seals;
      for await (const { id, run, state } of store.tensors.list()) {
        if (state !== "draft") continue;
        const where = standing[0]?.ref.where ?? store.url;
        const guessed = tensorRef({ run, id, dtype, shape, bytes, where });
        await refused(["Missing", "Corrupt"], "get of a draft", async () => {
          const tensor = await reader.tensors.get(guessed);
          // Another's, that was sealed while this call was on its way.
          if (seals.begun > done) throw new ShoalError("Missing", "Cannot tell whether it was a draft");
          return tensor;
        });
      }
      stage.happened("a draft that was not there");
    }

    // In threes at once, so that each meets the others half-way.
    for (let index = 0; index < steps.length; index += 3) await Promise.all(steps.slice(index, index + 3).map(one));
    for (const { ref, one, released } of standing) {
      if (released) await refused("Missing", "get after all", () => reader.tensors.get(ref));
      else isMade(await reader.tensors.get(ref), one, "get after all");
    }
  },
});

export const idsAreNew: Law = law({
  name: "ids are written once",
  about: "no id is given out twice, whatever was released, discarded or closed since",
  cases: () => listOf(fc.record({ one: smallTensors, way: ways, release: fc.boolean(), reopen: fc.nat(5) }), 20, 2),
  async holds(steps, stage) {
    let store = await stage.open();
    const seen = new Set<string>();
    for (const { one, way, release, reopen } of steps) {
      const refs = await Promise.all([made(store, one, way), made(store, one, "put")]);
      for (const { id } of refs) {
        hold(!seen.has(id), `id ${id} was given out twice`);
        seen.add(id);
      }
      if (release) await store.tensors.release(refs[0]);
      if (reopen === 0) {
        await store.close();
        store = await stage.open();
        stage.happened("reopened");
      }
    }
  },
});

export const statisticsCount: Law = law({
  name: "statistics count",
  about: "tensors and their bytes are counted while they stand, and no more when all were released",
  cases: () => listOf(smallTensors, 12, 1),
  async holds(all, stage) {
    const store = await stage.open();
    const before = store.statistics();
    const refs = await Promise.all(all.map((one) => store.tensors.put(itemOf(one))));
    const bytes = refs.reduce((sum, ref) => sum + ref.bytes, 0);
    const full = store.statistics();
    hold(full.tensors - before.tensors === refs.length, `${full.tensors} tensors, ${refs.length} were put`);
    hold(full.bytes - before.bytes >= bytes, `${full.bytes} bytes held, ${bytes} stand`);
    hold(full.putBytes - before.putBytes === bytes, `${full.putBytes} bytes put, not ${bytes}`);
    for (const ref of refs) (await store.tensors.get(ref)).done();
    hold(
      store.statistics().getBytes - full.getBytes === bytes,
      `${store.statistics().getBytes} bytes got, not ${bytes}`,
    );
    for (const ref of refs) await store.tensors.release(ref);
    const after = store.statistics();
    hold(after.tensors === before.tensors, `${after.tensors} tensors counted, all were released`);
    hold(after.putBytes === full.putBytes, "a release changed what was put");
  },
});
