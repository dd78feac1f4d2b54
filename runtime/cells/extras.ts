// What few actors have beside what all have.

import type { Tensor } from "../../stores/store.ts";
import type { Asked, Parcel } from "./call.ts";
import type { Mailbox } from "../mailbox.ts";
import type { Failures } from "../supervision.ts";
import type { Ended } from "../system.ts";

/** What few actors have, kept apart so that an idle one stays small. */
export interface Extras<Cell> {
  name?: string;
  /** Where others find it, for one that has an address of its own. */
  address?: string;
  /** Its address is known to other nodes; and once mail is carried to or from it, kept as a text. */
  isPosted?: boolean;
  posted?: string;
  /** A mailbox that has grown, for its next flood. */
  grown?: Mailbox | undefined;
  isFlooded?: boolean;
  waitingElsewhere?: number;
  children?: Set<Cell>;
  watchers?: Set<(ended: Ended) => void> | undefined;
  failures?: Failures;
  /** What its handlers asked and have no answer to. */
  asking?: Set<Asked>;
  /** What its running handler got from the store, what it kept, and the answers with tensors that it received. */
  views?: Set<Tensor> | undefined;
  kept?: Set<Tensor> | undefined;
  received?: Parcel[] | undefined;
  /** Those whose start or end its running handler waits for. */
  waitsFor?: Set<Cell>;
  /** What ends with the current life: timers, pools. */
  leaving?: Set<() => void> | undefined;
  /** Told once when it has nothing to do. */
  idle?: (() => void)[];
  stop?: { readonly promise: Promise<Ended>; readonly settle: (ended: Ended) => void };
  /** It is to end once what it took in is handled. */
  draining?: { readonly deadline: number; readonly cancel: () => void; readonly drained: () => void } | undefined;
  end?: Ended;
}
