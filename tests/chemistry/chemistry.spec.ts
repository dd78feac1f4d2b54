// Fingerprints, neighbours, the search space and its table: against plain arithmetic, bad input, and real xtb where
// there is one.
import { readFileSync } from "node:fs";
import { chemistry, fingerprintBits, fingerprintWords } from "../../actors/molecules/chemistry.ts";
import { grown } from "../../actors/molecules/growth.ts";
import { nearest } from "../../actors/molecules/neighbours.ts";
import { parseTable, readTable, recordedSpace } from "../../actors/molecules/table.ts";
import { calculator, canCompute } from "../../actors/molecules/xtb.ts";
import { random } from "../../runtime/mod.ts";
import { assert, fc, long, property, runtime, seed, skip, test } from "../suite.ts";

test("fingerprint is a function of the molecule, not of how it is written", async () => {
  const kit = await chemistry();
  const bits = (smiles: string): string => {
    const words = new Uint32Array(fingerprintWords);
    assert.ok(kit.fingerprint(smiles, words), smiles);
    return [...words].map((word) => word.toString(16)).join(" ");
  };
  assert.equal(bits("OCC"), bits("CCO"));
  assert.equal(bits("C1=CC=CC=C1"), bits("c1ccccc1"));
  assert.notEqual(bits("CCO"), bits("CCN"));
  assert.equal(kit.canonical("OCC"), "CCO");
  for (const wrong of ["", " ", "C(((", "CX", "C1CC", "C(C)(C)(C)(C)C"]) {
    assert.equal(kit.fingerprint(wrong, new Uint32Array(fingerprintWords)), false, wrong);
    assert.equal(kit.canonical(wrong), undefined, wrong);
  }
});

test("chemistry frees what it makes", async () => {
  const kit = await chemistry();
  const words = new Uint32Array(fingerprintWords);
  const some = (count: number): void => {
    for (let i = 0; i < count; i++) {
      kit.fingerprint(i % 10 === 9 ? "C(((" : "CC(F)OC=O", words);
      if (i % 100 === 0) kit.canonical("C1CC1O");
    }
  };
  some(10_000);
  // What leaks grows in every round; what the garbage collector has not come to yet does not. At 2 kB for each that is
  // not freed, a round would be 40 MB (200 MB where long).
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 3; round++) {
    const before = process.memoryUsage().rss;
    some(long ? 100_000 : 20_000);
    least = Math.min(least, process.memoryUsage().rss - before);
  }
  assert.ok(least < 20 * 2 ** 20, `${least} bytes more in each round`);
}, { timeoutMs: 120_000 });

test("grown finds each molecule once, by its one name, and none that is unwanted", async () => {
  const kit = await chemistry();
  const space = grown(kit, 4);
  assert.equal(new Set(space).size, space.length);
  for (const smiles of space) assert.equal(kit.canonical(smiles), smiles);
  for (const there of ["C", "CCO", "C1CC1", "CC#N", "C=CC=O", "FC(F)F"]) assert.ok(space.includes(there), there);
  for (const strange of ["OO", "FO", "C=C=C", "C1=CC1", "C#CO", "NN"]) assert.ok(!space.includes(strange), strange);
});

/** Straight from the definition, slowly. */
function naive(space: Uint32Array, bits: Uint32Array, values: Float64Array, k: number): number[] {
  const setOf = (words: Uint32Array, row: number): boolean[] =>
    Array.from(
      { length: fingerprintBits },
      (_, bit) => (words[row * fingerprintWords + (bit >>> 5)]! >>> (bit & 31) & 1) === 1,
    );
  return Array.from({ length: space.length / fingerprintWords }, (_, row) => {
    const one = setOf(space, row);
    const near = [...values.keys()].map((known) => {
      const other = setOf(bits, known);
      const both = one.filter((is, bit) => is && other[bit]).length;
      const any = one.filter((is, bit) => is || other[bit]).length;
      return { known, distance: any === 0 ? 0 : 1 - both / any };
    }).sort((a, b) => a.distance - b.distance || a.known - b.known).slice(0, k);
    const same = near.filter(({ distance }) => distance === 0);
    if (same.length > 0) return same.reduce((sum, { known }) => sum + values[known]!, 0) / same.length;
    const weights = near.reduce((sum, { distance }) => sum + 1 / distance, 0);
    return near.reduce((sum, { known, distance }) => sum + values[known]! * (1 / distance), 0) / weights;
  });
}

