// Circles of asks: of handlers that each wait for the next, none would ever go on.

import type { Cell } from "./cell.ts";

/** The chain from asker to asker that one more ask would close, or nothing. */
export function circle(asker: Cell, asked: Cell): Cell[] | undefined {
  if (asked === asker) return [asker, asker];
  const first = asked.extras?.asking;
  if (first === undefined || first.size === 0) return undefined;
  const seen = new Set<Cell>([asked]);
  const chain = [asker, asked];

  function search(cell: Cell): boolean {
    // Only a handler that is under way waits.
    if (!cell.busy) return false;
    for (const call of cell.extras?.asking ?? []) {
      const next = call.from.target as Cell;
      chain.push(next);
      if (next === asker) return true;
      if (!seen.has(next)) {
        seen.add(next);
        if (search(next)) return true;
      }
      chain.pop();
    }
    return false;
  }

  return search(asked) ? chain : undefined;
}
