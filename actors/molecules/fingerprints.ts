// Fingerprints of a search space: computed once, in parallel, and kept in the store as rows of bits.

import { Actor, type TensorRef } from "../../runtime/mod.ts";
import { chemistry, fingerprintWords } from "./chemistry.ts";

/** What is known of a part of the space: each molecule's one name and its bits; no name where it is no molecule. */
export interface Fingerprinted {
  readonly names: readonly (string | null)[];
  /** Rows of bits, in the store. */
  readonly bits: TensorRef<"uint32">;
}

export class Fingerprints extends Actor {
  static readonly module: string = import.meta.url;

  async compute(smiles: readonly string[]): Promise<Fingerprinted> {
    const kit = await chemistry();
    const bits = new Uint32Array(smiles.length * fingerprintWords);
    const names = smiles.map((text, index) => {
      const row = bits.subarray(index * fingerprintWords, (index + 1) * fingerprintWords);
      return kit.fingerprint(text, row) ? kit.canonical(text) ?? null : null;
    });
    const shape = [smiles.length, fingerprintWords];
    return { names, bits: await this.store.put({ data: bits, dtype: "uint32", shape }) };
  }
}
