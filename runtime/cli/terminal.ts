// Where a verb writes: results to stdout, everything else to stderr; colours and a live line only where a person looks
// at a terminal that takes them.

export interface Terminal {
  /** Whether a person sees what is written to stderr as it is drawn. */
  readonly live: boolean;
  /** A line of the result, to stdout. */
  result(line: string): void;
  /** A line on the way, to stderr. */
  say(line: string): void;
  /** The one line that is drawn over again; on a stderr that is no terminal, a line every few seconds. */
  progress(line: string): void;
  /** Ends the drawn line, leaving it as it stands. */
  settle(): void;
  readonly paint: Paint;
}

export type Colour = "bold" | "dim" | "red" | "green" | "yellow" | "blue";
export type Paint = (text: string, colour: Colour) => string;

const codes: { readonly [C in Colour]: number } = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, blue: 34 };
/** How often a stderr that is no terminal is told of progress. */
const plainPeriodMs = 5_000;

/** What is written to, and what the environment says of it. */
export interface Streams {
  readonly stdout: { write(text: string): unknown; readonly isTTY?: boolean };
  readonly stderr: { write(text: string): unknown; readonly isTTY?: boolean; readonly columns?: number };
  readonly environment: { readonly [name: string]: string | undefined };
  now(): number;
}

/** The terminal of this process, or of a test. With `quiet`, nothing but results is written. */
export function openTerminal({ stdout, stderr, environment, now }: Streams, quiet: boolean = false): Terminal {
  const dumb = environment["TERM"] === "dumb";
  const live = stderr.isTTY === true && !dumb;
  const coloured = stdout.isTTY === true && !dumb && (environment["NO_COLOR"] ?? "") === "";
  let drawn = "";
  let saidAt = now();

  function erase(): void {
    if (drawn !== "") stderr.write("\r\x1b[K");
  }

  return {
    live,
    result: (line) => {
      erase();
      stdout.write(`${line}\n`);
      if (drawn !== "") stderr.write(drawn);
    },
    say: (line) => {
      if (quiet) return;
      erase();
      stderr.write(`${line}\n`);
      if (drawn !== "") stderr.write(drawn);
    },
    progress: (line) => {
      if (quiet) return;
      if (live) {
        erase();
        drawn = line.slice(0, Math.max(20, (stderr.columns ?? 80) - 1));
        stderr.write(drawn);
      } else if (now() - saidAt >= plainPeriodMs) {
        saidAt = now();
        stderr.write(`${line}\n`);
      }
    },
    settle: () => {
      if (drawn !== "") stderr.write("\n");
      drawn = "";
    },
    paint: (text, colour) => coloured ? `\x1b[${codes[colour]}m${text}\x1b[0m` : text,
  };
}

/** Rows in columns as wide as their widest cell; the last one is not filled up. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, i) => widths[i] = Math.max(widths[i] ?? 0, cell.length));
  return rows.map((row) =>
    row.map((cell, i) => i === row.length - 1 ? cell : cell.padEnd(widths[i]!)).join("  ").trimEnd()
  );
}

/** A moment, in UTC: the machines of a run may stand anywhere. */
export function moment(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** A span of time as people say it. */
export function duration(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** A number of bytes as people say it: units of a thousand. */
export function size(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1];
  return `${unit === 0 || value >= 100 ? value.toFixed(0) : value.toPrecision(3)} ${units[unit]}`;
}
