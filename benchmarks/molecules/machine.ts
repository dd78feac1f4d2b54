// What the programs that a process starts cost the machine, and molecules to compute: the same for shoal and the shell.

import { readFileSync } from "node:fs";

const ticksPerSecond = 100;

/** The processor's time of all programs that this process has started and that have ended. */
export function childrenSeconds(): number {
  const fields = readFileSync("/proc/self/stat", "utf8").replace(/^.*\) /, "").split(" ");
  // Of the table in proc(5), the 16th and the 17th; the first two are cut off.
  return (Number(fields[13]) + Number(fields[14])) / ticksPerSecond;
}

/** So many molecules of a table, spread over it. */
export function moleculesOf(table: string, count: number): string[] {
  const lines = readFileSync(table, "utf8").split("\n").filter((line) => line !== "" && !line.startsWith("#")).slice(1);
  return Array.from({ length: count }, (_, n) => lines[Math.floor(n * lines.length / count)]!.split("\t")[0]!);
}
