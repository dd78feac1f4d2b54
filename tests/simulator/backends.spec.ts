// The simulated stores keep the laws of stores, and lose exactly what they do not declare to keep.
// minutes: 2
import { storeLaws, type Subject } from "../../stores/conformance/mod.ts";
import { testLaws } from "../stores/lawful.ts";
import { backendSubject, folder, server } from "./subjects.ts";

const subjects: readonly (readonly [Subject, number])[] = [
  [backendSubject("a simulated server", server), 40],
  [backendSubject("files on a simulated disk", folder), 6],
];

for (const [subject, runs] of subjects) {
  testLaws("simulator/backends", storeLaws(), subject, { usually: runs, long: 20 * runs });
}
