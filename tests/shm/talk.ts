// What the tests of `shm:` and the processes beside them tell each other. Types only.
import type { Lifetime, TensorRef } from "../../stores/store.ts";

/** What a child is told. */
export type Told =
  | { readonly do: "put"; readonly bytes: number; readonly fill: number; readonly lifetime?: Lifetime }
  | { readonly do: "get" | "pin" | "release"; readonly ref: TensorRef }
  | { readonly do: "unpin" | "read"; readonly ref: TensorRef }
  | { readonly do: "look" | "done"; readonly id: string }
  | { readonly do: "count" | "list" | "close" };

/** What it says. */
export interface Said {
  readonly ref?: TensorRef;
  /** The one value that all bytes have, or -1. */
  readonly fill?: number;
  readonly ids?: string[];
  readonly count?: number;
  readonly code?: string;
}
