// Kinds of tasks, as pools and actors ask for them and as processes take them: a process may take some kinds only.

import { nearest, ShoalError } from "../stores/error.ts";
import { isTaskKind, type TaskKind, taskKinds } from "../stores/open.ts";

/** What takes no part in this is of the kind "". */
export const noKind = "";

/** The kind of task that somebody asks for, if it is one. `what` stands before the colon of an error. */
export function taskOf(what: string, task: unknown): TaskKind | undefined {
  if (task === undefined || isTaskKind(task)) return task;
  throw new ShoalError("BadInput", `${what}: task is ${String(task)}; ${hintFor(task)}`);
}

/** What was most likely meant. */
export function hintFor(task: unknown): string {
  const near = nearest(String(task), taskKinds);
  return near === undefined ? `expected one of ${taskKinds.join(", ")}` : `did you mean ${near}?`;
}

/** Whether a process takes tasks of a kind; one of which nothing is said takes all. */
export const isTaken = (takes: readonly string[] | undefined, task: string | undefined): boolean =>
  takes === undefined || takes.includes(task ?? noKind);

/** That nobody takes it. */
export function untaken(what: string, task: string | undefined): ShoalError {
  const kind = task === undefined ? "tasks without a kind" : `${task} tasks`;
  const cure = `add ${JSON.stringify(task ?? "simulate")} to the kinds of a group, or to the run's own kinds`;
  return new ShoalError("BadInput", `${what}: no group of workers takes ${kind}; ${cure}`);
}
