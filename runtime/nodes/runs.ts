// Messages that come together to a volatile actor: into its mailbox, one behind the other; tells with one ticket for all
// that follow each other.

import type { Cell } from "../cells/cell.ts";
import type { Engine } from "../cells/engine.ts";
import type { Deliver, DeliverAll } from "../delivery/events.ts";
import type { Entry } from "../delivery/protocol.ts";
import { Reference } from "../reference.ts";
import { type Body, openBody } from "./body.ts";
import { Taken } from "./calls.ts";
import type { Driver } from "./driver.ts";
import type { Incoming } from "./incoming.ts";

export interface RunsParts {
  readonly engine: Engine;
  readonly driver: Pick<Driver, "many">;
  /** Takes those that are more than a name and a value, or cannot be handled. */
  deliver(cell: Cell, command: Deliver, fault: unknown): void;
  /** Takes calls. */
  readonly ask: Incoming["ask"];
}

export function runs(
  { engine, driver, deliver, ask }: RunsParts,
): (cell: Cell | undefined, command: DeliverAll) => void {
  const { home } = engine;
  let latest: Reference | undefined;

  /** Most come from where those before came from. */
  function sentBy(id: string, cell: Cell): Reference {
    if (latest === undefined || latest.target !== cell || latest.source.id !== id) {
      latest = new Reference(cell, { id, life: 0 }, 0);
    }
    return latest;
  }

  /** One was handled, or never will be. */
  function taken({ from, epoch }: Taken, { sequence, bytes }: Entry): void {
    driver.many.applied(from.target.id, from.source.id, epoch, sequence, bytes);
  }

  return (cell, { actor, source, epoch, entries }) => {
    // One that has ended since: the core is told so on its way here.
    if (cell === undefined) return;
    const from = sentBy(source, cell);
    let ticket: Taken | undefined;
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i]!;
      const body = entry.body as Body | undefined;
      let fault: unknown;
      if (body !== undefined && !body.tensors && body.credit === 0 && cell.open) {
        const handler = cell.terms.kind.handler(body.method);
        let value = body.json;
        if (handler !== undefined && (body.special || body.text !== undefined)) {
          try {
            value = openBody(body, (id, className) => home.refer(engine.locate(id, className), cell, cell.life));
          } catch (error) {
            fault = error;
          }
        }
        if (handler !== undefined && fault === undefined) {
          if (entry.kind === "tell") cell.push(handler, value, ticket ??= new Taken(from, epoch, entries, i, taken), 0);
          else {
            ticket = undefined;
            ask(cell, from, handler, value, epoch, entry);
          }
          continue;
        }
      }
      ticket = undefined;
      const { sequence, bytes } = entry;
      const input = { source, epoch, sequence, identity: "", bytes, timer: "" };
      deliver(cell, { type: "deliver", actor, input, entry }, fault);
    }
  };
}
