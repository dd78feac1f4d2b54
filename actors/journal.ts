// What a campaign writes down, a line a task, while it runs: the tables that people plot, and what a resume knows.

import { appendFileSync, closeSync, existsSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { LearningLine, SimulationLine } from "./simulation.ts";

export interface Journal {
  /** What earlier lives of the run have simulated, by candidate. */
  readonly known: ReadonlyMap<number, SimulationLine>;
  /** It is with the system when this returns: a kill of the process loses nothing of it. */
  simulated(line: SimulationLine): void;
  learned(line: LearningLine): void;
  close(): void;
}

const fileMode = 0o600;

/** The journal of a run directory; without one, nothing is kept. */
export function journal(directory: string | undefined): Journal {
  if (directory === undefined) return { known: new Map(), simulated() {}, learned() {}, close() {} };
  const known = new Map<number, SimulationLine>();
  const path = (task: string): string => join(directory, `${task}.jsonl`);
  for (const line of linesOf(path("simulate"))) if (!known.has(line.row)) known.set(line.row, line);
  const files = new Map<string, number>();

  function write(task: "simulate" | "train" | "infer", line: SimulationLine | LearningLine): void {
    let file = files.get(task);
    if (file === undefined) {
      // A life that was killed may have left half a line.
      if (existsSync(path(task)) && !readFileSync(path(task), "utf8").endsWith("\n")) appendFileSync(path(task), "\n");
      files.set(task, file = openSync(path(task), "a", fileMode));
    }
    writeSync(file, `${JSON.stringify(line)}\n`);
  }

  return {
    known,
    simulated: (line) => write("simulate", line),
    learned: (line) => write(line.task, line),
    close() {
      for (const file of files.values()) closeSync(file);
      files.clear();
    },
  };
}

function linesOf(path: string): SimulationLine[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, "utf8").split("\n").flatMap((text) => {
    try {
      const line: unknown = JSON.parse(text);
      const isLine = typeof line === "object" && line !== null && "row" in line && Number.isInteger(line.row);
      return isLine ? [line as SimulationLine] : [];
    } catch {
      // Half a line: that simulation runs again.
      return [];
    }
  });
}
