// The vertical ionization energy of one molecule, by Open Babel (from SMILES to three dimensions) and xtb (GFN2): the
// energy of the cation minus that of the molecule, both in the molecule's own relaxed shape.

import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { ShoalError } from "../../runtime/mod.ts";
import { executablePath, text } from "../programs/program.ts";
import { recipe } from "../programs/recipe.ts";

export interface Energy {
  /** Vertical ionization energy, in electronvolts. */
  readonly ieEv: number;
  /** Of the relaxed molecule, in hartree. */
  readonly totalHartree: number;
}

/** Computes energies; every call is a recipe of three programs. */
export interface Calculator {
  energy(smiles: string, options?: { readonly signal?: AbortSignal; readonly log?: string }): Promise<Energy>;
}

export interface CalculatorOptions {
  /** After this long a computation is ended. */
  readonly timeoutMs?: number;
  readonly scratch?: string;
  /** How many shapes each molecule is started from; the one of least energy counts. */
  readonly starts?: number;
}

const evPerHartree = 27.211386245988;
const cure = "install xtb and openbabel (apt-get install xtb openbabel, or conda-forge), or take --simulator recorded";

/** Whether both programs are on the PATH. */
export function canCompute(): boolean {
  return executablePath("obabel") !== undefined && executablePath("xtb") !== undefined;
}

/** What `shoal doctor` says of them: where they are, or what goes without. */
export function chemistryPrograms(): { what: string; state: "ok" | "warning"; found: string; cure?: string } {
  const what = "chemistry";
  const places = ["xtb", "obabel"].map((name) => ({ name, path: executablePath(name) }));
  const missing = places.filter(({ path }) => path === undefined).map(({ name }) => name);
  if (missing.length === 0) {
    return { what, state: "ok", found: `${places.map(({ path }) => path).join(" and ")}: molecules computes energies` };
  }
  const found = `no ${missing.join(", and no ")} on the PATH: molecules looks energies up that earlier runs recorded`;
  return { what, state: "warning", found, cure: "to compute them: apt-get install xtb openbabel, or conda-forge" };
}

export function calculator({ timeoutMs = 60_000, scratch, starts = 1 }: CalculatorOptions = {}): Calculator {
  // More threads than one are slower for molecules of this size: of both programs, and of Open Babel on a busy machine
  // ten times, since its threads wait for each other without rest.
  const single = { OMP_NUM_THREADS: "1", MKL_NUM_THREADS: "1" };
  const programs = recipe({
    executables: ["obabel", "xtb"],
    environment: { ...single, ...parametersOf(executablePath("xtb")) },
    timeoutMs,
    cure,
    ...(scratch === undefined ? {} : { scratch }),
  });

  async function one(smiles: string, job: { signal?: AbortSignal; log?: string }): Promise<Energy> {
    const { said: [, relaxed = "", cation = ""] } = await programs.run({
      ...job,
      steps: [
        {
          executable: "obabel",
          arguments: [`-:${smiles}`, "--gen3d", "-oxyz", "-O", "start.xyz"],
          leaves: ["start.xyz"],
        },
        {
          executable: "xtb",
          // So tight that the shape, which starts at random, does not show in the energy.
          arguments: ["start.xyz", "--gfn", "2", "--opt", "extreme"],
          leaves: ["xtbopt.xyz"],
        },
        { executable: "xtb", arguments: ["xtbopt.xyz", "--gfn", "2", "--chrg", "1", "--uhf", "1", "--norestart"] },
      ],
      outputs: { "start.xyz": text(shape), "xtbopt.xyz": text(shape) },
    });
    const totalHartree = totalEnergy(smiles, relaxed);
    return { totalHartree, ieEv: (totalEnergy(smiles, cation) - totalHartree) * evPerHartree };
  }

  return {
    async energy(smiles, job = {}) {
      let best = await one(smiles, job);
      for (let again = 1; again < starts; again++) {
        const other = await one(smiles, job);
        if (other.totalHartree < best.totalHartree) best = other;
      }
      return best;
    },
  };
}

/** XTBPATH, where the parameters lie beside the program: what it was built with may not hold any more. */
function parametersOf(path: string | undefined): { XTBPATH?: string } {
  if (process.env["XTBPATH"] !== undefined || path === undefined) return {};
  const folder = join(dirname(dirname(path)), "share", "xtb");
  return existsSync(join(folder, "param_gfn2-xtb.txt")) ? { XTBPATH: folder } : {};
}

/** An xyz file with as many atoms as it says, in different places. Open Babel ends well after a SMILES that is none. */
function shape(xyz: string): string {
  const lines = xyz.split("\n");
  const count = Number(lines[0]);
  const places = lines.slice(2, 2 + count).map((line) => line.trim().split(/\s+/).slice(1, 4).join(" "));
  if (!(count > 0) || places.length < count) throw new TypeError(`it holds ${places.length} atoms of ${lines[0]}`);
  if (!places.every((place) => place.split(" ").every((number) => Number.isFinite(Number(number))))) {
    throw new TypeError("a place is no number");
  }
  if (new Set(places).size < count) throw new TypeError("two atoms are in one place");
  return xyz;
}

function totalEnergy(smiles: string, said: string): number {
  const energy = Number(
    /\|\s*TOTAL ENERGY\s+(-?\d+\.\d+)\s+Eh/.exec(said.slice(said.lastIndexOf("| TOTAL ENERGY")))?.[1],
  );
  if (Number.isFinite(energy)) return energy;
  throw new ShoalError(
    "Corrupt",
    `Cannot compute ${smiles}: xtb said no total energy; it said last: ${said.trim().slice(-300)}`,
  );
}
