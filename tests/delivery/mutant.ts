// What a mutant is: something broken in one place, and the laws of which one must notice. Types only.

import type { DeliveryLimits } from "../../runtime/delivery/events.ts";
import type { advance } from "../../runtime/delivery/node.ts";
import type { Rules } from "../../runtime/delivery/state.ts";
import type { DriverRules } from "./scene.ts";
import type { Law } from "./laws/law.ts";
import type { Op, Weights } from "./plan.ts";
import type { Level, StoreRules } from "./store.ts";
import type { Way } from "./ways.ts";

export interface Mutant {
  readonly name: string;
  /** The laws of which one must catch it. */
  readonly laws: readonly Law[];
  /** What is broken: rules of the core, the core around them, its driver, or the store. */
  readonly broken?: Partial<Rules>;
  readonly core?: () => typeof advance;
  readonly driver?: Partial<DriverRules>;
  readonly store?: Partial<StoreRules>;
  /** One that chance finds too rarely: the shrunk plan, on three nodes, by which it was found. */
  readonly plan?: readonly Op[];
  /** Where the world's own limits are too wide for it to show. */
  readonly limits?: Partial<DeliveryLimits> | undefined;
  /** How long its schedules are; 150 operations unless said. */
  readonly length?: number;
  readonly survives?: Level | undefined;
  /** Faults that only such a store stands in need of. */
  readonly weights?: Weights;
  readonly way?: Way | undefined;
}
