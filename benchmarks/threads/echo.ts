// The task that does nothing, as a module: piscina and tinypool call its default export.

/** Answers what it is given. */
export default function echo(n: number): number {
  return n;
}
