// The search space of a run: the molecules of a table, each once, with their fingerprints in the store.

import { ShoalError, type System, type TensorRef } from "../../runtime/mod.ts";
import { fingerprintWords } from "./chemistry.ts";
import { Fingerprints } from "./fingerprints.ts";
import type { Candidate } from "./molecule.ts";
import type { Table } from "./table.ts";

export interface Space {
  readonly candidates: readonly Candidate[];
  /** Those that trainers read, and those that predictors do: the same, where both have one store. */
  readonly fingerprints: { readonly [Task in "train" | "infer"]: TensorRef<"uint32"> };
  /** What was put and got on the way to them. */
  readonly bytes: number;
  /** What was recorded of each; nothing where the table says nothing. */
  readonly energies: Float64Array | undefined;
}

/** Molecules of one task: what weighs less than a message may. */
const chunk = 2_000;

/** Reads the fingerprints of a table's molecules. What is no molecule, or stands there twice, is left out and told. */
export async function spaceOf(
  system: System,
  table: Table,
  workers: number,
  say: (line: string) => void,
): Promise<Space> {
  const pool = await system.pool(Fingerprints, { size: workers, task: "simulate" });
  const parts: string[][] = [];
  for (let from = 0; from < table.smiles.length; from += chunk) parts.push(table.smiles.slice(from, from + chunk));
  const computed = await pool.map("compute", parts);
  await pool.stop();

  const names = computed.flatMap(({ names }) => names);
  const known = new Set<string>();
  const kept: number[] = [];
  const invalid: number[] = [];
  const twice: number[] = [];
  names.forEach((name, row) => {
    if (name === null) invalid.push(row);
    else if (known.has(name)) twice.push(row);
    else {
      known.add(name);
      kept.push(row);
    }
  });
  const tell = (rows: readonly number[], what: string): void => {
    if (rows.length === 0) return;
    const first = rows[0]!;
    say(
      `left out ${rows.length} of ${names.length}, ${what}; the first on line ${table.lines[first]}: ${
        table.smiles[first]
      }`,
    );
  };
  tell(invalid, "no molecules that RDKit knows");
  tell(twice, "in the space more than once");
  if (kept.length === 0) {
    throw new ShoalError(
      "BadInput",
      "Cannot read the space: no line of it is a molecule; its column smiles wants SMILES, such as CCO",
    );
  }

  const [forTrainers, forPredictors] = [system.storeOf("train"), system.storeOf("infer")];
  const draft = await forTrainers.allocate("uint32", [kept.length, fingerprintWords]);
  let next = 0;
  for (const [part, { bits }] of computed.entries()) {
    const tensor = await system.store.get(bits);
    for (; next < kept.length && kept[next]! < (part + 1) * chunk; next++) {
      const at = kept[next]! % chunk * fingerprintWords;
      draft.data.set(tensor.data.subarray(at, at + fingerprintWords), next * fingerprintWords);
    }
    tensor.done();
    await system.store.release(bits);
  }
  const { data } = draft;
  const apart = forPredictors === forTrainers
    ? undefined
    : await forPredictors.put<"uint32">({ data, shape: draft.shape });
  const train = await draft.seal();
  const { energies } = table;
  return {
    candidates: kept.map((row) => ({ smiles: table.smiles[row]! })),
    fingerprints: { train, infer: apart ?? train },
    bytes: computed.reduce((sum, { bits }) => sum + bits.bytes, 0),
    energies: energies === undefined ? undefined : Float64Array.from(kept, (row) => energies[row]!),
  };
}
