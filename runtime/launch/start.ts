// One start of a worker: it is told which node it is to be, and joins within its time, or there is an error that says
// what was run, where, and what it wrote.

import { rmSync } from "node:fs";
import { join } from "node:path";
import { type ErrorCode, ShoalError } from "../../stores/error.ts";
import type { Crew } from "./crews.ts";
import { type Joining, unjoinedCode, writeJoining } from "./joining.ts";
import type { WorkerEnd, WorkerProcess } from "./launcher.ts";
import { realWorld } from "./world.ts";

export interface StartOptions {
  readonly crew: Crew;
  /** What only this one finds in its environment. No secrets: it stands on its command line. */
  readonly shown: { readonly [name: string]: string };
  readonly number: number;
  readonly host: string;
  readonly told: Omit<Joining, "ticket">;
  readonly joinTimeoutMs: number;
}

export interface Start {
  readonly ticket: string;
  readonly askedAt: number;
  readonly process: WorkerProcess;
  /** Settles when it has joined; rejects with why it did not. */
  readonly joined: Promise<void>;
  /** It has joined, or will not be let in. */
  settle(error?: ShoalError): void;
}

export function startWorker(options: StartOptions): Start {
  const { number, host, told, joinTimeoutMs } = options;
  const { launcher, command, files, name } = options.crew;
  const ticket = realWorld.token();
  const file = join(files, `${told.node}.${ticket}.join`);
  const own = Object.entries(options.shown).map(([name, value]) => `${name}=${value}`);
  const [program = "", ...args] = own.length === 0 ? command : ["env", ...own, ...command];
  writeJoining(file, { ...told, ticket });
  const askedAt = realWorld.date();
  const started = launcher.start(number, host, { program, args: [...args, file], env: {}, folder: process.cwd() });
  let settle!: (error?: ShoalError) => void;
  const joined = new Promise<void>((resolve, reject) => {
    settle = (error) => {
      clearTimeout(timer);
      // It holds secrets, and nobody needs it again.
      rmSync(file, { force: true });
      if (error === undefined) resolve();
      else reject(error);
    };
  });
  joined.catch(() => {});
  const timer = setTimeout(() => {
    started.signal("SIGKILL");
    settle(notJoined(`did not join within ${joinTimeoutMs} ms (limits.joinTimeoutMs)`));
  }, joinTimeoutMs);
  void started.ended.then((end) => settle(notJoined(`${endOf(end)} before it had joined`, unjoinedCode(end.code))));

  function notJoined(why: string, code: ErrorCode = "Unavailable"): ShoalError {
    const lines = started.output();
    const said = lines.length === 0
      ? "it wrote nothing"
      : `its last lines:\n${lines.map((line) => `  ${line}`).join("\n")}`;
    const who = started.pid === undefined
      ? `a process on ${started.host}`
      : `process ${started.pid} on ${started.host}`;
    const what = `Cannot start node ${told.node}${ofGroup(name)}`;
    return new ShoalError(code, `${what}: ${who} ${why}; it was run as ${started.shown}; ${said}`);
  }

  return { ticket, askedAt, process: started, joined, settle };
}

/** Behind a node's name, where it belongs to a group. */
export const ofGroup = (name: string | undefined): string => name === undefined ? "" : ` of group ${name}`;

/** How a process ended, behind its name. */
export function endOf({ code, signal, error }: WorkerEnd): string {
  if (error !== undefined) return `could not be started (${error.message})`;
  return signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`;
}
