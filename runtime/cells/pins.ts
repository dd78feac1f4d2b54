// What a message references is pinned while it is under way: here by whom, and until when.

import type { TensorRef, Tensors } from "../../stores/store.ts";
import type { Parcel } from "./call.ts";
import { errorRecord } from "./failure.ts";
import type { LogSink } from "../log.ts";

export interface Pins {
  /** Pins tensors on behalf of one message; the answer names the holder. */
  hold(tensors: readonly TensorRef[]): string;
  /** A message is over: its tensors were read, or it was never handled. */
  over(parcel: Parcel, read: boolean): void;
}

export function pins(store: Tensors, node: string, log: LogSink): Pins {
  let holders = 0;

  return {
    hold(tensors) {
      const holder = `${node}:${++holders}`;
      const pinned = [];
      try {
        for (const tensor of tensors) {
          store.pin(tensor, holder);
          pinned.push(tensor);
        }
      } catch (error) {
        for (const tensor of pinned) store.unpin(tensor, holder, false);
        throw error;
      }
      return holder;
    },
    over(parcel, read) {
      parcel.over();
      const { holder } = parcel;
      if (holder === "") return;
      parcel.holder = "";
      for (const tensor of parcel.tensors) {
        try {
          store.unpin(tensor, holder, read && parcel.countsRead);
        } catch (error) {
          // In strict mode the last pin finds what was written to the tensor since it was sealed.
          log({ type: "MessageLogged", level: "error", text: errorRecord(error).message });
        }
      }
    },
  };
}
