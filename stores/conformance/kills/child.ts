// A process of the kill harness: opens the store of its task, says all that it does and learns, and goes on until it is
// killed, or its parent is gone.
import { writeSync } from "node:fs";
import { isShoalError } from "../../error.ts";
import { openedPlace, openedStore } from "./opener.ts";
import { read } from "./reader.ts";
import type { Said, Task } from "./said.ts";
import { sweep } from "./sweeper.ts";
import { write } from "./writer.ts";

/** A line is there for the parent as soon as this returns, whatever becomes of this process. */
function say(line: Said): void {
  const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
  for (let done = 0; done < bytes.byteLength;) {
    try {
      done += writeSync(1, bytes, done);
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EAGAIN")) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

process.on("disconnect", () => process.exit(0));
process.on("message", () => say({ say: "woken" }));

const task = JSON.parse(process.argv[2] ?? "{}") as Task;
try {
  const { role, url, run, opener } = task;
  if (role === "sweep") {
    const place = await openedPlace(url, opener);
    if (place !== undefined) await sweep(place, say);
  } else {
    const store = await openedStore(url, run, opener);
    await (role === "write" ? write : read)(task, store, say);
    await store.close();
  }
  process.disconnect();
} catch (error) {
  const code = isShoalError(error) ? `${error.code}: ` : "";
  say({ say: "problem", what: `${task.role} ends: ${code}${error instanceof Error ? error.stack : String(error)}` });
  process.exit(1);
}
