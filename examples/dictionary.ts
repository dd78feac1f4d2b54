// A dictionary that processes share, with keys of their own: `shoal run ./examples/dictionary.ts --at file:///tmp/shared`,
// once in each of two windows. Values stay in the store; the keys are the store's names.
import { realWorld as environment, type System } from "shoal";
import { directory, openStore } from "shoal/stores";

export const settings = {
  at: { default: "memory:", about: "the store that all of them open", value: "URL" },
  who: { default: "someone", about: "the key of this one" },
} as const;

export default async function (_: System, { at, who }: { at: string; who: string }): Promise<object> {
  const store = await openStore(at, { run: "shared", environment, strict: false, thresholdBytes: 0 });
  const shared = directory(store, { environment });
  await shared.set(`fields/${who}`, await store.tensors.put({ data: Float64Array.from(who, (_, at) => at) }));
  const all: { [key: string]: number } = {};
  for (const { name, value } of await shared.list("fields/")) {
    all[name] = (await store.tensors.get(value)).data.length; // what others have put, read without a copy where it can be
  }
  await store.close();
  return all;
}
