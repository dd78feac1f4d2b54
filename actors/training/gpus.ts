// Which GPUs this machine has, and whether those that somebody asks for are among them.

import { readdirSync } from "node:fs";

/** Their numbers. */
export function gpus(): string[] {
  try {
    return readdirSync("/dev").flatMap((name) => /^nvidia(\d+)$/.exec(name)?.[1] ?? []).sort();
  } catch {
    return [];
  }
}

/** What is wrong with a list such as `0,1`; those that are named by their identifiers are not looked for. */
export function lackingGpus(list: string): string | undefined {
  const asked = list.split(",").map((gpu) => gpu.trim()).filter((gpu) => gpu !== "" && gpu !== "-1");
  if (asked.length === 0) return undefined;
  const installed = gpus();
  if (installed.length === 0) return `GPUs ${list} are asked for, and this machine has none`;
  const missing = asked.filter((gpu) => /^\d+$/.test(gpu) && !installed.includes(gpu));
  if (missing.length === 0) return undefined;
  return `there is no GPU ${missing.join(", ")}; there are ${installed.join(", ")}`;
}
