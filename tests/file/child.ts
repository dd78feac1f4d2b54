// A process beside the tests of `file:`: puts and appends without end and says what was acknowledged, or claims a
// name in many epochs, and says what it learnt, or puts and releases what it is told.
import { Buffer } from "node:buffer";
import { writeSync } from "node:fs";
import { createInterface } from "node:readline";
import type { TensorRef } from "../../stores/store.ts";
import { opened } from "./place.ts";

const [, , what = "", root = "", who = ""] = process.argv;
const say = (value: unknown): void => void writeSync(1, `${JSON.stringify(value)}\n`);

const store = await opened(root, what === "obey" ? { capacityBytes: Number(who), waitMs: 100_000 } : {});
if (what === "obey") {
  for await (const line of createInterface({ input: process.stdin })) {
    const wish = JSON.parse(line) as { readonly bytes: number } | { readonly ref: TensorRef };
    if ("ref" in wish) say({ released: await store.tensors.release(wish.ref) ?? true });
    else say({ ref: await store.tensors.put({ data: new Uint8Array(wish.bytes).fill(7) }) });
  }
  await store.close();
} else if (what === "write") {
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
