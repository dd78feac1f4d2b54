// Who leads a run: heads are numbered, and a number is taken by whoever makes its file first. A head that died does
// not hold the run: its process is gone, or, where that cannot be seen from here, its heartbeat has stopped.

import { existsSync, readdirSync, readFileSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { ShoalError } from "../../stores/error.ts";
import { fileMode, numbered, numberIn, type RunLayout, writeWhole } from "./layout.ts";
import { hasEnded, markOfThis, type ProcessMark } from "./process.ts";
import { errnoOf, troubleIn } from "./trouble.ts";

/** Who a head is, as its file says. */
export interface HeadRecord extends ProcessMark {
  readonly token: string;
  readonly at: number;
}

/** What a head is found to be. */
export type HeadState = "alive" | "dead" | "ended";

export interface FoundHead {
  readonly number: number;
  readonly state: HeadState;
  /** Nothing where its file cannot be read. */
  readonly head: HeadRecord | undefined;
}

/** A head that holds the run. */
export interface Head {
  readonly number: number;
  /** Settles when another head has taken the run; never while this one holds it. */
  readonly fenced: Promise<ShoalError>;
  /** Says that it ended of itself. Later ones need not wait for its heartbeat to stop. */
  end(): void;
}

const beatMs = 5_000;
/** A heartbeat that is older has stopped. Long, since file systems between machines show changes late. */
const staleMs = 60_000;

/** The head with the highest number, if there was any. */
export function latestHead(layout: RunLayout): FoundHead | undefined {
  let names: string[];
  try {
    names = readdirSync(layout.heads);
  } catch (error) {
    throw troubleIn(layout.directory, "read who leads the run", error);
  }
  const number = Math.max(0, ...names.map((name) => numberIn(name, ".json") ?? 0));
  if (number === 0) return undefined;
  const head = readHead(join(layout.heads, numbered(number, ".json")));
  if (existsSync(join(layout.heads, numbered(number, ".ended")))) return { number, state: "ended", head };
  return { number, state: isAlive(head, number, layout) ? "alive" : "dead", head };
}

/** Takes the run: Conflict where a head that is alive has it. */
export function takeRun(layout: RunLayout, token: string, now: number): Head {
  const latest = latestHead(layout);
  if (latest?.state === "alive") throw held(layout, latest.head);
  const number = (latest?.number ?? 0) + 1;
  const path = join(layout.heads, numbered(number, ".json"));
  try {
    if (!writeWhole(path, `${JSON.stringify({ ...markOfThis(), token, at: now })}\n`, true)) {
      throw held(layout, readHead(path));
    }
    // A request to stop was meant for the head before.
    unlinkSync(layout.stop);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw troubleIn(layout.directory, "take the run", error);
  }
  return beating(layout, number);
}

function held({ directory }: RunLayout, head: HeadRecord | undefined): ShoalError {
  const who = head === undefined ? "another process" : `process ${head.pid} on ${head.host}`;
  const cure = `shoal status ${directory} shows it, shoal stop ${directory} ends it`;
  return new ShoalError("Conflict", `Cannot take run ${directory}: ${who} leads it; ${cure}`);
}

/** Its heart beats in a thread of its own: a handler that computes for an hour is busy, not dead. */
function beating(layout: RunLayout, number: number): Head {
  const ending = import.meta.url.slice(import.meta.url.lastIndexOf("."));
  const path = join(layout.heads, numbered(number, ".beat"));
  const successor = join(layout.heads, numbered(number + 1, ".json"));
  const heart = new Worker(new URL(`./heart${ending}`, import.meta.url), {
    workerData: { path, successor, beatMs },
    execArgv: [],
    stdout: false,
  });
  heart.unref();
  const fenced = new Promise<ShoalError>((resolve) => {
    heart.on("message", () => {
      const text = `Cannot go on with run ${layout.directory}: another head has taken it, since this one seemed dead`;
      resolve(new ShoalError("Fenced", text));
    });
    // Without its heart it goes on: on this machine its process says that it is alive.
    heart.on("error", () => {});
  });
  return {
    number,
    fenced,
    end() {
      void heart.terminate();
      try {
        writeFileSync(join(layout.heads, numbered(number, ".ended")), "", { mode: fileMode });
      } catch {
        // It will be found dead instead.
      }
    },
  };
}

function readHead(path: string): HeadRecord | undefined {
  try {
    const head: unknown = JSON.parse(readFileSync(path, "utf8"));
    const isHead = typeof head === "object" && head !== null && "pid" in head && "host" in head && "token" in head;
    return isHead ? head as HeadRecord : undefined;
  } catch {
    return undefined;
  }
}

function isAlive(head: HeadRecord | undefined, number: number, layout: RunLayout): boolean {
  // Where its processes can be seen, they say at once what the heartbeat says after a minute.
  const ended = head === undefined ? undefined : hasEnded(head);
  return ended === undefined ? sinceBeat(number, layout) < staleMs : !ended;
}

/** By the clock of the file system, so that those of two machines need not agree. */
function sinceBeat(number: number, layout: RunLayout): number {
  const [beat = 0] = [".beat", ".json"].flatMap((ending) => {
    try {
      return [statSync(join(layout.heads, numbered(number, ending))).mtimeMs];
    } catch {
      return [];
    }
  });
  const probe = join(layout.heads, `probe.${process.pid}.tmp`);
  try {
    writeFileSync(probe, "", { mode: fileMode });
    return statSync(probe).mtimeMs - beat;
  } catch {
    // Read-only from here: this machine's clock, then.
    return Date.now() - beat;
  } finally {
    try {
      unlinkSync(probe);
    } catch {
      // It was not made.
    }
  }
}
