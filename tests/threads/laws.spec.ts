// The laws of stores on a `memory:` store that several share: each opening is a part in one store, as in a thread of
// its own, with its own views of the shared memory and its own ports.
import { storeLaws, type Subject } from "../../stores/conformance/mod.ts";
import { memoryStore } from "../../stores/memory.ts";
import { openStore, type Store } from "../../stores/open.ts";
import { testLaws } from "../stores/lawful.ts";
import { assert } from "../suite.ts";

/** All who open one place and run have one store; the one that opened it first is nobody's. */
function joined(name: string): Subject {
  const homes = new Map<string, Map<string, Store>>();
  return {
    name,
    bounded: true,
    async open({ place, capacity, ...options }) {
      const runs = homes.get(place) ?? new Map<string, Store>();
      homes.set(place, runs);
      let home = runs.get(options.run);
      if (home === undefined) {
        const bounds = capacity === undefined ? {} : { ...capacity, capacityBytes: capacity.bytes };
        home = memoryStore({ run: options.run, environment: options.environment, strict: options.strict, ...bounds });
        runs.set(options.run, home);
      }
      const store = await openStore("memory:", { ...options, home: home.share!().port });
      assert.equal(store.abilities.shared, "threads");
      // The first is never closed within a case: to those who come and go, the store is kept, and others have it.
      return { ...store, abilities: { ...store.abilities, survives: "process", shared: "host" } };
    },
    async remove(place) {
      for (const home of homes.get(place)?.values() ?? []) await home.close();
      homes.delete(place);
    },
  };
}

const subject = joined("memory: of several threads");
testLaws("threads/laws", storeLaws(), subject, { usually: 30, long: 600 });
