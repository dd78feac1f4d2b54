// The samples of a run as one who learns, or reads, fetches them: the same whether they come out of the store or, in
// frames, from the shelf.

import type { ActorRef, TensorRef, Tensors } from "../../runtime/mod.ts";
import type { Part } from "../training/window.ts";
import { type Frame, type Piece, type Shelf } from "./shelf.ts";

/** Samples in the store. */
function partOf(store: Tensors, ref: TensorRef<"float64">): Part {
  const [count = 0] = ref.shape;
  return { count, bytes: ref.bytes, fetch: async () => await store.get(ref) };
}

/** All transfers of a run, in order. Nothing is fetched yet. */
export async function partsOf(shelf: ActorRef<Shelf>, store: Tensors, grid: number): Promise<Part[]> {
  const pieces: Piece[] = [];
  for (;;) {
    const page = await shelf.ask("list", { from: pieces.length });
    pieces.push(...page.pieces);
    if (pieces.length >= page.count || page.pieces.length === 0) break;
  }
  const sampleNumbers = 2 * grid * grid;
  return pieces.map((piece): Part => {
    if ("ref" in piece) return partOf(store, piece.ref);
    const { simulation, step, length } = piece;
    return {
      count: length / sampleNumbers,
      bytes: length * Float64Array.BYTES_PER_ELEMENT,
      async fetch() {
        const data = new Float64Array(length);
        for (let at = 0; at < length;) {
          const frame: Frame = await shelf.ask("give", { simulation, step, at });
          data.set(frame.data, at);
          at += frame.data.length;
        }
        return { data, done() {} };
      },
    };
  });
}