test("nearest is what its definition says, with ties and with equals", () =>
  property([
    fc.record({ seed: fc.integer(), known: fc.integer({ min: 1, max: 12 }), k: fc.integer({ min: 1, max: 5 }) }),
  ], ({ seed, known, k }) => {
    const dice = random(seed);
    // Few different words, so that equal and equally far ones are common; all-zero rows too.
    const word = (): number => [0, 0, 1, 3, 0x80000001, 0xffffffff][dice.below(6)]!;
    const rows = (count: number): Uint32Array =>
      Uint32Array.from({ length: count * fingerprintWords }, (_, at) => at % fingerprintWords < 2 ? word() : 0);
    const [space, bits] = [rows(9), rows(known)];
    const values = Float64Array.from({ length: known }, () => dice.below(100));
    const out = new Float64Array(9);
    nearest(space, bits, values, k, out);
    naive(space, bits, values, k).forEach((expected, row) => {
      assert.ok(Math.abs(out[row]! - expected) < 1e-9, `row ${row}: ${out[row]}, not ${expected}`);
    });
  }));

test("parseTable reads what people have, and names the line of what it cannot read", () => {
  const { smiles, energies, lines } = parseTable("\uFEFF# how\r\nid,SMILES,ie\r\n1,CCO,14.8\r\n\r\n2,CC,\r\n", "t");
  assert.deepEqual(smiles, ["CCO", "CC"]);
  assert.deepEqual(lines, [3, 5]);
  assert.deepEqual([...energies!].map(String), ["14.8", "NaN"]);
  assert.equal(parseTable("smiles\nC", "t").energies, undefined);
  assert.deepEqual([...parseTable("smiles\tmine\nC\t3", "t", "mine").energies!], [3]);
  for (
    const [text, why] of [
      ["", /empty/],
      ["# only\n", /empty/],
      ["name\tie\nC\t1", /line 1 names no column smiles/],
      ["smiles\tie\n", /no molecules follow/],
      ["smiles\tie\nC\t1\nCC\tmuch", /line 3: ie is "much"/],
    ] as const
  ) assert.throws(() => parseTable(text, "t"), { code: "BadInput", message: why });
  assert.throws(() => parseTable("smiles\tie\nC\t1", "t", "energy"), { code: "BadInput", message: /no column energy/ });
  assert.throws(() => readTable("/nowhere/at-all.tsv"), { code: "BadInput" });
});

test("recorded energies are of molecules that grown finds, each once, and say how they were made", async () => {
  const kit = await chemistry();
  const { smiles, energies } = readTable(recordedSpace);
  assert.ok(smiles.length > 400);
  assert.equal(new Set(smiles).size, smiles.length);
  for (const name of smiles) assert.equal(kit.canonical(name), name);
  for (const energy of energies!) assert.ok(energy > 8 && energy < 22, String(energy));
  const small = grown(kit, 4).filter((name) => name.length > 1);
  assert.deepEqual(small.filter((name) => !smiles.includes(name)), []);
  assert.match(readFileSync(recordedSpace, "utf8"), /made again by\n# shoal run energies --atoms/);
});

/** What gives a molecule several shapes: bonds that turn, hydroxyl and amino groups, rings that pucker, carbons that bend. */
const flexible = [
  "[!$(*#*)&!D1]-&!@[!$(*#*)&!D1]",
  "[OX2H]",
  "[NX3;H1,H2]",
  "[NX2H]",
  "[X4;R;!r3]",
  "[NX3;R]",
  "[#6]C#C[#6]",
];

test("calculator computes recorded energies again, within 1 meV", async () => {
  if (!canCompute()) skip("xtb or obabel is not on the PATH");
  const { smiles, energies } = readTable(recordedSpace);
  const patterns = (await chemistry()).patterns(flexible);
  // It starts from a shape at random: which of several it finds depends on that, and so does the energy.
  const rigid = [...smiles.keys()].filter((row) => !patterns.matches(smiles[row]!));
  patterns.free();
  assert.ok(rigid.length > 100, `${rigid.length} have but one shape`);
  // A row takes seconds, all of them xtb's own: 20 are computed on one runtime. On the other, four show that it starts
  // the programs and reads them as well; what they compute does not depend on it.
  const rows = long || runtime === "node" ? 20 : 4;
  for (const row of random(seed).shuffled(rigid).slice(0, rows)) {
    const { ieEv } = await calculator().energy(smiles[row]!);
    assert.ok(Math.abs(ieEv - energies![row]!) <= 0.001, `${smiles[row]}: ${ieEv}, recorded ${energies![row]}`);
  }
}, { timeoutMs: 300_000 });
