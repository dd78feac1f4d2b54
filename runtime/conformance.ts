// What users import from "shoal/conformance": the laws that a store must keep, and those of delivery on it, to be run
// against one of their own; and what breaks around it: kills, cuts, late answers.

import type { Law } from "../stores/conformance/mod.ts";
import { deliveryOnAStore } from "./conformance/bank.ts";

export {
  type Capacity,
  type FailingStore,
  failingStore,
  type Failure,
  type FaultKind,
  type FaultProxy,
  faultProxy,
  type KillOptions,
  type KillReport,
  kills,
  lateStore,
  type Law,
  type LawOptions,
  type Needs,
  type Opener,
  type ProxyFault,
  type ProxyOptions,
  storeLaws,
  type Subject,
  type SubjectFaults,
  type SubjectOptions,
  type Verdict,
} from "../stores/conformance/mod.ts";

/** The laws of messages between nodes that have nothing in common but the store. */
export function deliveryLaws(): readonly Law[] {
  return [deliveryOnAStore];
}
