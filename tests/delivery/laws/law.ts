// What a law is here: its name (DESIGN §5), and the exception that says that it was broken, and by what.

export const lawNames = [
  "L1",
  "L2",
  "L3",
  "L4",
  "L5",
  "L6",
  "L9",
  "L11",
  "L12",
  "L13",
  "L14",
  "L15",
  "L16",
] as const;

export type Law = (typeof lawNames)[number];

export class Violation extends Error {
  readonly law: Law;
  constructor(law: Law, message: string) {
    super(`${law}: ${message}`);
    this.law = law;
  }
}

/** Whether it holds; throws the violation where it does not, unless nobody asks about this law. */
export type Must = (holds: boolean, law: Law, message: () => string) => boolean;

/** Which laws are asked: all of them, unless it is to be seen what one alone notices, or what the others do. */
export type Asked = (law: Law) => boolean;

export const mustOf = (asked: Asked = () => true): Must => (holds, law, message) => {
  if (!holds && asked(law)) throw new Violation(law, message());
  return holds;
};
