// The part of one actor in a recorded run: all that it was given and all that it did, in order, so that it can be played
// again alone. Plain data, which survives JSON.

/** A value as text: see `written.ts`. */
export type Written = string;

/** What comes to an actor (`begins`, `restores`, `gets`, `resumes`, `learns`), and what comes of it. */
export type LineType = "begins" | "restores" | "gets" | "resumes" | "learns" | "does" | "yields" | "ends";

export interface Line {
  readonly step: number;
  readonly timeMs: number;
  /** In which of its lives. */
  readonly life: number;
  readonly type: LineType;
  /** Which turn begins, yields or ends; which of the actor's own doings it learns of. */
  readonly number: number;
  readonly what: string;
  readonly value: Written;
  /** What it learned at once. */
  readonly answer?: Written;
  /** What was learned, or what a turn came to, is an error. */
  readonly isError?: boolean;
  /** What the actor was when its turn had ended. */
  readonly state?: Written;
}

export interface Part {
  readonly actor: string;
  readonly class: string;
  readonly lines: readonly Line[];
  /** Why it is not all there. */
  readonly lacks?: string;
}

/** How an actor does something to the world: with the real one behind it, or with what is recorded of it. */
export interface Port {
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
