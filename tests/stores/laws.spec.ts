// The laws of stores on every store there is.
// minutes: 6
import { rmSync } from "node:fs";
import { storeLaws, type Subject } from "../../stores/conformance/mod.ts";
import { deliveryLaws } from "../../runtime/conformance.ts";
import { keptSubject } from "../broken/kept.ts";
import { memoryFolder } from "../shm/place.ts";
import { testLaws } from "./lawful.ts";
import { fileSubject, lateSubject, memorySubject, scratch } from "./subjects.ts";

const memory = memoryFolder();
process.on("exit", () => rmSync(memory, { recursive: true, force: true }));

/** And how many cases of each law, usually and in `npm run test:long`. */
const subjects: readonly (readonly [Subject, number, number])[] = [
  [memorySubject, 100, 10_000],
  [{ ...memorySubject, name: "memory: by a real clock", clock: "real" }, 3, 60],
  [keptSubject("a store that is kept and shared"), 40, 1_000],
  [lateSubject(keptSubject("a store that is kept and shared")), 10, 1_000],
  // The same calls, and what they cost is the disk's: most are made where a folder costs nothing.
  [fileSubject(scratch()), 10, 1_000],
  [{ ...fileSubject(memory), name: "file: on a disk in memory" }, 30, 9_000],
];

for (const [subject, usually, long] of subjects) {
  testLaws("stores/laws", [...storeLaws(), ...deliveryLaws()], subject, { usually, long });
}
