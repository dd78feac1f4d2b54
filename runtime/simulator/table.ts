// What happened, as a table for people: who did what when, and where there are nodes, a line down for each of them, on
// which one sees what crosses from one to another, and when a process was gone, or held still.

import type { Happening } from "./scene.ts";
import type { Simulation } from "./simulate.ts";

/** What happened, as a table for people: the last steps of a run, and how it went. */
export function table(simulation: Simulation<unknown>): string {
  const { seed, outcome, error, happenings, faults, foreign, difference } = simulation;
  const nodes = [...new Set(happenings.flatMap(({ node, to }) => [node, to]).filter((node) => node !== undefined))];
  const lanes = lanesOf(nodes.sort((a, b) => Number(b === "main") - Number(a === "main") || (a < b ? -1 : 1)));
  const rows = happenings.map((happening) => {
    const { step, timeMs, who } = happening;
    const time = `${timeMs.toFixed(nodes.length === 0 ? 0 : 2)} ms`;
    return [String(step), time, lanes.row(happening), who, said(happening)] as const;
  });
  const width = (column: 0 | 1 | 3): number => Math.max(0, ...rows.map((row) => row[column].length));
  const [steps, times, whos] = [width(0), width(1), width(3)];
  const lines = rows.map(([step, time, lane, who, what]) =>
    [step.padStart(steps), time.padStart(times), ...(nodes.length === 0 ? [] : [lane]), who.padEnd(whos), what].join(
      "  ",
    )
  );
  if (nodes.length > 0) lines.unshift(["".padStart(steps), "".padStart(times), lanes.head].join("  "));
  const why = error === undefined ? "" : `: ${error instanceof Error ? error.message : String(error)}`;
  lines.push(`seed ${seed} ${outcome}${why}`, `faults ${JSON.stringify(faults)}`);
  if (difference !== undefined) {
    const { expected, happened } = difference;
    const shown = (what: typeof expected): string =>
      what === undefined ? "nothing" : `${what.who} ${said(what)} at step ${what.step}`;
    lines.push(`expected ${shown(expected)}, and there was ${shown(happened)}`);
  }
  if (foreign !== undefined) {
    lines.push(`${foreign.actor ?? "the program"} used ${foreign.what}: take this.now() and this.random instead`);
  }
  return lines.join("\n");
}

const said = ({ what, details }: Happening): string => details === undefined ? what : `${what}: ${details}`;

interface Lanes {
  readonly head: string;
  row(happening: Happening): string;
}

/** Lines down, one a node; they remember which processes are gone from row to row. */
function lanesOf(nodes: readonly string[]): Lanes {
  const width = Math.max(4, ...nodes.map((node) => node.length)) + 2;
  const lines = new Map(nodes.map((node) => [node, "│"]));
  return {
    head: nodes.map((node) => node.padEnd(width)).join(""),
    row({ node, to, process }) {
      if (node === undefined) return nodes.map((name) => lines.get(name)!.padEnd(width)).join("");
      if (process !== undefined) lines.set(node, { starts: "│", wakes: "│", pauses: "┊", ends: " " }[process]);
      const marks = { starts: "▽", wakes: "▽", pauses: "△", ends: "✕" };
      const cells = nodes.map((name) => lines.get(name)!.padEnd(width).split(""));
      const from = nodes.indexOf(node);
      if (to === undefined) {
        cells[from]![0] = process === undefined ? "●" : marks[process];
        return cells.flat().join("");
      }
      const row = cells.flat();
      const [start, end] = [from * width, nodes.indexOf(to) * width];
      for (let at = Math.min(start, end); at <= Math.max(start, end); at++) row[at] = "─";
      row[start] = "●";
      row[end] = start < end ? "▶" : "◀";
      return row.join("");
    },
  };
}
