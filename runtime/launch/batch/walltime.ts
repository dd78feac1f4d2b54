// Walltimes: as people write them, as schedulers print them.

import { ShoalError } from "../../../stores/error.ts";

const daySeconds = 86_400;
const walltimeSecondsMax = 366 * daySeconds;

/** Seconds of `HH:MM:SS`, `D-HH:MM:SS` or `1d12h30m`. `10:00` is refused: Slurm and PBS read it differently. */
export function readWalltime(text: string): number {
  const clock = /^(?:(\d{1,3})-)?(\d{1,4}):([0-5]?\d):([0-5]?\d)$/.exec(text);
  const parts = /^(?:(\d{1,3})d)?(?:(\d{1,4})h)?(?:(\d{1,6})m)?(?:(\d{1,8})s)?$/.exec(text);
  const [, days = 0, hours = 0, minutes = 0, seconds = 0] = (clock ?? parts ?? []).map((part) => Number(part ?? 0));
  const all = days * daySeconds + hours * 3_600 + minutes * 60 + seconds;
  if (text !== "" && all > 0 && all <= walltimeSecondsMax) return all;
  const why = /^\d+:\d+$/.test(text) ? "is it minutes or hours" : "expected a time";
  throw new ShoalError("BadInput", `Cannot read --walltime ${text}: ${why}; write it as HH:MM:SS, or as 1h30m`);
}

/** `HH:MM:SS`, which Slurm and PBS read alike. */
export function walltimeText(seconds: number): string {
  const two = (value: number): string => String(Math.floor(value)).padStart(2, "0");
  return `${two(seconds / 3_600)}:${two(seconds / 60 % 60)}:${two(seconds % 60)}`;
}

/** What Slurm and PBS print: `1-02:03:04`, `02:03:04`, `03:04`, `04`; nothing for `UNLIMITED` and its like. */
export function readClock(text: string): number | undefined {
  const [, days = "0", clock = ""] = /^(?:(\d+)-)?(\d+(?::\d+){0,2})$/.exec(text.trim()) ?? [];
  if (clock === "") return undefined;
  const units = clock.split(":").map(Number);
  // With days, what follows begins with hours.
  const padded = days === "0" ? units : [...units, 0, 0].slice(0, 3);
  return Number(days) * daySeconds + padded.reduce((sum, unit) => sum * 60 + unit, 0);
}
