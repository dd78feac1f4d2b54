// The actors of a node that others may write to, by their addresses.

import type { Cell } from "../cells/cell.ts";
import type { Engine } from "../cells/engine.ts";

export interface Residents {
  /** Mail comes to this actor, or goes from it. */
  known(cell: Cell): void;
  /** The actor of this process that has this address. */
  at(id: string): Cell | undefined;
  /** It has ended; whether mail has come to it, or gone from it. */
  left(cell: Cell): boolean;
}

/** `spawned` is told of each once, as it is first known. */
export function residents(engine: Engine, process: string, spawned: (cell: Cell) => void): Residents {
  const posted = new Map<string, Cell>();

  return {
    known(cell) {
      if (cell.extras?.posted !== undefined) return;
      const { id } = cell;
      cell.extra.posted = id;
      cell.extra.isPosted = true;
      posted.set(id, cell);
      spawned(cell);
    },
    at(id) {
      const known = posted.get(id) ?? engine.addresses.get(id);
      if (known !== undefined) return known;
      const at = id.indexOf("/");
      if (id.slice(0, at) !== process) return undefined;
      const serial = Number(id.slice(at + 1));
      return serial === 0 ? engine.program : engine.cells.get(serial);
    },
    left(cell) {
      const { id } = cell;
      return posted.get(id) === cell && posted.delete(id);
    },
  };
}
