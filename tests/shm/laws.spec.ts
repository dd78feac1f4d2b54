// The laws of stores on shm:, mapped and by calls.
// minutes: 6
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { storeLaws, type Subject } from "../../stores/conformance/mod.ts";
import { openStore } from "../../stores/open.ts";
import { assert, long, seed, test } from "../suite.ts";
import { memoryFolder } from "./place.ts";

const folder = memoryFolder();
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

function subject(name: string, map: "auto" | "never"): Subject {
  const dirOf = (place: string): string => join(folder, place);
  return {
    name,
    async open({ capacity, place, ...options }) {
      mkdirSync(dirOf(place), { recursive: true });
      const bounds = capacity === undefined
        ? "&capacity=1GiB"
        : `&capacity=${capacity.bytes}&full=${capacity.full}&waitMs=${capacity.waitMs}`;
      return await openStore(`shm:?dir=${encodeURIComponent(dirOf(place))}&map=${map}${bounds}`, options);
    },
    remove: (place) => rmSync(dirOf(place), { recursive: true, force: true }),
    bounded: true,
    unbreakable: "tried on `shm:` with memory and a disk that fail",
    // A slot, a slab's largest slot, a window's largest range.
    edgesBytes: [64, 4_096, 65_536, 2 ** 19, 2 ** 21],
  };
}

const subjects: readonly (readonly [Subject, number])[] = [
  [subject("shm:", "auto"), 10],
  [subject("shm:?map=never", "never"), 10],
];

const path = process.env["SHOAL_PATH"];
for (const [subject, runs] of subjects) {
  for (const law of storeLaws()) {
    const name = `${subject.name}: ${law.name}`;
    test(name, async () => {
      const replay = (own: number, where: string): string =>
        `SHOAL_SEED=${own} SHOAL_PATH=${where} npm test -- shm/laws --test ${JSON.stringify(name)}`;
      const options = { runs: long ? 10_000 : runs, seed, replay };
      const verdict = await law.test(subject, path === undefined ? options : { ...options, path });
      assert.equal(verdict.subject, subject.name);
      if (verdict.skipped === undefined) assert.ok(verdict.runs > 0);
      else assert.match(verdict.skipped, / /);
    }, { timeoutMs: 60_000 * (long ? 50 : 1) });
  }
}
