// The part of one actor in a recorded run: all that it was given and all that it did, in order, so that it can be played
// again alone. Plain data, which survives JSON.

import type { Random } from "../random.ts";
import type { Line, LineType, Written } from "../run/records.ts";
import type { Shelf } from "../run/shelf.ts";

export type { Line, LineType, Shelf, Written };

export interface Part {
  readonly actor: string;
  readonly class: string;
  readonly lines: readonly Line[];
  /** Why it is not all there. */
  readonly lacks?: string;
  /** It may have done more than it says: whoever wrote it was ended, or had no room. */
  readonly isOpen?: boolean;
  /** It says where random numbers began, and not each of them. */
  readonly isSeeded?: boolean;
}

/** How an actor does something to the world: with the real one behind it, or with what is recorded of it. */
export interface Port {
  /** Where tensors are kept; in the line itself unless said. */
  readonly shelf?: Shelf | undefined;
  /** Gives the random numbers of one step or life, of which the beginning is enough; unless said each is a line. */
  random?(own: Random | undefined): Random;
  /** What is not answered. */
  act(what: string, given: unknown, real: () => void): void;
  /** What is answered at once. */
  now<T>(what: string, given: unknown, real: () => T): T;
  /** What is answered later; `form` is for answers that are more than a message. */
  later<T>(what: string, given: unknown, real: () => PromiseLike<T>, form?: Form<T>): Promise<T>;
  /** What calls back; the answer cancels. */
  once(what: string, given: unknown, real: (call: () => void) => () => void, call: () => void): () => void;
}

/** How an answer is kept, and made again from that. */
export interface Form<T> {
  keep(answer: T): unknown;
  make(kept: unknown): T;
}

export const isOutput = ({ type }: Pick<Line, "type">): boolean =>
  type === "does" || type === "yields" || type === "ends";

/** What is read one after the other. */
export function iterableOver<T>(
  port: Port,
  what: string,
  real: () => AsyncIterable<T>,
  form: Form<IteratorResult<T, undefined>>,
): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]() {
      let iterator: AsyncIterator<T, undefined> | undefined;
      port.act(`begins to read a ${what}`, null, () => void (iterator = real()[Symbol.asyncIterator]()));
      return {
        next: () => port.later(`reads on in a ${what}`, null, () => iterator!.next(), form),
        return: () =>
          port.later(
            `leaves a ${what}`,
            null,
            () => iterator!.return?.() ?? Promise.resolve({ done: true, value: undefined }),
            form,
          ),
      };
    },
  };
}
