// What users import from "shoal/conformance": the laws that a store must keep, to be run against one of their own.

export {
  type Capacity,
  type FailingStore,
  failingStore,
  type Failure,
  type FaultKind,
  type Law,
  type LawOptions,
  type Needs,
  storeLaws,
  type Subject,
  type SubjectFaults,
  type SubjectOptions,
  type Verdict,
} from "../stores/conformance/mod.ts";
