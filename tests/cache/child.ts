// A process beside the tests of the node's cache: opens the store of a URL and does what it is told, line by line.
import { Buffer } from "node:buffer";
import { writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { isShoalError } from "../../stores/error.ts";
import type { Tensor } from "../../stores/store.ts";
import { opened } from "../redis/subjects.ts";
import type { Said, Told } from "./talk.ts";

const [, , url = ""] = process.argv;
const say = (value: Said): void => void writeSync(1, `${JSON.stringify(value)}\n`);

const fillOf = ({ data }: Tensor): number => {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const [first = -1] = bytes;
  return bytes.equals(Buffer.alloc(bytes.length, first)) ? first : -1;
};

if (url !== "") {
  const store = await opened(url);
  const views = new Map<string, Tensor>();

  async function done(told: Told): Promise<Said> {
    switch (told.do) {
      case "get": {
        const view = await store.tensors.get(told.ref);
        views.get(told.ref.id)?.done();
        views.set(told.ref.id, view);
        return { fill: fillOf(view) };
      }
      case "look":
        return { fill: fillOf(views.get(told.id)!) };
      case "done":
        views.get(told.id)!.done();
        return {};
      case "close":
        await store.close();
        return {};
    }
  }

  say({});
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      say(await done(JSON.parse(line) as Told));
    } catch (error) {
      if (!isShoalError(error)) throw error;
      say({ code: error.code });
    }
  }
  await store.close();
}
