// `shoal run energies`: makes the table of recorded energies. Every molecule that `grown` finds, computed by xtb; those
// that fail are listed, and not made up. Resumed, it computes what is missing.

import { writeFileSync } from "node:fs";
import { ShoalError, type System } from "../../runtime/mod.ts";
import { chemistry } from "./chemistry.ts";
import { grown } from "./growth.ts";
import { Molecule } from "./molecule.ts";
import { canCompute } from "./xtb.ts";

export const settings = {
  "atoms": { default: 6, about: "heavy atoms of the largest molecules", least: 2 },
  "starts": { default: 1, about: "shapes each is started from; the one of least energy counts", least: 1 },
  "simulate-workers": { default: 2, about: "actors that compute", least: 1 },
  "timeout": { default: 60, about: "seconds after which the programs of a molecule are ended" },
  "out": { default: "energies.tsv", about: "the table that is written", value: "FILE" },
} as const;

type Settings = {
  readonly [K in keyof typeof settings]: (typeof settings)[K]["default"] extends string ? string : number;
};

export interface EnergiesResult {
  readonly molecules: number;
  readonly failed: number;
  readonly file: string;
}

export default async function energies(
  system: System,
  { atoms, starts, "simulate-workers": workers, timeout, out }: Settings,
  say: (line: string) => void,
): Promise<EnergiesResult> {
  if (!canCompute()) {
    throw new ShoalError(
      "BadInput",
      "Cannot compute energies: xtb or obabel is missing; apt-get install xtb openbabel",
    );
  }
  const space = grown(await chemistry(), atoms, (size, found) => say(`${size} heavy atoms: ${found} molecules so far`));
  // Atoms with their hydrogens are no molecules that anybody searches for.
  const smiles = space.filter((name) => name.length > 1);
  const input = { simulator: "xtb", timeoutMs: timeout * 1000, starts } as const;
  const pool = await system.pool(Molecule, { size: workers, input });
  const rows: string[] = [];
  const failures: string[] = [];
  const inputs = smiles.map((name) => ({ smiles: name }));
  for await (const result of pool.results("simulate", inputs, { name: "energies" })) {
    const name = smiles[result.index];
    if (result.error === undefined) rows[result.index] = `${name}\t${result.value.value.toFixed(4)}`;
    else failures.push(`# no energy for ${name}: ${result.error.message.split("\n")[0]!.slice(0, 120)}`);
  }
  const head = [
    "# Vertical ionization energies in electronvolts: GFN2-xTB, E(cation) - E(molecule) at the molecule's relaxed shape,",
    `# each started from ${starts} Open Babel shape${
      starts === 1 ? "" : "s"
    }, of all molecules of C, N, O and F with 2 to ${atoms} heavy atoms`,
    "# that growth.ts keeps. Made with xtb 6.5.1 and Open Babel 3.1.1, and made again by",
    `# shoal run energies --atoms ${atoms} --starts ${starts} --out energies.tsv`,
  ];
  writeFileSync(
    out,
    [...head, ...failures.sort(), "smiles\tie", ...rows.filter((row) => row !== undefined), ""].join("\n"),
  );
  return { molecules: rows.filter((row) => row !== undefined).length, failed: failures.length, file: out };
}
