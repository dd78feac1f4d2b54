// Every law of stores, and of delivery upon them, on stores made of stores.
// minutes: 3
import { rmSync } from "node:fs";
import { storeLaws, type Subject } from "../../stores/conformance/mod.ts";
import { deliveryLaws } from "../../runtime/conformance.ts";
import { memoryFolder } from "../shm/place.ts";
import { assert, long, seed, test } from "../suite.ts";
import { fileAt, removeIn, routeSubject, shmAt } from "./subjects.ts";

const folder = memoryFolder();
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
const path = process.env["SHOAL_PATH"];

/** Small enough that the laws' own tensors, which are small, go both ways. */
const subjects: readonly (readonly [Subject, number, number])[] = [
  [
    routeSubject("route: of memory: and memory:", "30", (_, bounds) => ({
      small: `memory:?logs=1GB${bounds}`,
      large: `memory:?verify=always${bounds}`,
    })),
    10,
    10_000,
  ],
  [
    routeSubject("route: of file: and file:", "30", (place, bounds) => ({
      small: fileAt(folder, place, "a", bounds),
      large: fileAt(folder, place, "b", bounds),
    }), { remove: removeIn(folder) }),
    4,
    3_000,
  ],
  [
    routeSubject("route: of shm: and file:", "30", (place, bounds) => ({
      small: shmAt(folder, place, "a", bounds),
      large: fileAt(folder, place, "b", bounds),
    }), { remove: removeIn(folder) }),
    2,
    1_000,
  ],
];

for (const [subject, runsUsually, runsLong] of subjects) {
  for (const law of [...storeLaws(), ...deliveryLaws()]) {
    const name = `${subject.name}: ${law.name}`;
    test(name, async () => {
      const replay = (own: number, where: string): string =>
        `SHOAL_SEED=${own} SHOAL_PATH=${where} npm test -- route/laws --test ${JSON.stringify(name)}`;
      const options = { runs: long ? runsLong : runsUsually, seed, replay };
      const verdict = await law.test(subject, path === undefined ? options : { ...options, path });
      assert.equal(verdict.subject, subject.name);
      if (verdict.skipped === undefined) assert.ok(verdict.runs > 0);
      else assert.match(verdict.skipped, / /);
    }, { timeoutMs: 60_000 * (long ? 50 : 1) });
  }
}
