// What cases are drawn from: names that collide, sizes at every edge, all dtypes. The one file of the laws that knows
// fast-check; the others take it from here.
import fc from "fast-check";
import { dtypes, elementBytes } from "../dtype.ts";
import type { Dtype, Lifetime } from "../store.ts";

export { fc };

/** Without it, fast-check caps a list at ten whatever its `maxLength` says. */
export const listOf = <T>(one: fc.Arbitrary<T>, maxLength: number, minLength: number = 0): fc.Arbitrary<T[]> =>
  fc.array(one, { minLength, maxLength, size: "max" });

/** Names that one store or another takes for each other: by case, form, separator, as a path, or as a key of objects. */
export const hostileNames: readonly string[] = [
  "a",
  "aa",
  "a/b",
  "a/",
  "/a",
  "a:b",
  "a.b",
  "..",
  ".",
  "../a",
  "é",
  "e\u0301",
  "A",
  "a\0b",
  " ",
  "a b",
  "a%2Fb",
  "a*",
  "__proto__",
  "constructor",
  "\u{1F41F}",
  "x".repeat(300),
];

export const names: fc.Arbitrary<string> = fc.constantFrom(...hostileNames);

/** Where stores change how they keep something, unless a subject names its own: a slot, a page, a threshold, a chunk. */
export const edgesBytes: readonly number[] = [64, 512, 4_096, 10_000, 65_536, 2 ** 20];

/** A tensor to make. Its bytes follow from `fill`, so that a case stays small enough to be read. */
export interface Made {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly fill: number;
}

const shapes: fc.Arbitrary<readonly number[]> = fc.oneof(
  { weight: 3, arbitrary: fc.array(fc.nat(7), { maxLength: 4, size: "max" }) },
  { weight: 2, arbitrary: fc.constantFrom<readonly number[]>([], [0], [1], [3], [7, 0, 2], [1, 1, 1, 1, 1]) },
  { weight: 2, arbitrary: fc.nat(300).map((length) => [length]) },
);

const fills = fc.nat(255);

export const smallTensors: fc.Arbitrary<Made> = fc.record({
  dtype: fc.constantFrom(...dtypes),
  shape: shapes,
  fill: fills,
});

/** Ones that differ in nothing but their bytes: who mixes them up shows no other sign of it. */
export const alikeTensors: fc.Arbitrary<Made> = fc.oneof(
  { weight: 1, arbitrary: smallTensors },
  { weight: 2, arbitrary: fills.map((fill) => ({ dtype: "uint8" as const, shape: [5], fill })) },
);

/** Small ones, and now and then one that ends just before, at or just behind an edge. */
export function tensors(edges: readonly number[]): fc.Arbitrary<Made> {
  const atEdge = fc.record({
    dtype: fc.constantFrom(...dtypes),
    edge: fc.constantFrom(...edges),
    by: fc.integer({ min: -1, max: 1 }),
    fill: fills,
  }).map(({ dtype, edge, by, fill }) => ({ dtype, shape: [Math.floor(edge / elementBytes(dtype)) + by], fill }));
  return fc.oneof({ weight: 4, arbitrary: smallTensors }, { weight: 1, arbitrary: atEdge });
}

export const lifetimes: fc.Arbitrary<Lifetime> = fc.oneof(
  fc.constant<Lifetime>({ until: "release" }),
  fc.record({ reads: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ leaseMs: fc.integer({ min: 1, max: 400 }) }),
);
