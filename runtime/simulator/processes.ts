// The processes of a simulation: each has the one world as its environment, with a clock of its own, until it is
// killed. What a killed process had still to do never happens; a paused one does it when it wakes, whenever that is.

import type { Environment } from "../environment.ts";
import type { VirtualWorld } from "./world.ts";

/** How a process's clock differs from the world's. */
export interface Clock {
  /** How far its date is ahead. */
  readonly skewMs: number;
  /** How much faster it runs: 0.01 is 36 s an hour. */
  readonly drift: number;
}

export type ProcessState = "runs" | "paused" | "dead";

export interface SimulatedProcess {
  readonly node: string;
  /** Counts the processes of its node, from 1. */
  readonly number: number;
  readonly environment: Environment;
  readonly state: ProcessState;
  /** SIGKILL: it does nothing any more, not even at the end of what it is in the middle of. */
  kill(): void;
  /** SIGSTOP: it holds still, with all that it has open. */
  pause(): void;
  /** SIGCONT. */
  resume(): void;
}

export interface Processes {
  /** The process whose code runs now. */
  readonly current: SimulatedProcess | undefined;
  start(node: string, clock?: Clock): SimulatedProcess;
  /** Does something as a process: its timers are those of that process. */
  as<T>(process: SimulatedProcess, call: () => T): T;
}

const punctual: Clock = { skewMs: 0, drift: 0 };

interface Held {
  readonly call: () => void;
  isCancelled: boolean;
}

export function processes(world: VirtualWorld): Processes {
  const numbers = new Map<string, number>();
  let current: SimulatedProcess | undefined;

  function start(node: string, { skewMs, drift }: Clock = punctual): SimulatedProcess {
    const number = (numbers.get(node) ?? 0) + 1;
    numbers.set(node, number);
    const began = world.now();
    const rate = 1 + drift;
    let state: ProcessState = "runs";
    let held: Held[] = [];

    /** Each of its calls looks first whether there is a process to do it. */
    function guarded(pending: Held): () => void {
      return () => {
        if (state === "dead" || pending.isCancelled) return;
        if (state === "paused") return void held.push(pending);
        current = process;
        pending.call();
      };
    }

    const pending = (call: () => void): Held => ({ call, isCancelled: false });
    // Its own clock may begin anywhere; that of a successor says nothing about its predecessor's.
    const now = (): number => began + (world.now() - began) * rate;
    const process: SimulatedProcess = {
      node,
      number,
      get state() {
        return state;
      },
      environment: {
        now,
        date: () => world.date() - world.now() + now() + skewMs,
        after(delayMs, call) {
          const own = pending(call);
          const cancel = world.after(Math.max(0, delayMs) / rate, guarded(own));
          return () => {
            own.isCancelled = true;
            cancel();
          };
        },
        soon: (call) => world.soon(guarded(pending(call))),
        later: (call) => world.later(guarded(pending(call))),
        token: () => world.token(),
      },
      kill() {
        state = "dead";
        held = [];
      },
      pause() {
        if (state === "runs") state = "paused";
      },
      resume() {
        if (state !== "paused") return;
        state = "runs";
        for (const own of held.splice(0)) world.soon(guarded(own));
      },
    };
    return process;
  }

  return {
    get current() {
      return current;
    },
    start,
    as(process, call) {
      current = process;
      return call();
    },
  };
}
