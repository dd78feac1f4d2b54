// The laws of what is handed around and of who is apart: references that are plain data and cannot be made up, and two
// runs at one place that never see each other.
import { inspect } from "node:util";
import { dtypes } from "../dtype.ts";
import { isTensorRef, tensorRef } from "../reference.ts";
import type { Store, TensorRef } from "../store.ts";
import { fc, listOf, names, smallTensors } from "./arbitraries.ts";
import { type Law, law } from "./law.ts";
import { hold, isMade, itemOf, refused, same } from "./verdicts.ts";

const referenceCharactersMax = 300;

export const inert: Law = law({
  name: "references are plain data",
  about: "a reference goes through JSON, printing and cloning without resolving, and takes less than 300 bytes",
  cases: () => smallTensors,
  async holds(one, stage) {
    const store = await stage.open();
    const ref = await store.tensors.put(itemOf(one));
    const before = store.statistics().getBytes;
    const text = JSON.stringify(ref);
    hold(Buffer.byteLength(text) < referenceCharactersMax, `a reference takes ${text.length} characters: ${text}`);
    hold(isTensorRef(JSON.parse(text)), "what came through JSON is no reference");
    same(structuredClone(ref), ref, "a reference that was cloned");
    hold(!("then" in ref) && inspect(ref).length > 0, "a reference resolves when it is awaited");
    same(ref.run, store.run, "the run of a reference");
    same(store.statistics().getBytes, before, "bytes that were got by looking at a reference");
    isMade(await store.tensors.get(JSON.parse(text) as TensorRef), one, "get through JSON");
  },
});

type Change =
  | "id"
  | "other id"
  | "path"
  | "dtype"
  | "shape"
  | "bytes"
  | "length"
  | "checksum"
  | "run"
  | "nothing like it";

/** A reference in which something was changed, sometimes with a checksum that fits: it is no signature. */
function forged(ref: TensorRef, other: TensorRef, change: Change, salt: number): unknown {
  const dtype = dtypes[(dtypes.indexOf(ref.dtype) + 1 + (salt % 14)) % dtypes.length]!;
  switch (change) {
    case "id":
      return { ...ref, id: `${ref.id}x` };
    case "other id":
      return ref.bytes === other.bytes && ref.dtype === other.dtype ? { ...ref, id: "x" } : { ...ref, id: other.id };
    case "path":
      return { ...ref, id: ["../secret", "..", "", "a/b", "a\0b"][salt % 5] };
    case "dtype":
      return { ...ref, dtype };
    case "shape":
      return tensorRef({ ...ref, shape: [...ref.shape, 1] });
    case "bytes":
      return { ...ref, bytes: [ref.bytes + 1, -1, 2 ** 53, 1.5, NaN][salt % 5] };
    case "length":
      return tensorRef({ ...ref, dtype: "uint8", shape: [ref.bytes + 1], bytes: ref.bytes + 1 });
    case "checksum":
      return { ...ref, checksum: ["crc32:00000000", "md5:00000000", ""][salt % 3] };
    case "run":
      return { ...ref, run: ["run-2", "../run-1", ""][salt % 3] };
    case "nothing like it":
      return [null, undefined, 1, "x", [], {}, { ref: "tensor" }][salt % 7];
  }
}

const changes = fc.constantFrom<Change>(
  "id",
  "other id",
  "path",
  "dtype",
  "shape",
  "bytes",
  "length",
  "checksum",
  "run",
  "nothing like it",
);

export const unforgeable: Law = law({
  name: "L8 references cannot be made up",
  about: "a reference in which anything was changed is refused by get, and neither pins nor releases what stands",
  cases: () => fc.record({ one: smallTensors, two: smallTensors, all: listOf(fc.tuple(changes, fc.nat(70)), 12, 1) }),
  async holds({ one, two, all }, stage) {
    const store = await stage.open();
    const [ref, other] = await Promise.all([store.tensors.put(itemOf(one)), store.tensors.put(itemOf(two))]);
    for (const [change, salt] of all) {
      const bad = forged(ref, other, change, salt) as TensorRef;
      const codes = ["BadInput", "Corrupt", "Missing"] as const;
      await refused(codes, `get with another ${change}`, () => store.tensors.get(bad));
      for (const call of [() => store.tensors.release(bad), async () => store.tensors.pin(bad, "x")]) {
        try {
          await call();
        } catch {
          // Refused or taken for nothing: what stands is looked at below.
        }
      }
      isMade(await store.tensors.get(ref), one, `get after a forged ${change}`);
      isMade(await store.tensors.get(other), two, `get of another after a forged ${change}`);
    }
  },
});

export const apart: Law = law({
  name: "L15 apart",
  about: "two runs at one place never see each other's names, frames or tensors",
  cases: () => listOf(fc.record({ one: smallTensors, name: names, runs: fc.constantFrom(0, 1, 2) }), 12, 1),
  async holds(steps, stage) {
    // One is the beginning of the other's name, as keys would have it.
    const stores = [await stage.open({ run: "run-1" }), await stage.open({ run: "run-1.a" })];
    const own = stores.map(() => ({ names: new Set<string>(), refs: [] as [TensorRef, number][] }));
    const act = async (store: Store, index: number, { one, name }: typeof steps[number]): Promise<void> => {
      const claimed = await store.claims.claim(name, 1, store.run);
      same(claimed, { held: true, epoch: 1, value: store.run }, `claim of ${JSON.stringify(name)} in ${store.run}`);
      await store.logs.append(name, 1, [new TextEncoder().encode(store.run)]);
      own[index]!.names.add(name);
      own[index]!.refs.push([await store.tensors.put(itemOf(one)), steps.findIndex((step) => step.one === one)]);
    };
    for (const step of steps) {
      const chosen = [...stores.entries()].filter(([index]) => step.runs === 2 || step.runs === index);
      await Promise.all(chosen.map(([index, store]) => act(store, index, step)));
    }
    for (const [index, store] of stores.entries()) {
      const { names, refs } = own[index]!;
      same((await store.claims.claims("")).toSorted(), [...names].sort(), `claims of ${store.run}`);
      same((await store.logs.streams("")).toSorted(), [...names].sort(), `streams of ${store.run}`);
      for (const name of names) {
        for (const { frame } of await store.logs.read(name, undefined)) {
          same(new TextDecoder().decode(frame), store.run, `a frame in ${JSON.stringify(name)} of ${store.run}`);
        }
      }
      const listed: string[] = [];
      for await (const entry of store.tensors.list()) {
        same(entry.run, store.run, "the run of a listed tensor");
        listed.push(entry.id);
      }
      same(listed.sort(), refs.map(([ref]) => ref.id).sort(), `tensors of ${store.run}`);
      const other = stores[1 - index]!;
      for (const [ref, step] of refs) {
        await refused("BadInput", "get of another run's tensor", () => other.tensors.get(ref));
        await refused("BadInput", "release of another run's tensor", () => other.tensors.release(ref));
        // The same words with the other's run: the id alone must not be enough.
        const moved = tensorRef({ ...ref, run: other.run });
        await refused("Missing", "get of another run's id", () => other.tensors.get(moved));
        await other.tensors.release(moved);
        isMade(await store.tensors.get(ref), steps[step]!.one, "get after another run tried");
      }
    }
  },
});
