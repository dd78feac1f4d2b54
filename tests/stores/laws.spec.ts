// The laws of stores on every store there is.
// minutes: 4
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { storeLaws, type Subject } from "../../stores/conformance/mod.ts";
import { openStore } from "../../stores/open.ts";
import { assert, long, seed, test } from "../suite.ts";
import { keptSubject } from "../broken/kept.ts";

/** A subject by its URL: how it is bounded, its options say. */
const byUrl = (name: string, urlOf: (place: string) => string, others: Partial<Subject> = {}): Subject => ({
  name,
  open({ capacity, place, ...options }) {
    const bounds = capacity && `?capacity=${capacity.bytes}&full=${capacity.full}&waitMs=${capacity.waitMs}`;
    return openStore(`${urlOf(place)}${bounds ?? ""}`, options);
  },
  bounded: true,
  ...others,
});

const memory = byUrl("memory:", () => "memory:");
const folder = mkdtempSync(join(tmpdir(), "laws-"));
const file = byUrl("file:", (place) => pathToFileURL(join(folder, place)).href, {
  remove: (place) => rmSync(join(folder, place), { recursive: true, force: true }),
});
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

const subjects: readonly (readonly [Subject, number])[] = [
  [memory, 100],
  [{ ...memory, name: "memory: by a real clock", clock: "real" }, 3],
  [keptSubject("a store that is kept and shared"), 40],
  [file, 10],
];

const path = process.env["SHOAL_PATH"];
for (const [subject, runs] of subjects) {
  for (const law of storeLaws()) {
    const name = `${subject.name}: ${law.name}`;
    test(name, async () => {
      const replay = (own: number, where: string): string =>
        `SHOAL_SEED=${own} SHOAL_PATH=${where} npm test -- laws --test ${JSON.stringify(name)}`;
      const options = { runs: runs * (long ? 20 : 1), seed, replay };
      const verdict = await law.test(subject, path === undefined ? options : { ...options, path });
      assert.equal(verdict.subject, subject.name);
      if (verdict.skipped === undefined) assert.ok(verdict.runs > 0);
      else assert.match(verdict.skipped, / /);
    }, { timeoutMs: 60_000 * (long ? 20 : 1) });
  }
}
