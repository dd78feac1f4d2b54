// The simulated stores keep the laws of stores, and lose exactly what they do not declare to keep.
// minutes: 2
import { storeLaws, type Subject } from "../../stores/conformance/mod.ts";
import { assert, long, seed, test } from "../suite.ts";
import { backendSubject, folder, server } from "./subjects.ts";

const subjects: readonly (readonly [Subject, number])[] = [
  [backendSubject("a simulated server", server), 40],
  [backendSubject("files on a simulated disk", folder), 6],
];

for (const [subject, runs] of subjects) {
  for (const law of storeLaws()) {
    test(`${subject.name}: ${law.name}`, async () => {
      const verdict = await law.test(subject, { runs: runs * (long ? 20 : 1), seed });
      if (verdict.skipped === undefined) assert.ok(verdict.runs > 0);
      else assert.match(verdict.skipped, / /);
    }, { timeoutMs: 60_000 * (long ? 20 : 1) });
  }
}
