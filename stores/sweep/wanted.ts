// The runs of a place that somebody asks for: all, or one by its name, which may be misspelt.

import { nearest, ShoalError } from "../error.ts";

export function wantedOf<R extends { readonly run: string }>(
  runs: readonly R[],
  wanted: string | undefined,
  url: string,
): readonly R[] {
  if (wanted === undefined) return runs;
  const found = runs.filter(({ run }) => run === wanted);
  if (found.length === 0) throw unknownRun(wanted, runs.map(({ run }) => run), url);
  return found;
}

export function unknownRun(run: string, runs: readonly string[], url: string): ShoalError {
  const near = nearest(run, runs);
  const hint = near === undefined ? `it holds ${runs.slice(0, 5).join(", ") || "none"}` : `did you mean ${near}?`;
  return new ShoalError("BadInput", `Cannot find run ${run.slice(0, 80)} in ${url}; ${hint}`);
}
