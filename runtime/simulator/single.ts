// The scene of one node: actors in one thread, and tensors that go wrong as planned.

import { ShoalError } from "../../stores/error.ts";
import { openStore } from "../../stores/open.ts";
import type { Cell } from "../cells/cell.ts";
import { local } from "../cells/local.ts";
import type { Onlooker } from "../cells/onlooker.ts";
import { defaultLimits } from "../launch/limits.ts";
import { limitsFrom, supervisionFrom } from "../options.ts";
import type { Random } from "../random.ts";
import { defaultSupervision, type Supervision } from "../supervision.ts";
import type { Limits, System } from "../system.ts";
import { type FaultPlan, faultyTensors } from "./faults.ts";
import { recordTold } from "./words.ts";
import type { Scene, SimulatedNodes, Told } from "./scene.ts";
import type { VirtualWorld } from "./world.ts";

export interface SceneParts {
  readonly seed: number;
  readonly limits: Partial<Limits> | undefined;
  readonly supervision: Partial<Supervision> | undefined;
  readonly world: VirtualWorld;
  readonly chance: Random;
  readonly plan: FaultPlan;
  readonly happened: (told: Told) => void;
  /** Looks on at what actors do, and tells of each message as its handler begins. */
  /** The program's own process is another: there the program begins again. */
  begins(system: System): void;
  onlooker(handles: (cell: Cell, method: string) => void): Onlooker<Cell>;
}

export async function singleScene(parts: SceneParts & { readonly store: string }): Promise<Scene> {
  const { seed, world, chance, plan, happened } = parts;
  const order = chance.fork("order");
  const what = "Cannot simulate";
  const run = `simulation-${seed}`;
  const store = await openStore(parts.store, { run, environment: world, strict: true, thresholdBytes: 10_000 });
  const trace = (text: string): void => happened({ who: "store", what: text });
  const { system, actors, crash } = local({
    run,
    node: "main",
    seed,
    strict: true,
    environment: world,
    store: { ...store, tensors: faultyTensors(store.tensors, { plan, trace, after: world.after }) },
    limits: limitsFrom(what, defaultLimits, parts.limits),
    supervision: supervisionFrom(what, defaultSupervision, parts.supervision),
    record: (record) => happened(recordTold(record)),
    onlooker: parts.onlooker(({ id }, method) => happened({ who: id, what: method })),
    choose: (ready) => order.below(ready),
  });
  return {
    system,
    world: { now: () => world.now(), nodes: noNodes },
    strike(step) {
      const fault = plan.strike(["crash"], { at: step }, () => actors().map((actor) => ({ actor })));
      if (fault?.actor === undefined) return false;
      happened({ who: fault.actor, what: "crashes" });
      crash(fault.actor, new Error("a simulated crash"));
      return true;
    },
    clock: () => world,
    asProgram: (call) => call(),
    isApart: false,
    close: () => system.close({ now: true }).catch(() => {}),
  };
}

function none(): never {
  throw new ShoalError("BadInput", "Cannot reach nodes: this simulation has one; simulate it with { nodes: 3 }");
}

const noNodes: SimulatedNodes = {
  names: ["main"],
  kill: none,
  start: none,
  restart: none,
  pause: none,
  resume: none,
  partition: none,
  heal: none,
  system: none,
};
