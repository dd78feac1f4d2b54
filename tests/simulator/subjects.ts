// The simulated stores as subjects of the laws of stores: what they declare, and how what is behind them breaks.
import type { Subject, SubjectOptions } from "../../stores/conformance/mod.ts";
import { random } from "../../runtime/random.ts";
import type { SimulatedBackend } from "../../stores/simulated/backend.ts";
import { simulatedFolder } from "../../stores/simulated/folder.ts";
import { simulatedServer } from "../../stores/simulated/server.ts";
import { direct, type Mishap, type Way } from "../../stores/simulated/way.ts";

interface Place {
  readonly backend: SimulatedBackend;
  armed: { left: number; readonly mishap: Mishap } | undefined;
  hasStruck: boolean;
}

type Backend = (options: SubjectOptions) => SimulatedBackend | Promise<SimulatedBackend>;

const boundsOf = (
  { capacity }: SubjectOptions,
): { capacityBytes?: number; full?: "wait" | "reject"; waitMs?: number } =>
  capacity === undefined ? {} : { capacityBytes: capacity.bytes, full: capacity.full, waitMs: capacity.waitMs };

/** A server in memory. */
export const server: Backend = (options) =>
  simulatedServer({ environment: options.environment, strict: true, ...boundsOf(options) });

/** The store of files on a disk in memory. */
export const folder: Backend = (options) =>
  simulatedFolder({ chance: random(options.place).next, ...boundsOf(options) });

/** A backend of its own for each place. */
export function backendSubject(
  name: string,
  backend: Backend,
  others: Partial<Subject> = {},
): Subject {
  const places = new Map<string, Place>();
  return {
    name,
    bounded: true,
    async open(opening) {
      const { place, capacity: _, ...options } = opening;
      const known = places.get(place) ?? {
        backend: await backend(opening),
        armed: undefined,
        hasStruck: false,
      };
      places.set(place, known);
      const way: Way = {
        ...direct,
        mishap() {
          if (known.armed === undefined || --known.armed.left > 0) return undefined;
          const { mishap } = known.armed;
          known.armed = undefined;
          known.hasStruck = true;
          return mishap;
        },
      };
      return await known.backend.open(options, way);
    },
    remove: (place) => void places.delete(place),
    faults: {
      arm(place, nth, kind) {
        const known = places.get(place);
        if (known === undefined) return;
        known.hasStruck = false;
        known.armed = { left: nth, mishap: { kind: kind === "before" ? "unavailable" : "unheard" } };
      },
      disarm(place) {
        const known = places.get(place);
        if (known !== undefined) known.armed = undefined;
        return known?.hasStruck ?? false;
      },
    },
    ...others,
  };
}
