// What a campaign writes down, a line a task, while it runs: the tables that people plot, and what a resume knows. Each
// life of a run begins its files anew, with all that they hold: an earlier life that was only taken for dead has the old
// ones open, and changes nothing.

import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { ShoalError } from "../runtime/mod.ts";
import type { LearningLine, SimulationLine } from "./simulation.ts";

export interface Journal {
  /** What earlier lives of the run have simulated, by candidate. */
  readonly known: ReadonlyMap<number, SimulationLine>;
  /** Whether it is with the system when this returns: a kill of the process loses nothing of it then. */
  simulated(line: SimulationLine): boolean;
  learned(line: LearningLine): void;
  /** Fenced where a later life of the run has begun: nothing of this one is wanted any more. */
  check(): void;
  close(): void;
}

const fileMode = 0o600;
const encoder = new TextEncoder();

/** The journal of a run directory; without one, nothing is kept. `fail` is told why no more can be written. */
export function journal(directory: string | undefined, fail: (error: Error) => void): Journal {
  const known = new Map<number, SimulationLine>();
  if (directory === undefined) return { known, simulated: () => true, learned() {}, check() {}, close() {} };
  const path = (task: string): string => join(directory, `${task}.jsonl`);
  const before = linesOf(path("simulate"));
  for (const line of simulationsIn(before)) if (!known.has(line.row)) known.set(line.row, line);
  const files = {
    simulate: replaced(path("simulate"), before),
    train: replaced(path("train"), linesOf(path("train"))),
    infer: replaced(path("infer"), linesOf(path("infer"))),
  };
  const own = fstatSync(files.simulate).ino;

  function check(): void {
    // A file that somebody has removed is nobody's reason to stop.
    const now = statSync(path("simulate"), { throwIfNoEntry: false })?.ino ?? own;
    if (now === own) return;
    const why = "another head has taken it, since this one seemed dead";
    throw new ShoalError("Fenced", `Cannot go on with run ${directory}: ${why}`);
  }

  function write(task: "simulate" | "train" | "infer", line: SimulationLine | LearningLine): boolean {
    try {
      check();
      writeAll(files[task], `${JSON.stringify(line)}\n`);
      return true;
    } catch (error) {
      fail(error instanceof Error ? error : new Error(String(error)));
      return false;
    }
  }

  return {
    known,
    simulated: (line) => write("simulate", line),
    learned: (line) => void write(line.task, line),
    check,
    close() {
      for (const file of Object.values(files)) closeSync(file);
    },
  };
}

/** The lines of a file that are whole: a life that was killed may have left half of its last. */
function linesOf(path: string): string[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, "utf8").split("\n");
  const last = lines.pop() ?? "";
  return parsed(last) === undefined ? lines : [...lines, last];
}

/** Puts a new file in the place of another, with these lines, and opens it to write more. */
function replaced(path: string, lines: readonly string[]): number {
  const made = `${path}.${process.pid}.tmp`;
  const file = openSync(made, "w", fileMode);
  try {
    writeAll(file, lines.map((line) => `${line}\n`).join(""));
    fsyncSync(file);
    renameSync(made, path);
  } catch (error) {
    closeSync(file);
    throw error;
  }
  return file;
}

function writeAll(file: number, text: string): void {
  for (let rest = encoder.encode(text); rest.length > 0;) rest = rest.subarray(writeSync(file, rest));
}

function simulationsIn(lines: readonly string[]): SimulationLine[] {
  return lines.map(parsed).filter((line): line is SimulationLine =>
    typeof line === "object" && line !== null && "row" in line && Number.isInteger(line.row)
  );
}

/** What a line says; nothing where it is cut, or none. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
