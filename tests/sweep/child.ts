// A process beside the tests of sweeping: puts and says what was acknowledged, in one of several ways, until it is
// ended from outside or told to go on.
import { writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { realWorld } from "../../runtime/launch/world.ts";
import { isShoalError } from "../../stores/error.ts";
import { fileStore } from "../../stores/file.ts";
import { endRun } from "../../stores/sweep/ended.ts";
import { folderPlace } from "../../stores/sweep/folder.ts";

const [, , what = "", root = "", run = "r"] = process.argv;
const say = (value: unknown): void => void writeSync(1, `${JSON.stringify(value)}\n`);
const told = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

if (what === "sweep") {
  for await (const orphan of folderPlace({ root, url: root, environment: realWorld }).sweep()) say(orphan);
  process.exit(0);
}

const store = await fileStore({ root, run, environment: realWorld, beatMs: 1 });
if (what === "write") {
  for (let count = 1;; count++) {
    const data = new Uint8Array(count % 3 === 0 ? 2 ** 20 + count : 100 + count).fill(count % 251);
    say({ ref: await store.tensors.put({ data }) });
    await store.logs.append("s", 1, [data.subarray(0, 10)]);
    await store.claims.claim("c", count, "x");
  }
}
if (what === "hold") {
  // So long that it does not lapse while it is held, however busy the machine.
  const leaseMs = 60_000;
  const ref = await store.tensors.put({ data: new Uint8Array(5).fill(7) });
  const leased = await store.tensors.put({ data: new Uint8Array(6).fill(8) }, { lifetime: { leaseMs } });
  const large = await store.tensors.put({ data: new Uint8Array(2 ** 20).fill(9) }, { lifetime: { leaseMs } });
  say({ ref, leased, large });
  for (;;) {
    await told.next();
    // It has slept through a lease: its next beat finds that it is not known any more.
    while (await store.claims.claimed("x").then(() => true, () => false));
    const ends: string[] = [];
    for (
      const call of [
        () => store.tensors.put({ data: new Uint8Array(3) }),
        () => store.tensors.put({ data: new Uint8Array(2 ** 20) }),
        () => store.logs.append("late", 1, [new Uint8Array(1)]),
        () => store.claims.claim("late", 1, "x"),
      ]
    ) {
      ends.push(await call().then(() => "done", (error: unknown) => isShoalError(error) ? error.code : String(error)));
    }
    say({ ends });
  }
}
if (what === "end") {
  say({ ref: await store.tensors.put({ data: new Uint8Array(5) }) });
  await endRun(store);
  await store.close();
  process.exit(0);
}
