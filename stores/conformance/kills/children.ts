// The processes of the kill harness, seen by their parent: each is this runtime again, says lines, and can be killed,
// stopped and woken. A line that was said is read even where its process is gone.
import { type ChildProcess, fork } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Said, Task } from "./said.ts";

export interface Child {
  readonly task: Task;
  /** All that it has said. */
  readonly said: readonly Said[];
  readonly isOver: boolean;
  /** Until it has said something that is looked for, or ends: then nothing. */
  until(wanted: (line: Said, index: number) => boolean): Promise<Said | undefined>;
  kill(): Promise<void>;
  /** Stops it in the midst of whatever it does. */
  stop(): void;
  /** Lets it go on; it says so. */
  wake(): void;
}

const source = import.meta.url;
const path = fileURLToPath(new URL(`./child${source.slice(source.lastIndexOf("."))}`, source));
/** After this long without a word, something hangs. */
const silenceMsMax = 60_000;

export function child(task: Task): Child {
  const process: ChildProcess = fork(path, [JSON.stringify(task)], { stdio: ["ignore", "pipe", "inherit", "ipc"] });
  const said: Said[] = [];
  const waiting = new Set<() => void>();
  let isOver = false;
  const wake = (): void => {
    for (const look of waiting) look();
  };
  // What is still in the pipe of one that is gone comes before its end.
  const ended = new Promise<void>((resolve) => {
    const end = (): void => {
      isOver = true;
      wake();
      resolve();
    };
    process.once("close", end);
    process.once("error", (error) => {
      said.push({ say: "problem", what: `a process did not start: ${error.message}` });
      end();
    });
  });
  createInterface({ input: process.stdout! }).on("line", (line) => {
    // A store may print what it likes.
    if (!line.startsWith(`{"say":`)) return;
    said.push(JSON.parse(line) as Said);
    wake();
  });

  return {
    task,
    said,
    get isOver() {
      return isOver;
    },
    until(wanted) {
      return new Promise((resolve, reject) => {
        let next = 0;
        let timer = patience();
        function patience(): ReturnType<typeof setTimeout> {
          return setTimeout(() => {
            waiting.delete(look);
            const last = said.slice(-3).map((line) => JSON.stringify(line).slice(0, 200)).join(" ");
            reject(new Error(`Hangs: process ${task.who} (${task.role}) said nothing new in time; last: ${last}`));
          }, silenceMsMax);
        }
        const finish = (line: Said | undefined): void => {
          waiting.delete(look);
          clearTimeout(timer);
          resolve(line);
        };
        function look(): void {
          // Whoever says something does not hang, however slow the machine is.
          if (next < said.length) {
            clearTimeout(timer);
            timer = patience();
          }
          for (; next < said.length; next++) if (wanted(said[next]!, next)) return finish(said[next]);
          if (isOver) finish(undefined);
        }
        waiting.add(look);
        look();
      });
    },
    async kill() {
      if (!isOver) signal(process, "SIGKILL");
      await ended;
    },
    stop: () => signal(process, "SIGSTOP"),
    wake() {
      signal(process, "SIGCONT");
      if (process.connected) process.send("wake");
    },
  };
}

/** By its id: a handle that has sent one signal may refuse to send another. */
function signal({ pid }: ChildProcess, name: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(pid, name);
  } catch (error) {
    // Gone by itself.
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}
