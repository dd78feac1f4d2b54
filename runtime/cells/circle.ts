// Circles of asks: of handlers that each wait for the next, none would ever go on.

import { Cell } from "./cell.ts";

/** The chain from asker to asker that one more ask would close, or nothing. */
export function circle(asker: Cell, asked: Cell): Cell[] | undefined {
  if (asked === asker) return [asker, asker];
  // Who was reached from whom; a chain may be longer than the stack is deep.
  const from = new Map<Cell, Cell>([[asked, asker]]);
  const open = [asked];
  for (let cell = open.pop(); cell !== undefined; cell = open.pop()) {
    for (const next of waitedFor(cell)) {
      if (next === asker) return chainTo(cell, asker, from);
      if (from.has(next)) continue;
      from.set(next, cell);
      open.push(next);
    }
  }
  return undefined;
}

function chainTo(last: Cell, asker: Cell, from: ReadonlyMap<Cell, Cell>): Cell[] {
  const chain = [asker];
  for (let cell: Cell | undefined = last; cell !== undefined && cell !== asker; cell = from.get(cell)) chain.push(cell);
  return [...chain, asker].reverse();
}

/** Only a handler that is under way waits for answers; one also waits for those that it is starting. */
function* waitedFor({ busy, extras }: Cell): Generator<Cell> {
  if (extras === undefined) return;
  if (busy) {
    for (const { from } of extras.asking ?? []) if (from.target instanceof Cell) yield from.target;
  }
  yield* extras.waitsFor ?? [];
}
