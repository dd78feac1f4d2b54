// Values on their way into a topic's log and out of it, and what keeps the tensors that they reference meanwhile.

import type { TensorRef, Tensors } from "../../stores/store.ts";
import type { Cell } from "../cells/cell.ts";
import type { Engine } from "../cells/engine.ts";
import { copyMessage } from "../messages/message.ts";
import { frameFor, type Head, messageIn } from "./frames.ts";
import type { Item } from "./publishing.ts";
import type { Held } from "./retained.ts";

export interface Values {
  /** What an actor publishes. */
  item(cell: Cell, value: unknown): Omit<Item, "step">;
  /** What it is to whoever reads it, and its tensors, held. */
  open(cell: Cell, life: number, frame: Uint8Array, head: Head): Opened;
  /** The tensors that an entry of an earlier process references. */
  tensorsIn(frame: Uint8Array): readonly TensorRef[];
  hold(references: readonly TensorRef[]): Held;
  release(held: Held, isRead: boolean): void;
}

export interface Opened {
  readonly value: unknown;
  readonly held: Held | undefined;
}

export function values(engine: Engine, tensors: Tensors, say: (text: string) => void): Values {
  const { home, program } = engine;

  function valueIn(cell: Cell, life: number, frame: Uint8Array): unknown {
    return messageIn(frame, (id, className) => home.refer(engine.locate(id, className), cell, life));
  }

  function tensorsOf(cell: Cell, value: unknown): readonly TensorRef[] {
    const passage = home.passage(cell, cell.life);
    copyMessage(value, passage);
    return passage.tensors ?? [];
  }

  const hold = (references: readonly TensorRef[]): Held => ({ tensors: references, holder: home.hold(references) });

  return {
    hold,
    item(cell, value) {
      const passage = home.passage(cell, cell.life);
      const copied = copyMessage(value, passage);
      return { frame: frameFor(copied, passage.special), tensors: passage.tensors, isEnd: false };
    },
    open(cell, life, frame, head) {
      const value = valueIn(cell, life, frame);
      if (!head.tensors) return { value, held: undefined };
      try {
        return { value, held: hold(tensorsOf(cell, value)) };
      } catch {
        // It has been released meanwhile: whoever gets it is told so.
        return { value, held: undefined };
      }
    },
    tensorsIn: (frame) => tensorsOf(program, valueIn(program, program.life, frame)),
    release({ tensors: references, holder }, isRead) {
      for (const reference of references) {
        try {
          tensors.unpin(reference, holder, isRead);
        } catch (error) {
          // In strict mode the last pin finds what was written to the tensor since it was sealed.
          say(error instanceof Error ? error.message : String(error));
        }
      }
    },
  };
}
