// A test for each law on a store: how often usually and in `npm run test:long`, and the command that replays what fails.
import type { Law, Subject } from "../../stores/conformance/mod.ts";
import { assert, long, seed, test } from "../suite.ts";

/** What a law is tried on, where it is made anew for each. */
export interface Tried {
  readonly subject: Subject;
  close?(): Promise<void>;
}

export interface Runs {
  readonly usually: number;
  readonly long: number;
}

const path = process.env["SHOAL_PATH"];
/** More cases of a law, in `npm run test:long`, are tests of their own, so that parts of it can be shared out. */
const sliceRunsMax = 1_000;

/** `spec` is the one that calls: `redis/laws`. */
export function testLaws(spec: string, laws: readonly Law[], subject: Subject, runs: Runs): void {
  testLawsOn(spec, laws, subject.name, () => ({ subject }), runs);
}

export function testLawsOn(
  spec: string,
  laws: readonly Law[],
  name: string,
  made: () => Promise<Tried> | Tried,
  runs: Runs,
): void {
  const slices = long ? Math.ceil(runs.long / sliceRunsMax) : 1;
  for (const law of laws) for (let slice = 0; slice < slices; slice++) one(law, slice);

  function one(law: Law, slice: number): void {
    const title = `${name}: ${law.name}`;
    test(slices === 1 ? title : `${title}, slice ${slice + 1} of ${slices}`, async () => {
      const replay = (own: number, where: string): string =>
        `SHOAL_SEED=${own} SHOAL_PATH=${where} npm test -- ${spec} --test ${JSON.stringify(title)}`;
      const options = { runs: long ? Math.ceil(runs.long / slices) : runs.usually, seed: seed + slice, replay };
      const { subject, close } = await made();
      try {
        const verdict = await law.test(subject, path === undefined ? options : { ...options, path });
        assert.equal(verdict.subject, name);
        if (verdict.skipped === undefined) assert.ok(verdict.runs > 0);
        else assert.match(verdict.skipped, / /);
      } finally {
        await close?.();
      }
    }, { timeoutMs: 60_000 * (long ? 50 : 1) });
  }
}
