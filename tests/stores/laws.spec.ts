// The laws of stores on every store there is.
// minutes: 6
import { storeLaws, type Subject } from "../../stores/conformance/mod.ts";
import { deliveryLaws } from "../../runtime/conformance.ts";
import { assert, long, seed, test } from "../suite.ts";
import { keptSubject } from "../broken/kept.ts";
import { fileSubject, lateSubject, memorySubject, scratch } from "./subjects.ts";

/** And how many cases of each law, usually and in `npm run test:long`. */
const subjects: readonly (readonly [Subject, number, number])[] = [
  [memorySubject, 100, 10_000],
  [{ ...memorySubject, name: "memory: by a real clock", clock: "real" }, 3, 60],
  [keptSubject("a store that is kept and shared"), 40, 10_000],
  [lateSubject(keptSubject("a store that is kept and shared")), 10, 1_000],
  [fileSubject(scratch()), 40, 10_000],
];

const path = process.env["SHOAL_PATH"];
for (const [subject, runsUsually, runsLong] of subjects) {
  for (const law of [...storeLaws(), ...deliveryLaws()]) {
    const name = `${subject.name}: ${law.name}`;
    test(name, async () => {
      const replay = (own: number, where: string): string =>
        `SHOAL_SEED=${own} SHOAL_PATH=${where} npm test -- laws --test ${JSON.stringify(name)}`;
      const options = { runs: long ? runsLong : runsUsually, seed, replay };
      const verdict = await law.test(subject, path === undefined ? options : { ...options, path });
      assert.equal(verdict.subject, subject.name);
      if (verdict.skipped === undefined) assert.ok(verdict.runs > 0);
      else assert.match(verdict.skipped, / /);
    }, { timeoutMs: 60_000 * (long ? 50 : 1) });
  }
}
