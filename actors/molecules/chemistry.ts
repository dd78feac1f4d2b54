// Molecules as RDKit sees them, in WebAssembly: canonical names, fingerprints, patterns and pictures. What RDKit
// allocates is freed before anything returns.

import rdkit from "@rdkit/rdkit";

/** What a thread needs of chemistry; loaded once in each. */
export interface Chemistry {
  /** The one name of a molecule, or nothing where the SMILES is none. */
  canonical(smiles: string): string | undefined;
  /** Writes the bits of a Morgan fingerprint, least significant first; false where the SMILES is none. */
  fingerprint(smiles: string, into: Uint32Array): boolean;
  /** A test for molecules in which any of these patterns (SMARTS) occurs. */
  patterns(smarts: readonly string[]): Patterns;
  /** A drawing, as SVG; nothing where the SMILES is none. */
  picture(smiles: string, width: number, height: number): string | undefined;
}

export interface Patterns {
  matches(smiles: string): boolean;
  free(): void;
}

export const fingerprintRadius = 4;
export const fingerprintBits = 256;
export const fingerprintWords: number = fingerprintBits / 32;

const morgan = JSON.stringify({ radius: fingerprintRadius, nBits: fingerprintBits });

let loaded: Promise<Chemistry> | undefined;

/** Loads RDKit into this thread, the first time it is asked. */
export function chemistry(): Promise<Chemistry> {
  return loaded ??= load();
}

async function load(): Promise<Chemistry> {
  const kit = await rdkit.default();
  // It says on the console why a SMILES is none; that is for whoever asked to say.
  kit.disable_logging();

  /** What is made of a molecule, which is freed whatever happens. */
  function of<T>(smiles: string, make: (molecule: NonNullable<ReturnType<typeof kit.get_mol>>) => T): T | undefined {
    // An empty text would be a molecule of no atoms.
    const molecule = smiles.trim() === "" ? null : kit.get_mol(smiles);
    if (molecule === null) return undefined;
    try {
      return make(molecule);
    } finally {
      molecule.delete();
    }
  }

  return {
    canonical: (smiles) => of(smiles, (molecule) => molecule.get_smiles()),
    fingerprint(smiles, into) {
      const done = of(smiles, (molecule) => {
        const bytes: Uint8Array = molecule.get_morgan_fp_as_uint8array(morgan);
        for (let word = 0; word < fingerprintWords; word++) {
          const at = word * 4;
          into[word] = bytes[at]! | bytes[at + 1]! << 8 | bytes[at + 2]! << 16 | bytes[at + 3]! << 24;
        }
        return true;
      });
      return done === true;
    },
    patterns(smarts) {
      const queries = smarts.map((text) => {
        const query = kit.get_qmol(text);
        if (query === null) throw new TypeError(`Cannot search for ${text}: it is no pattern`);
        return query;
      });
      return {
        matches: (smiles) =>
          of(smiles, (molecule) => queries.some((query) => molecule.get_substruct_match(query) !== "{}")) === true,
        free() {
          for (const query of queries.splice(0)) query.delete();
        },
      };
    },
    picture: (smiles, width, height) => of(smiles, (molecule) => molecule.get_svg(width, height)),
  };
}
