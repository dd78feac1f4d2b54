// Circles of asks: of handlers that each wait for the next, none would ever go on.

import type { Cell } from "./cell.ts";

/** The chain from asker to asker that one more ask would close, or nothing. */
export function circle(asker: Cell, asked: Cell): Cell[] | undefined {
  if (asked === asker) return [asker, asker];
  if (!waits(asked)) return undefined;
  const seen = new Set<Cell>([asked]);
  const chain = [asker, asked];

  function search(cell: Cell): boolean {
    for (const next of waits(cell) ? waitedFor(cell) : []) {
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

/** Only a handler that is under way waits, or one that is starting another right now. */
function waits(cell: Cell): boolean {
  const { extras } = cell;
  if (extras === undefined) return false;
  return (cell.busy && (extras.asking?.size ?? 0) > 0) || (extras.waitsFor?.size ?? 0) > 0;
}

function* waitedFor({ extras }: Cell): Generator<Cell> {
  for (const call of extras?.asking ?? []) yield call.from.target as Cell;
  yield* extras?.waitsFor ?? [];
}
