// The store that the nodes of a simulation call home, and each process's way to it: calls take their time, and go wrong
// as planned.

import type { Store, StoreEnvironment } from "../../stores/store.ts";
import type { SimulatedBackend } from "../../stores/simulated/backend.ts";
import type { Asked, Mishap, Way } from "../../stores/simulated/way.ts";
import type { Random } from "../random.ts";
import type { FaultKind, FaultPlan } from "./faults.ts";
import type { Span } from "./network.ts";
import type { SimulatedProcess } from "./processes.ts";
import type { Told } from "./scene.ts";
import type { VirtualWorld } from "./world.ts";

/** Makes the store of a simulation, on the world's clock, with dice of its own. */
export type MakeBackend = (
  parts: { readonly environment: StoreEnvironment; readonly chance: () => number },
) => SimulatedBackend | Promise<SimulatedBackend>;

export interface HomeParts {
  readonly run: string;
  readonly backend: SimulatedBackend;
  readonly world: VirtualWorld;
  readonly chance: Random;
  readonly plan: FaultPlan;
  readonly latencyMs: Span;
  readonly happened: (told: Told) => void;
}

export interface Home {
  open(process: SimulatedProcess): Promise<Store>;
  /** Ends the backend, and starts it again after a while. */
  end(level: "server" | "power", downMs: number): void;
}

const kinds: readonly Mishap["kind"][] = ["unavailable", "full", "slow", "lost", "unheard", "late"];

export function home({ run, backend, world, chance, plan, latencyMs, happened }: HomeParts): Home {
  const counts = new Map<string, number>();
  let opened = 0;
  let downUntil = 0;
  const possible = kinds.filter((kind) => backend.mishaps.includes(kind)) as readonly (Mishap["kind"] & FaultKind)[];
  const withoutRoom = possible.filter((kind) => kind !== "full");

  function mishapOf(node: string, { what, wantsRoom }: Asked): Mishap | undefined {
    if (world.now() < downUntil) return { kind: "unavailable" };
    const at = (counts.get(node) ?? 0) + 1;
    counts.set(node, at);
    const fault = plan.strike(wantsRoom ? possible : withoutRoom, { at, node });
    if (fault === undefined) return undefined;
    happened({ who: `${node} store`, what: `${fault.kind} at call ${at}: ${what}`, node });
    return { kind: fault.kind, delayMs: fault.delayMs ?? 0 } as Mishap;
  }

  function wayOf({ node, environment }: SimulatedProcess): Way {
    const dice = chance.fork(`${node}/${opened += 1}`);
    const latency = (): number => latencyMs.min + dice.next() * (latencyMs.max - latencyMs.min);
    return {
      there: (call, delayMs) => void world.after(latency() + delayMs, call),
      back: (call) => void environment.after(latency(), call),
      mishap: (asked) => mishapOf(node, asked),
      answered({ what }, error) {
        happened({ who: `${node} store`, what: error === undefined ? what : `${what}: ${error.message}`, node });
      },
    };
  }

  return {
    open: (process) =>
      backend.open({ run, environment: process.environment, strict: true, thresholdBytes: 10_000 }, wayOf(process)),
    end(level, downMs) {
      downUntil = world.now() + downMs;
      const taken = backend.end(level);
      const lost = taken === 0 ? "nothing is lost" : taken === Infinity ? "all is lost" : `${taken} changes are lost`;
      happened({ who: "store", what: `${level === "power" ? "loses power" : "is restarted"}: ${lost}` });
    },
  };
}
