// A process beside the tests of `shm:`: does what it is told, line by line, and says what came of it; or puts without
// end and says what was acknowledged.
import { Buffer } from "node:buffer";
import { writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { isShoalError } from "../../stores/error.ts";
import type { Position, Store, Tensor, TensorRef } from "../../stores/store.ts";
import { shmRoot } from "../../stores/shm.ts";
import { foldersOf } from "../../stores/shm/place.ts";
import { reviewed } from "../../stores/shm/seats.ts";
import { opened, seerOf } from "./place.ts";
import type { Said, Told } from "./talk.ts";

const [, , what = "", dir = "", map = "auto"] = process.argv;
const say = (value: Said): void => void writeSync(1, `${JSON.stringify(value)}\n`);

const fillOf = ({ data }: Tensor): number => {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const [first = -1] = bytes;
  return bytes.equals(Buffer.alloc(bytes.length, first)) ? first : -1;
};

/** Reads what the log of references names, holds on to some of it, and gives some of it away, without end. */
async function readOn(store: Store): Promise<never> {
  const held: Tensor[] = [];
  let after: Position | undefined;
  for (let count = 1;; count++) {
    for (const { epoch, sequence, frame } of await store.logs.read("refs", after, { waitMs: 100 })) {
      after = { epoch, sequence };
      const { ref, fill } = JSON.parse(Buffer.from(frame).toString()) as { ref: TensorRef; fill: number };
      try {
        store.tensors.pin(ref, "reader");
        const view = await store.tensors.get(ref);
        const found = fillOf(view);
        if (found !== fill) throw new Error(`${ref.id} holds ${found} and not ${fill}`);
        held.push(view);
        if (sequence % 7 === 0) await store.tensors.release(ref);
      } catch (error) {
        if (!isShoalError(error, "Missing")) throw error;
        store.tensors.unpin(ref, "reader", false);
      }
      for (const view of held.length > 20 ? held.splice(0, 15) : []) {
        store.tensors.unpin(view.ref, "reader", false);
        view.done();
      }
    }
    say({ count });
  }
}

/** Opens and closes, which sweeps, without end. */
async function sweepOn(): Promise<never> {
  for (let count = 1;; count++) {
    const store = await opened(dir, { map: map === "never" ? "never" : "auto" });
    // A draft: what was put would stand, as it should, were this process killed before it has released it.
    (await store.tensors.allocate("uint8", [1])).discard();
    await store.close();
    say({ count });
  }
}

/** Sees to the seats of those who have ended, and is killed over the first. */
async function seeOnce(): Promise<void> {
  await opened(dir, { map: map === "never" ? "never" : "auto", writer: seerOf });
  reviewed(foldersOf(shmRoot(dir), "r"), seerOf, () => process.kill(process.pid, "SIGKILL"));
}

if (what === "sweep") await sweepOn();
if (what === "see") await seeOnce();
if (what !== "") {
  const store = await opened(dir, { map: map === "never" ? "never" : "auto" });
  const views = new Map<string, Tensor>();

  async function done(told: Told): Promise<Said> {
    switch (told.do) {
      case "put": {
        const data = new Uint8Array(told.bytes).fill(told.fill);
        const { lifetime } = told;
        return { ref: await store.tensors.put({ data }, lifetime === undefined ? {} : { lifetime }) };
      }
      case "get": {
        const view = await store.tensors.get(told.ref);
        views.set(told.ref.id, view);
        return { fill: fillOf(view) };
      }
      case "look":
        return { fill: fillOf(views.get(told.id)!) };
      case "done":
        views.get(told.id)!.done();
        return {};
      case "pin":
        store.tensors.pin(told.ref, "child");
        return {};
      case "unpin":
      case "read":
        store.tensors.unpin(told.ref, "child", told.do === "read");
        return {};
      case "release":
        await store.tensors.release(told.ref);
        return {};
      case "list": {
        const ids: string[] = [];
        for await (const { id, state } of store.tensors.list()) if (state === "sealed") ids.push(id);
        return { ids: ids.sort() };
      }
      case "count":
        return { count: store.statistics().tensors };
      case "close":
        await store.close();
        return {};
    }
  }

  if (what === "read") await readOn(store);
  if (what === "write") {
    for (let count = 1;; count++) {
      const data = new Uint8Array(count % 3 === 0 ? 2 ** 20 + count : 100 + count).fill(count % 251);
      const ref = await store.tensors.put({ data });
      say({ ref });
      // Some go at once, so that places are used again.
      if (count % 5 === 0) await store.tensors.release(ref);
    }
  }
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      say(await done(JSON.parse(line) as Told));
    } catch (error) {
      if (!isShoalError(error)) throw error;
      say({ code: error.code });
    }
  }
}
