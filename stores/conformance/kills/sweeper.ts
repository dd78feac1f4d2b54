// The sweeper of the kill harness: sweeps without end while others write, and are killed. It must take nothing that
// anybody was told of.
import { isShoalError } from "../../error.ts";
import type { Place } from "../../sweep.ts";
import type { Said } from "./said.ts";

const pauseMs = 25;

export async function sweep(place: Place, say: (line: Said) => void): Promise<void> {
  say({ say: "ready" });
  for (;;) {
    say({ say: "sweeping" });
    try {
      for await (const { kind, what } of place.sweep()) say({ say: "swept", what: `${kind} ${what}` });
    } catch (error) {
      // Another sweeper has the run for itself.
      if (!isShoalError(error, "Conflict")) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}
