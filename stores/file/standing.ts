// Whether a tensor stands, by its head and by its length; and what is told of one that does not, or is another.
import { ShoalError } from "../error.ts";
import type { TensorRef } from "../store.ts";
import { type Head, isHeadOf } from "./record.ts";

export const corrupt = (id: string, why: string): ShoalError =>
  new ShoalError("Corrupt", `Cannot get tensor ${id}: ${why}`);

/** The head of a tensor that stands. Throws what else it is. */
export function liveHead(head: Head | undefined, ref: TensorRef): Head {
  if (head === undefined || !isHeadOf(head, ref)) throw corrupt(ref.id, "its head is not what the reference says");
  if (head.mark === "gone") throw gone(ref.id);
  if (head.mark === "late") throw new ShoalError("Expired", `Cannot get tensor ${ref.id}: its lease has lapsed`);
  if (head.mark === undefined) throw corrupt(ref.id, "its mark is none");
  return head;
}

export const tooShort = (id: string): ShoalError => corrupt(id, "its file is shorter than the reference says");
export const gone = (id: string): ShoalError =>
  new ShoalError("Missing", `Cannot get tensor ${id}: it was released, or never was in this store`);
