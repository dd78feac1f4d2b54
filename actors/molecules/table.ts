// A search space as a table: tab or comma separated, with a header that names a column `smiles`, and perhaps one of
// recorded energies. Lines that begin with # say how it was made.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { ShoalError } from "../../runtime/mod.ts";

export interface Table {
  readonly smiles: readonly string[];
  /** Where each stands in the file, from 1. */
  readonly lines: readonly number[];
  /** Recorded energies in electronvolts; nothing where the table has no such column. NaN where a cell is empty. */
  readonly energies: Float64Array | undefined;
}

/** The recorded energies that come with shoal: how they were made stands at their beginning. */
export const recordedSpace: URL = new URL("./energies.tsv", import.meta.url);

const energyColumn = "ie";

/** Reads a table. BadInput, with the line and a cure, where it is none. */
export function readTable(path: string | URL, column?: string): Table {
  const name = path instanceof URL ? fileURLToPath(path) : path;
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
    const why = code === "ENOENT" ? "there is no such file" : code === "EISDIR" ? "it is a folder" : String(cause);
    throw new ShoalError("BadInput", `Cannot read the space ${name}: ${why}; --space wants a table in a file`, {
      cause,
    });
  }
  return parseTable(text, name, column);
}

export function parseTable(text: string, name: string, column?: string): Table {
  const fail = (why: string): never => {
    throw new ShoalError("BadInput", `Cannot read the space ${name}: ${why}`);
  };
  const rows = text.replace(/^\uFEFF/, "").split(/\r\n|\n|\r/)
    .map((row, index) => ({ row, line: index + 1 }))
    .filter(({ row }) => row.trim() !== "" && !row.startsWith("#"));
  const header = rows.shift();
  if (header === undefined) return fail("it is empty; its first line names its columns, one of them smiles");
  const separator = header.row.includes("\t") ? "\t" : ",";
  const split = (row: string): string[] => row.split(separator).map((cell) => cell.trim().replace(/^"(.*)"$/, "$1"));
  const columns = split(header.row);
  const at = columns.findIndex((title) => title.toLowerCase() === "smiles");
  const names = `it names ${columns.join(", ")}, as tabs or commas part them`;
  if (at < 0) return fail(`line ${header.line} names no column smiles; ${names}`);
  const energyAt = columns.indexOf(column ?? energyColumn);
  if (column !== undefined && energyAt < 0) {
    return fail(`line ${header.line} names no column ${column}; ${names}`);
  }
  if (rows.length === 0) return fail(`no molecules follow its header on line ${header.line}; write one on each line`);
  const energies = energyAt < 0 ? undefined : new Float64Array(rows.length);
  const smiles = rows.map(({ row, line }, index) => {
    const cells = split(row);
    const energy = cells[energyAt];
    if (energies !== undefined) energies[index] = energy === undefined || energy === "" ? NaN : Number(energy);
    if (Number.isNaN(energies?.[index] ?? 0) && energy !== undefined && energy !== "" && !/^nan$/i.test(energy)) {
      return fail(
        `line ${line}: ${columns[energyAt]} is ${
          JSON.stringify(energy)
        }, which is no number of electronvolts; leave it empty where none is known`,
      );
    }
    return cells[at] ?? "";
  });
  return { smiles, lines: rows.map(({ line }) => line), energies };
}
