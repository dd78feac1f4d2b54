// The way of a client's calls to a simulated backend and back: where requests get lost, answers are not heard, and
// what was given up still arrives. Whoever simulates says how long it takes, and whether anybody is there to hear.
import { ShoalError } from "../error.ts";

/** What goes wrong with one call. */
export type Mishap =
  /** It is refused before anything happens, and says so. */
  | { readonly kind: "unavailable" | "full" }
  /** Nobody answers: the request never came (`lost`), or it did, and its answer was lost (`unheard`). */
  | { readonly kind: "lost" | "unheard" }
  /** `slow`: it takes its time. `late`: nobody answers in time, and what was asked happens all the same, later. */
  | { readonly kind: "slow" | "late"; readonly delayMs: number };

/** What a call is, to whom decides what goes wrong. */
export interface Asked {
  readonly what: string;
  readonly writes: boolean;
  readonly wantsRoom: boolean;
}

export interface Way {
  /** Brings a request to the backend, which may no longer be there, or be another. */
  there(call: () => void, delayMs: number): void;
  /** Brings an answer back, to a process that may no longer be there. */
  back(call: () => void): void;
  mishap(asked: Asked): Mishap | undefined;
  /** Told of each answer as it is given. */
  answered?(asked: Asked, error: Error | undefined): void;
}

/** A way that takes no time, and on which nothing happens. */
export const direct: Way = {
  there: (call) => call(),
  back: (call) => call(),
  mishap: () => undefined,
};

/** What a caller learns of a mishap. */
export type Trouble = "unavailable" | "full" | "unheard";

function told(trouble: Trouble, { what, writes }: Asked): Error {
  if (trouble === "unavailable") return new ShoalError("Unavailable", `Cannot ${what}: the store cannot be reached`);
  if (trouble === "full") return new ShoalError("CapacityExceeded", `Cannot ${what}: the store is full`);
  const outcome = writes ? "unknown" : "failed";
  return new ShoalError("Unavailable", `Cannot ${what}: the store did not answer; it may have happened`, { outcome });
}

/** Calls that have left one client, and have not come back. */
export interface Calls {
  call<T>(asked: Asked, serve: () => Promise<T>): Promise<T>;
  /** The backend was restarted: what is under way gets no answer, and what has not arrived never does. */
  cut(): void;
  /** Nobody waits any more. */
  close(error: () => ShoalError): void;
}

export function calls(way: Way, tell: (trouble: Trouble, asked: Asked) => Error = told): Calls {
  const waiting = new Map<object, { readonly asked: Asked; readonly reject: (error: Error) => void }>();
  let connection = 0;
  let closed: (() => ShoalError) | undefined;

  function call<T>(asked: Asked, serve: () => Promise<T>): Promise<T> {
    if (closed !== undefined) return Promise.reject(closed());
    return new Promise((resolve, reject) => {
      const key = {};
      const mishap = way.mishap(asked);
      const over = (end: () => void): void => way.back(() => waiting.delete(key) && end());
      const fail = (error: Error): void => {
        way.answered?.(asked, error);
        over(() => reject(error));
      };
      const succeed = (value: T): void => {
        way.answered?.(asked, undefined);
        over(() => resolve(value));
      };
      const arrive = (answered: boolean, delayMs: number): void => {
        const own = connection;
        way.there(() => {
          if (own !== connection) return;
          serve().then(
            (value) => answered && own === connection && succeed(value),
            (error: Error) => answered && own === connection && fail(error),
          );
        }, delayMs);
      };
      waiting.set(key, { asked, reject });
      switch (mishap?.kind) {
        case "unavailable":
        case "full":
          return fail(tell(mishap.kind, asked));
        case "lost":
          return fail(tell("unheard", asked));
        case "unheard":
        case "late":
          arrive(false, mishap.kind === "late" ? mishap.delayMs : 0);
          return fail(tell("unheard", asked));
        case "slow":
          return arrive(true, mishap.delayMs);
        default:
          arrive(true, 0);
      }
    });
  }

  function end(errorOf: (asked: Asked) => Error): void {
    connection += 1;
    for (const [key, { asked, reject }] of waiting) {
      way.back(() => waiting.delete(key) && reject(errorOf(asked)));
    }
  }

  return {
    call,
    cut: () => end((asked) => tell("unheard", asked)),
    close(error) {
      closed = error;
      end(error);
      // Whatever the way would still have brought back, its client has left.
      for (const [, { reject }] of waiting) reject(error());
      waiting.clear();
    },
  };
}
