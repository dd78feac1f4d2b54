// The world as the runtime sees it: clock, timers, turns and chance, passed in. A simulator can be the world.

/** What the runtime may know of the world. */
export interface Environment {
  /** Milliseconds that only grow. */
  now(): number;
  /** Milliseconds since 1970. */
  date(): number;
  /** Calls back after at least `delayMs`; the answer cancels. */
  after(delayMs: number, call: () => void): () => void;
  /** Calls back in this turn of the event loop, before timers. */
  soon(call: () => void): void;
  /** Calls back in the next turn, after timers and I/O that are due. */
  later(call: () => void): void;
  /** 64 bits nobody can guess, as 16 hex digits. */
  token(): string;
}
