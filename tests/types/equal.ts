// For the right programs: asserts that an inferred type is exactly the one expected, neither wider nor `any`.

/** `true` where the two types are the same to the compiler, `false` where either merely fits the other. */
export type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** Compiles only for `true`: `expectType<Equal<typeof reply, number>>()`. */
export function expectType<_Is extends true>(): void {}
