// What the tests of the node's cache and the processes beside them tell each other. Types only.
import type { TensorRef } from "../../stores/store.ts";

/** What a child is told. */
export type Told =
  | { readonly do: "get"; readonly ref: TensorRef }
  | { readonly do: "look" | "done"; readonly id: string }
  | { readonly do: "close" };

/** What it says. */
export interface Said {
  /** The one value that all bytes have, or -1. */
  readonly fill?: number;
  readonly code?: string;
}
