// The search space: all molecules of carbon, nitrogen, oxygen and fluorine up to some size, grown atom by atom and bond
// by bond, without those that are strained, reactive, or would rearrange at once.

import type { Chemistry } from "./chemistry.ts";

/** A graph of heavy atoms: elements by index, and the order of the bond between each two. */
interface Graph {
  readonly atoms: readonly Element[];
  /** By `i * atoms + j`, both ways. */
  readonly bonds: Uint8Array;
}

type Element = keyof typeof valences;

const valences = { C: 4, N: 3, O: 2, F: 1 } as const;
const elements = Object.keys(valences) as Element[];

/** What is left out, and why. */
const unwanted: readonly string[] = [
  "[O,F]~[O,F]", // peroxides, hypofluorites
  "[#7]-[F]",
  "[#7;!a]~[#7;!$(N#N)]", // hydrazines, azides; aromatic rings may hold two of them
  "[#7X3;!a]-[#8;!a]", // hydroxylamines
  "[CX3;!a]=[NX2;!$(N-[OX2H])]", // imines fall apart in water; oximes stay
  "[NX2]=[OX1]", // nitroso
  "*=*=*", // cumulated double bonds
  "[R]#[R]", // a triple bond bends into no small ring
  "[r3,r4]=*", // strained
  "[x3,x4;r3,r4]", // fused or joined at a corner
  "[a;r3,r4]",
  "[nX3]~[nX3]",
  "n~n~n",
  "n-[O,N,F]",
  "[OX2H,NX3;!H0]-[CX3]=[CX3]", // enols, enamines
  "[OX2H,NX3]-[CX4]-[OX2H,NX3]", // hydrates, aminals
  "[NX3]-[CX4]-[OX2]",
  "[F]-[CX4]-[OX2H,NX3]", // these lose HF
  "[CX3](=O)F",
  "[OX2H]-[CX3](=O)-[OX2,NX3]", // these lose CO2
  "[O,N,F]-[CX3]=[NX2]-O",
  "[O,N,F]-[CX2]#C",
  "[O,F]-C#N",
];

/** Every molecule of 1 to `atomsMax` heavy atoms, sorted by size and name. `tell` hears how far it is. */
export function grown(chemistry: Chemistry, atomsMax: number, tell?: (atoms: number, found: number) => void): string[] {
  const patterns = chemistry.patterns(unwanted);
  const found: string[] = [];
  let trees: Graph[] = elements.map((element) => ({ atoms: [element], bonds: new Uint8Array(1) }));
  for (let size = 1; size <= atomsMax; size++) {
    if (size > 1) trees = distinct(chemistry, trees.flatMap(extended));
    // Any molecule is a tree of single bonds that was given more of them: rings, double and triple bonds.
    const known = new Set<string>();
    let latest = trees;
    while (latest.length > 0) {
      const next: Graph[] = [];
      for (const graph of latest) {
        const name = chemistry.canonical(written(graph));
        if (name === undefined || known.has(name)) continue;
        known.add(name);
        next.push(...bonded(graph));
      }
      latest = next;
    }
    found.push(...[...known].filter((name) => !patterns.matches(name)).sort());
    tell?.(size, found.length);
  }
  patterns.free();
  return found;
}

function distinct(chemistry: Chemistry, graphs: readonly Graph[]): Graph[] {
  const known = new Map<string, Graph>();
  for (const graph of graphs) {
    const name = chemistry.canonical(written(graph));
    if (name !== undefined && !known.has(name)) known.set(name, graph);
  }
  return [...known.values()];
}

/** How many more bonds an atom takes. */
function free({ atoms, bonds }: Graph, atom: number): number {
  let used = 0;
  for (let other = 0; other < atoms.length; other++) used += bonds[atom * atoms.length + other]!;
  return valences[atoms[atom]!] - used;
}

/** Single bonds that no molecule here keeps; a longer tree would have them still. */
const neverBonded: ReadonlySet<string> = new Set(["OO", "OF", "FO", "FF", "NF", "FN"]);

/** The tree with one more atom, at each place. */
function extended(graph: Graph): Graph[] {
  const size = graph.atoms.length;
  const larger: Graph[] = [];
  for (let atom = 0; atom < size; atom++) {
    if (free(graph, atom) === 0) continue;
    for (const element of elements) {
      if (neverBonded.has(graph.atoms[atom]! + element)) continue;
      const bonds = new Uint8Array((size + 1) * (size + 1));
      for (let i = 0; i < size; i++) bonds.set(graph.bonds.subarray(i * size, (i + 1) * size), i * (size + 1));
      bonds[atom * (size + 1) + size] = bonds[size * (size + 1) + atom] = 1;
      larger.push({ atoms: [...graph.atoms, element], bonds });
    }
  }
  return larger;
}

/** The graph with one more bond, at each place. */
function bonded(graph: Graph): Graph[] {
  const size = graph.atoms.length;
  const richer: Graph[] = [];
  for (let i = 0; i < size; i++) {
    if (free(graph, i) === 0) continue;
    for (let j = i + 1; j < size; j++) {
      const order = graph.bonds[i * size + j]!;
      if (order === 3 || free(graph, j) === 0) continue;
      if (order === 0 && neverBonded.has(graph.atoms[i]! + graph.atoms[j]!)) continue;
      const bonds = graph.bonds.slice();
      bonds[i * size + j] = bonds[j * size + i] = order + 1;
      richer.push({ atoms: graph.atoms, bonds });
    }
  }
  return richer;
}

const bondSigns = ["", "", "=", "#"] as const;

/** A SMILES of the graph, from its first atom on; each bond that closes a ring has a number. */
function written({ atoms, bonds }: Graph): string {
  const size = atoms.length;
  const order: number[] = [];
  const parent = new Map<number, number>();
  const visit = (atom: number): void => {
    order.push(atom);
    for (let other = 0; other < size; other++) {
      if (bonds[atom * size + other] === 0 || order.includes(other)) continue;
      parent.set(other, atom);
      visit(other);
    }
  };
  visit(0);
  const closures = atoms.map(() => "");
  let rings = 0;
  for (let i = 0; i < size; i++) {
    for (let j = i + 1; j < size; j++) {
      const bond = bonds[i * size + j]!;
      if (bond === 0 || parent.get(i) === j || parent.get(j) === i) continue;
      const mark = `${bondSigns[bond]}%${10 + rings++}`;
      closures[i] += mark;
      closures[j] += mark;
    }
  }
  const text = (atom: number): string => {
    const branches = order.filter((child) => parent.get(child) === atom)
      .map((child) => bondSigns[bonds[atom * size + child]!] + text(child));
    const last = branches.pop() ?? "";
    return `${atoms[atom]}${closures[atom]}${branches.map((branch) => `(${branch})`).join("")}${last}`;
  };
  return text(0);
}
