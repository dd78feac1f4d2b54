// The simulation: the ionization energy of one molecule, computed by xtb or looked up among recorded ones.

import { Actor, ShoalError } from "../../runtime/mod.ts";
import { type Calculator, calculator, type CalculatorOptions } from "./xtb.ts";
import { readTable, recordedSpace } from "./table.ts";

export interface MoleculeInput extends CalculatorOptions {
  readonly simulator: "xtb" | "recorded";
  /** The table of recorded energies; the one that comes with shoal unless said. */
  readonly space?: string;
  readonly column?: string;
  /** A file that xtb's output is copied to. */
  readonly log?: string;
}

export interface Candidate {
  readonly smiles: string;
}

/** What is maximised is the ionization energy, in electronvolts. */
export interface Simulated {
  readonly value: number;
  readonly simulator: "xtb" | "recorded";
  /** When it computed, in milliseconds since 1970. */
  readonly startedAt: number;
  readonly endedAt: number;
}

export class Molecule extends Actor {
  static readonly module: string = import.meta.url;
  readonly #input: MoleculeInput;
  #calculator: Calculator | undefined;
  #recorded: ReadonlyMap<string, number> | undefined;

  constructor(input: MoleculeInput) {
    super();
    this.#input = input;
  }

  started(): void {
    const { simulator, space, column } = this.#input;
    if (simulator === "xtb") {
      this.#calculator = calculator(this.#input);
      return;
    }
    const { smiles, energies } = readTable(space ?? recordedSpace, column);
    if (energies === undefined) {
      throw new ShoalError(
        "BadInput",
        `Cannot read recorded energies: ${space} has no column ie; name one by --column, or take --simulator xtb`,
      );
    }
    this.#recorded = new Map(smiles.map((name, index) => [name, energies[index]!]));
  }

  async simulate({ smiles }: Candidate): Promise<Simulated> {
    const { simulator, log } = this.#input;
    const startedAt = this.now();
    const value = this.#calculator === undefined
      ? this.#recorded?.get(smiles) ?? NaN
      : (await this.#calculator.energy(smiles, { signal: this.signal, ...(log === undefined ? {} : { log }) })).ieEv;
    if (Number.isFinite(value)) return { value, simulator, startedAt, endedAt: this.now() };
    throw new ShoalError("Missing", `Cannot simulate ${smiles}: it has no recorded energy`);
  }
}
