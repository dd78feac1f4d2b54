// Values of every shape, for the tests of messages: some that may be sent, and some that may not.
import { fc } from "../suite.ts";
import { Point } from "./sending.ts";

export type Tree = unknown;
const keys = fc.oneof(
  fc.constantFrom(
    "a",
    "b",
    "$",
    "ref",
    "id",
    "text",
    "members",
    "length",
    "0",
    "01",
    "constructor",
    "toJSON",
    "then",
    "é",
    "e\u0301",
    "",
  ),
  fc.string({ unit: "binary", maxLength: 3 }).filter((key) => key !== "__proto__"),
);
export const goodLeaf: fc.Arbitrary<Tree> = fc.oneof(
  fc.constantFrom(null, true, false, NaN, Infinity, -Infinity, -0, 0, "", "$"),
  fc.double(),
  fc.bigInt(),
  fc.string({ unit: "binary" }),
  fc.uint8Array({ maxLength: 9 }),
  fc.float64Array({ maxLength: 3 }),
  fc.float32Array({ maxLength: 3 }),
  fc.bigInt64Array({ maxLength: 2 }),
  fc.uint8Array({ minLength: 4, maxLength: 9 }).map((array) => array.subarray(1, 3)),
  fc.uint8Array({ maxLength: 5 }).map((array) => Buffer.from(array)),
);
const badLeaf: fc.Arbitrary<Tree> = fc.constantFrom<Tree>(
  () => 1,
  Symbol("s"),
  new Date(0),
  new Map(),
  new Point(),
  new DataView(new ArrayBuffer(1)),
);
export const tree = (leaf: fc.Arbitrary<Tree>): fc.Arbitrary<Tree> =>
  fc.letrec<{ tree: Tree }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 5, withCrossShrink: true },
      leaf,
      fc.array(tie("tree"), { maxLength: 4 }),
      fc.dictionary(
        keys,
        fc.oneof({ weight: 9, arbitrary: tie("tree") }, { weight: 1, arbitrary: fc.constant(undefined) }),
        {
          maxKeys: 5,
        },
      ),
    ),
  })).tree;
export const anything: fc.Arbitrary<Tree> = tree(fc.oneof(
  { weight: 30, arbitrary: goodLeaf },
  { weight: 1, arbitrary: badLeaf },
));
