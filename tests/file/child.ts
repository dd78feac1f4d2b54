// A process beside the tests of `file:`: puts and appends without end and says what was acknowledged, or claims a
// name in many epochs, and says what it learnt.
import { Buffer } from "node:buffer";
import { writeSync } from "node:fs";
import { opened } from "./place.ts";

const [, , what = "", root = "", who = ""] = process.argv;
const say = (value: unknown): void => void writeSync(1, `${JSON.stringify(value)}\n`);

const store = await opened(root);
if (what === "write") {
  const epoch = Number(who);
  for (let count = 1;; count++) {
    const data = new Uint8Array(count % 3 === 0 ? 2 ** 20 + count : 100 + count).fill(count % 251);
    say({ ref: await store.tensors.put({ data }) });
    const position = await store.logs.append("s", epoch, [Buffer.from(`${epoch} ${count} a`), Buffer.from("b")]);
    say({ position });
  }
} else {
  for (let epoch = 1; epoch <= 30; epoch++) say(await store.claims.claim("leader", epoch, who));
  await store.close();
}
