// A process beside the tests of names: adds to a number under one name, each time by what it was, and says what it made.
import { writeSync } from "node:fs";
import { realWorld } from "../../runtime/launch/world.ts";
import { directory } from "../../stores/directory.ts";
import { openStore } from "../../stores/open.ts";

const [, , url = "", count = ""] = process.argv;
const say = (value: unknown): void => void writeSync(1, `${JSON.stringify(value)}\n`);

const store = await openStore(url, { run: "r", environment: realWorld, strict: true, thresholdBytes: 0 });
const names = directory<number>(store, { environment: realWorld, directory: "../sums" });
for (let left = Number(count); left > 0; left--) {
  for (let was = await names.get("a/..");;) {
    const { done, now } = await names.compareAndSet("a/..", was, (was?.value ?? 0) + 1);
    was = now;
    if (done) break;
  }
  say("added");
}
await store.close();
