// How far a run is, in one line: its kinds of tasks, done and to do, and how long it takes.

import type { RunSummary, TaskSummary } from "../run/summary.ts";
import { duration } from "./terminal.ts";

const kindsShownMax = 4;
const barChars = 12;

/** One line; `elapsedMs` since this head began. */
export function progressLine(summary: RunSummary, elapsedMs: number): string {
  const kinds = [...summary.tasks].slice(-kindsShownMax).map(([name, tasks]) => `${name} ${tasksText(tasks)}`);
  const crashes = summary.actors.crashes === 0 ? [] : [`${summary.actors.crashes} crashes`];
  return [duration(elapsedMs), ...(kinds.length === 0 ? ["no tasks yet"] : kinds), ...crashes].join(" · ");
}

/** `▰▰▰▱▱ 312/500, 1 failed`. */
export function tasksText({ planned, done, failed, underWay }: TaskSummary): string {
  const parts = [planned === undefined ? `${done} done` : `${bar(done / Math.max(1, planned))} ${done}/${planned}`];
  if (failed > 0) parts.push(`${failed} failed`);
  if (underWay > 0) parts.push(`${underWay} under way`);
  return parts.join(", ");
}

function bar(share: number): string {
  const full = Math.max(0, Math.min(barChars, Math.round(share * barChars)));
  return "▰".repeat(full) + "▱".repeat(barChars - full);
}
