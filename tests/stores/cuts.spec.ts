// `file:` whose disk fails at any of its calls says so, says `failed` only where nothing happened, and goes on.
// minutes: 6
import { storeLaws } from "../../stores/conformance/mod.ts";
import { deliveryLaws } from "../../runtime/conformance.ts";
import { assert, long, seed, test } from "../suite.ts";
import { cutFileSubject, scratch } from "./subjects.ts";

const folder = scratch();
const path = process.env["SHOAL_PATH"];

for (const errno of ["EIO", "ENOSPC"] as const) {
  const subject = cutFileSubject(folder, "never", errno);
  test(`delivery keeps its laws on ${subject.name}`, async () => {
    for (const law of deliveryLaws()) {
      const verdict = await law.test(subject, { runs: long ? 1_000 : 15, seed });
      assert.ok((verdict.happened["the store was cut off"] ?? 0) > 0);
    }
  }, { timeoutMs: 180_000 * (long ? 20 : 1) });
}

for (const errno of ["EIO", "ENOSPC", "EDQUOT"] as const) {
  for (const fsync of ["never", "always"] as const) {
    const subject = cutFileSubject(folder, fsync, errno);
    const name = `L4 outcome: ${subject.name}`;
    test(name, async () => {
      const law = storeLaws().find(({ name }) => name === "L4 outcome")!;
      const replay = (own: number, where: string): string =>
        `SHOAL_SEED=${own} SHOAL_PATH=${where} npm test -- cuts --test ${JSON.stringify(name)}`;
      const options = { runs: long ? 10_000 : 20, seed, replay };
      const verdict = await law.test(subject, path === undefined ? options : { ...options, path });
      assert.equal(verdict.skipped, undefined);
      assert.ok((verdict.happened["a write broke"] ?? 0) > 0);
    }, { timeoutMs: 60_000 * (long ? 50 : 1) });
  }
}
