// The laws of stores on every store there is.
// minutes: 6
import { storeLaws, type Subject } from "../../stores/conformance/mod.ts";
import { deliveryLaws } from "../../runtime/conformance.ts";
import { keptSubject } from "../broken/kept.ts";
import { testLaws } from "./lawful.ts";
import { fileSubject, lateSubject, memorySubject, scratch } from "./subjects.ts";

/** And how many cases of each law, usually and in `npm run test:long`. */
const subjects: readonly (readonly [Subject, number, number])[] = [
  [memorySubject, 100, 10_000],
  [{ ...memorySubject, name: "memory: by a real clock", clock: "real" }, 3, 60],
  [keptSubject("a store that is kept and shared"), 40, 10_000],
  [lateSubject(keptSubject("a store that is kept and shared")), 10, 1_000],
  [fileSubject(scratch()), 40, 10_000],
];

for (const [subject, usually, long] of subjects) {
  testLaws("stores/laws", [...storeLaws(), ...deliveryLaws()], subject, { usually, long });
}
