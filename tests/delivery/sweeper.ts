// Sweeps the world's tensors: takes what nobody pins, as a collector that runs at the worst moment would. What is left
// must still be all that states reference (L9).

import { homeOf } from "./laws/message.ts";
import type { Scene } from "./scene.ts";

export function collect(scene: Scene): void {
  const { store, laws, rules, run } = scene;
  const held = new Set<string>();
  const hold = (pins: ReadonlyMap<string, readonly string[]>): void => {
    for (const ids of pins.values()) for (const id of ids) held.add(id);
  };
  for (const process of [...scene.processes, ...scene.zombies]) if (process?.alive) hold(process.pins);
  for (const pins of scene.orphaned) hold(pins);
  for (const id of store.tensors) {
    if (held.has(id) || !rules.mayCollect(run, id)) continue;
    laws.must(id.startsWith(`${run}/`), "L15", () => `a sweep of run ${run} takes ${id}`);
    store.release(id);
    scene.count("tensor collected");
  }
  for (const [name, { state, ended }] of laws.accounts.committed) {
    if (state.ref === "" || ended || homeOf(name) === scene.gone || laws.order.rolledBack.has(name)) continue;
    laws.must(store.tensors.has(state.ref), "L9", () => `${state.ref} is gone, and the state of ${name} has it`);
  }
}
