// The laws of stores, for anyone's store: `for (const law of storeLaws()) test(law.name, () => law.test(subject))`.
import { bounded } from "./capacity.ts";
import { namesAreApart, oneHolder } from "./claims.ts";
import { accountable, badInput, closed, kept } from "./ends.ts";
import { toldOutcome } from "./faults.ts";
import type { Law } from "./law.ts";
import { goneStaysGone, leased, pinned } from "./lifetimes.ts";
import { appendsAtOnce, fenced, inARow, readsWait } from "./logs.ts";
import { namesLaw } from "./names.ts";
import { apart, inert, unforgeable } from "./references.ts";
import { sameEverywhere } from "./sameness.ts";
import { idsAreNew, readYourPut, statisticsCount, wholeOrError } from "./tensors.ts";

export { type FailingStore, failingStore } from "./faults.ts";
export { type KillOptions, type KillReport, kills } from "./kills/kills.ts";
export type { Opener } from "./kills/opener.ts";
export { type FaultProxy, faultProxy, type ProxyFault, type ProxyOptions } from "./proxy.ts";
export { lateStore } from "./wrapped.ts";
export type { Failure, Law, LawOptions, Needs, Verdict } from "./law.ts";
export type { Capacity, FaultKind, Subject, SubjectFaults, SubjectOptions } from "./subject.ts";

/** Every law of stores, in the order of their names in the design. */
export function storeLaws(): readonly Law[] {
  return [
    inARow,
    appendsAtOnce,
    kept,
    toldOutcome,
    fenced,
    bounded,
    readYourPut,
    wholeOrError,
    unforgeable,
    pinned,
    leased,
    sameEverywhere,
    apart,
    goneStaysGone,
    idsAreNew,
    namesAreApart,
    oneHolder,
    namesLaw(),
    inert,
    readsWait,
    statisticsCount,
    closed,
    accountable,
    badInput,
  ];
}
