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
  for (const law of laws) {
    const title = `${name}: ${law.name}`;
    test(title, async () => {
      const replay = (own: number, where: string): string =>
        `SHOAL_SEED=${own} SHOAL_PATH=${where} npm test -- ${spec} --test ${JSON.stringify(title)}`;
      const options = { runs: long ? runs.long : runs.usually, seed, replay };
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
