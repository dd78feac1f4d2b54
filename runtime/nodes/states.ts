// What a durable actor leaves in the journal, and how it is made again from that.

import { ShoalError } from "../../stores/error.ts";
import { Actor } from "../actor.ts";
import type { Cell } from "../cells/cell.ts";
import type { Engine } from "../cells/engine.ts";
import { kindOf } from "../cells/kind.ts";
import { copyMessage } from "../messages/message.ts";
import { limitsFrom, supervisionFrom } from "../options.ts";
import type { Supervision } from "../supervision.ts";
import type { SpawnOptions } from "../system.ts";
import { type Body, openBody, pinOf, plainBody } from "./body.ts";
import type { Classes } from "./classes.ts";

/** How a durable actor came to be: enough to make it again in another process. */
export interface Birth {
  readonly class: string;
  readonly name: string;
  readonly input: Body;
  /** The run's seed then: what its steps draw must not depend on which process draws it. */
  readonly seed: number;
  readonly options: Pick<SpawnOptions, "supervision" | "limits">;
}

/** What stands in the journal as a state: any of an actor's may be the first that a successor reads. */
export interface State {
  readonly birth: Birth;
  readonly fields: Body;
}

/** What an actor may keep in its own state; what is larger belongs into the store. */
const stateBytesMax = 8 * 2 ** 20;

export interface States {
  /** How an actor came to be. */
  birthOf(cell: Cell, options: SpawnOptions): Birth;
  /** What it is now, and the tensors that it holds on to. */
  read(cell: Cell): { readonly fields: Body; readonly pins: readonly string[] };
  /** Makes an actor what it was. */
  put(cell: Cell, actor: object, fields: Body): void;
  /** A cell for an actor of which only its birth is known. */
  make(birth: Birth): Promise<Cell>;
}

export function states(engine: Engine, classes: Classes, supervision: Supervision, seed: number): States {
  const { home } = engine;

  function opened(cell: Cell, body: Body): unknown {
    return openBody(body, (id, className) => home.refer(engine.locate(id, className), cell, cell.life));
  }

  return {
    birthOf(cell, { name = "", supervision: policy, limits }) {
      const passage = home.passage(cell, cell.life);
      const input = plainBody(copyMessage(cell.input, passage), passage);
      const options = {
        ...(policy === undefined ? {} : { supervision: policy }),
        ...(limits === undefined ? {} : { limits }),
      };
      return { class: classes.nameOf(cell.terms.Class), name, input, seed, options };
    },
    read(cell) {
      const actor = cell.actor as { snapshot?: () => unknown };
      const passage = { ...home.passage(cell, cell.life), bytesMax: stateBytesMax };
      let value: unknown;
      try {
        value = copyMessage(actor.snapshot === undefined ? { ...actor } : actor.snapshot(), passage);
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        const text = `Cannot keep ${cell.className} ${cell.id}: its state is no message: ${why}`;
        throw new ShoalError("BadInput", `${text}; give it plain fields, or snapshot() and restore()`, {
          cause: error,
        });
      }
      return { fields: plainBody(value, passage), pins: (passage.tensors ?? []).map(pinOf) };
    },
    put(cell, actor, fields) {
      const value = opened(cell, fields);
      const { restore } = actor as { restore?: (state: unknown) => void };
      if (restore !== undefined) return restore.call(actor, value);
      // What a state has no word for was undefined, or gone: a field is not to begin with its first value again.
      for (const field of Object.keys(actor)) {
        if (!Object.hasOwn(value as object, field)) Reflect.set(actor, field, undefined);
      }
      Object.assign(actor, value);
    },
    async make(birth) {
      const Class = await classes.classOf(birth.class);
      const kind = kindOf(Class, Actor.prototype);
      const what = `Cannot restore ${Class.name} ${birth.name}`;
      const { mailboxMessagesMax, mailboxBytesMax } = limitsFrom(what, home.limits, birth.options.limits);
      const policy = supervisionFrom(what, supervision, birth.options.supervision);
      const terms = { home, Class, kind, supervision: policy, durable: true, mailboxMessagesMax, mailboxBytesMax };
      return engine.make(terms, undefined, opened(engine.program, birth.input));
    },
  };
}
