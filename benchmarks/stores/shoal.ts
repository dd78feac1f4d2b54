// A store of shoal as a medium, through the public entry.

import { realWorld as environment } from "shoal";
import { openStore, type TensorRef } from "shoal/stores";
import { runtimeVersion } from "../serve.ts";
import type { Medium } from "./medium.ts";

/** Every tensor in the store, also the smallest; strict mode off. */
export async function shoalMedium(url: string, run: string): Promise<Medium> {
  const store = await openStore(url, { run, environment, strict: false, thresholdBytes: 0 });
  const { tensors, abilities } = store;
  return {
    version: `shoal on ${runtimeVersion()}`,
    settings: `strict off, no threshold; survives ${abilities.survives}`,
    isShared: abilities.shared === "host" || abilities.shared === "network",
    put: (data) => tensors.put({ data }),
    async get(ref) {
      const { data, done } = await tensors.get(ref as TensorRef<"float64">);
      return { data, done };
    },
    release: (ref) => tensors.release(ref as TensorRef),
    close: () => store.close(),
    async draft(elements, fill) {
      const draft = await tensors.allocate("float64", [elements]);
      fill(draft.data);
      return await draft.seal();
    },
  };
}
