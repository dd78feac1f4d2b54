// Bad input: what a confused driver, program or peer says to a core, none of which may change anything.

import type { Event } from "../../runtime/delivery/events.ts";
import type { Bank } from "./scene.ts";
import type { Process } from "./process.ts";
import type { Flight } from "./shown.ts";

interface Stage {
  readonly flights: readonly Flight[];
  readonly bank: Bank;
  tell(process: Process, ...events: Event[]): void;
}

export function sayOdd({ flights, bank, tell }: Stage, process: Process, a: number, b: number): void {
  const { index } = process;
  const account = `a${index}`;
  const isIdle = process.actors.get(account)?.running === undefined;
  const odd = { from: account, node: `n${index}`, to: `c${index}`, body: "", pins: [], token: 0 };
  const nothing = { type: "expired", actor: `d${index}`, token: -1 } as const;
  const mail = flights.find(({ to, frame }) => to === index && frame.type === "mail");
  const late = bank.late.get(process.id);
  switch (a % 8) {
    case 0:
      tell(process, { type: "crashed", actor: "nobody" }, { type: "committed", number: -1, outcome: "held" });
      return tell(process, { ...nothing, destination: "nobody" }, { ...nothing, destination: `c${b % 2}` });
    case 1:
      if (!isIdle) return;
      return tell(process, { type: "tell", ...odd, bytes: 1 }, { type: "ask", digest: "", ...odd, bytes: 1 });
    case 2:
      return tell(process, { type: "tell", ...odd, from: `d${index}`, bytes: 1_000 });
    case 3:
      if (late !== undefined) tell(process, late);
      return;
    case 4: {
      if (mail === undefined) return;
      const frame = mail.frame as Extract<Flight["frame"], { type: "mail" }>;
      tell(process, { type: "spawned", actor: "ended", durable: true }, { type: "ended", actor: "ended" });
      const letter = { ...odd, from: "ended", bytes: 1 };
      tell(process, { type: "ask", digest: "", ...letter }, { type: "tells", ...letter, letters: [letter] });
      for (const destination of ["nobody", "ended"]) tell(process, { type: "frame", frame: { ...frame, destination } });
      return;
    }
    case 5: {
      if (mail === undefined) return;
      const live = process.actors.get((mail.frame as Extract<Flight["frame"], { type: "mail" }>).destination);
      if (live !== undefined && !live.loading) bank.crashActor(process, live, { type: "frame", frame: mail.frame });
      return;
    }
    default:
      return bank.sendOdd(process, a + b, b);
  }
}
