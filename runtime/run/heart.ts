// The heartbeat of a run's head, in a thread that runs nothing else: it writes a file of the head's, and tells the
// head when a successor has taken the run.

import { existsSync, writeFileSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";

interface Heart {
  readonly path: string;
  readonly successor: string;
  readonly beatMs: number;
}

const { path, successor, beatMs } = workerData as Heart;
let told = false;

function beat(): void {
  try {
    // Written, not touched: so it is the file system's clock that says when.
    writeFileSync(path, ".", { mode: 0o600 });
  } catch {
    // A file system that is away for a while comes back, or the head is taken for dead.
  }
  if (told || !existsSync(successor)) return;
  told = true;
  parentPort?.postMessage("fenced");
}

beat();
setInterval(beat, beatMs);
