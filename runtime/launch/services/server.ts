// One server of a run's own on this machine: started on a free port, ended in order when the run ends, and by a shell
// that guards it whatever becomes of the process that started it.

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { totalmem } from "node:os";
import { join } from "node:path";
import { ShoalError } from "../../../stores/error.ts";
import type { OwnPlace, OwnServer } from "../../../stores/open.ts";
import { fileMode, folderMode } from "../../run/layout.ts";

export interface ServerOptions {
  readonly server: OwnServer;
  /** What it keeps lies here. */
  readonly folder: string;
  /** The address that it listens at. */
  readonly host: string;
  readonly password: string;
  readonly keeps: boolean;
  /** How many run on this machine: they share what memory they may take. */
  readonly share: number;
  /** A folder that goes with it, where nobody resumes what it was for. */
  readonly away?: string | undefined;
}

export interface RunningServer {
  readonly place: OwnPlace;
  readonly about: string;
  /** Settles when it has ended, with what it said last. */
  readonly ended: Promise<string>;
  /** Ends it in order. */
  stop(): Promise<void>;
}

const triesMax = 5;
const lookMs = 20;
const lookMsMax = 250;
/** Of the machine's memory, servers may take so much together: the rest is for what computes. */
const memoryPart = 0.5;
const linesShown = 12;

/**
 * Starts the server, and ends it when its own input ends, which it does with whoever holds the other side: even after a
 * SIGKILL. Signals that a scheduler sends to all that a job has started do not end it, where `env` can keep them off:
 * who drains needs its store.
 */
const guard = `
folder=$1 sign=$2 grace=$3 away=$4; shift 4
cd "$folder" || exit 1
trap "" TERM INT; trap : HUP
exec 3<&0 </dev/null
quiet=; env --block-signal=TERM true 2>/dev/null && quiet="env --block-signal=TERM"
$quiet "$@" 3<&- & own=$!
(
  read -r word <&3
  kill -s "$sign" $own 2>/dev/null
  while [ $grace -gt 0 ] && kill -0 $own 2>/dev/null; do sleep 0.1; grace=$((grace - 1)); done
  kill -9 $own 2>/dev/null
) & reader=$!
while :; do wait $own; code=$?; kill -0 $own 2>/dev/null || break; done
kill -9 $reader 2>/dev/null
[ -z "$away" ] || rm -rf "$away"
exit $code`;

/** A port that was free there a moment ago. */
export function freePort(host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const listener = createServer();
    listener.once("error", reject);
    listener.listen(0, host, () => {
      const address = listener.address();
      const port = address !== null && typeof address === "object" ? address.port : 0;
      listener.close(() => resolve(port));
    });
  });
}

export async function runServer(options: ServerOptions): Promise<RunningServer> {
  const { server, folder, host } = options;
  const found = await server.found();
  mkdirSync(folder, { recursive: true, mode: folderMode });
  for (let tries = 1;; tries++) {
    const place = { host, port: await freePort(host) };
    const sidePort = await freePort("127.0.0.1");
    const memoryBytesMax = Math.floor(totalmem() * memoryPart / options.share);
    const { password, keeps } = options;
    const command = await server.prepare({ ...place, found, folder, password, memoryBytesMax, keeps, sidePort });
    const child = launched(options, command);
    const said = await untilReady(child, place, options);
    if (said === undefined) {
      return {
        place,
        about: found.about,
        ended: child.ended,
        stop: () => stopped(child, server),
      };
    }
    await stopped(child, server);
    if (server.taken.test(said) && tries < triesMax) continue;
    const what = `Cannot start ${server.scheme}:auto: ${found.about} did not come up in ${folder}`;
    throw new ShoalError("Unavailable", `${what}; ${lastWords(said)}`);
  }
}

interface Launched {
  readonly child: ChildProcess;
  readonly ended: Promise<string>;
  hasEnded(): boolean;
}

function launched({ server, folder, away = "" }: ServerOptions, command: readonly string[]): Launched {
  const path = join(folder, "server.log");
  const log = openSync(path, "a", fileMode);
  const from = statSync(path).size;
  const grace = String(server.endMsMax / 100);
  // A session of its own: a terminal's ctrl-C is for the one that leads. What it writes goes to a file: a pipe that
  // nobody empties for a while would hold it up.
  const child = spawn("/bin/sh", ["-c", guard, "server", folder, server.endSignal, grace, away, ...command], {
    stdio: ["pipe", log, log],
    detached: true,
  });
  closeSync(log);
  child.stdin?.on("error", () => {});
  child.unref();
  if (child.stdin !== null && "unref" in child.stdin && typeof child.stdin.unref === "function") child.stdin.unref();
  let isOver = false;
  const ended = new Promise<string>((resolve) => {
    const over = (why: string): void => {
      isOver = true;
      resolve(why + textFrom(path, from));
    };
    child.once("exit", () => over(""));
    child.once("error", (error) => over(`${error.message}\n`));
  });
  return { child, ended, hasEnded: () => isOver };
}

/** What it wrote since it was started. */
function textFrom(path: string, from: number): string {
  try {
    return readFileSync(path).subarray(from).toString();
  } catch {
    return "";
  }
}

/** Nothing once it answers as ours; else what it said. */
async function untilReady(
  { ended, hasEnded }: Launched,
  place: OwnPlace,
  { server, password }: ServerOptions,
): Promise<string | undefined> {
  const end = performance.now() + server.readyMsMax;
  for (let waitMs = lookMs; !hasEnded(); waitMs = Math.min(lookMsMax, waitMs * 1.5)) {
    if (await server.who(place, password) === "ready" && !hasEnded()) return undefined;
    if (performance.now() > end) return `it did not answer within ${server.readyMsMax / 1_000} s`;
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
  return await ended;
}

async function stopped({ child, ended }: Launched, server: OwnServer): Promise<void> {
  // Nothing else may be going on, and then nobody would see it end.
  child.ref();
  child.stdin?.destroy();
  const timer = setTimeout(() => child.kill("SIGKILL"), server.endMsMax * 2);
  await ended;
  clearTimeout(timer);
}

export function lastWords(text: string): string {
  const lines = text.trim().split("\n").filter((line) => line.trim() !== "").slice(-linesShown);
  return lines.length === 0 ? "it wrote nothing" : `its last lines:\n${lines.map((line) => `  ${line}`).join("\n")}`;
}
