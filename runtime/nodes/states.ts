// What a durable actor leaves in the journal, and how it is made again from that.

import { ShoalError } from "../../stores/error.ts";
import { outlasts } from "../../stores/open.ts";
import type { Survives, TensorRef } from "../../stores/store.ts";
import { Actor } from "../actor.ts";
import type { Cell } from "../cells/cell.ts";
import type { Engine } from "../cells/engine.ts";
import { kindOf } from "../cells/kind.ts";
import { survivesOf } from "../cells/spawning.ts";
import { copyMessage } from "../messages/message.ts";
import { limitsFrom, supervisionFrom } from "../options.ts";
import type { Supervision } from "../supervision.ts";
import type { SpawnOptions } from "../system.ts";
import type { KeptTopics } from "../topics/steps.ts";
import { type Body, leavingBody, openBody, pinsOf, plain, plainBody } from "./body.ts";
import type { Classes } from "./classes.ts";

/** How a durable actor came to be: enough to make it again in another process. */
export interface Birth {
  readonly class: string;
  readonly name: string;
  readonly input: Body;
  /** The run's seed then: what its steps draw must not depend on which process draws it. */
  readonly seed: number;
  readonly options: Pick<SpawnOptions, "supervision" | "limits" | "task">;
}

/** What an actor is, and which version of its class says so: of one that says none it is 1. */
export interface Kept {
  readonly fields: Body;
  readonly version?: number;
  /** What it has published that its log may not have yet, and how far it has read. */
  readonly topics?: KeptTopics;
}

/** What stands in the journal as a state: any of an actor's may be the first that a successor reads. */
export interface State extends Kept {
  readonly birth: Birth;
}

/** Which version of its states a class speaks of. */
function versionOf({ terms: { Class } }: Cell): number {
  const version: unknown = Reflect.get(Class, "version") ?? 1;
  if (Number.isSafeInteger(version) && Number(version) >= 1) return Number(version);
  const text = `Cannot keep ${Class.name}: its version is ${String(version)}`;
  throw new ShoalError("BadInput", `${text}; expected a whole number from 1`);
}

function keptOf(cell: Cell, fields: Body): Kept {
  const version = versionOf(cell);
  return version === 1 ? { fields } : { fields, version };
}

/**
 * Fields that are numbers, short texts and the like: most states are no more, and become text with their commit. Nothing
 * for what needs a closer look.
 */
function flatIn(actor: object): { readonly [field: string]: unknown } | undefined {
  const fields: { [field: string]: unknown } = {};
  let chars = 0;
  for (const name of Object.keys(actor)) {
    const value: unknown = Reflect.get(actor, name);
    if (value === undefined) continue;
    const isFlat = typeof value === "number"
      ? Number.isFinite(value) && !Object.is(value, -0)
      : typeof value === "string"
      ? (chars += value.length) <= flatCharsMax
      : typeof value === "boolean" || value === null;
    // Some names mean more to messages.
    if (!isFlat || name === "$" || name === "ref" || name === "__proto__") return undefined;
    fields[name] = value;
  }
  return fields;
}

const flatCharsMax = 4_096;
const noPins: readonly string[] = [];

/** What an actor may keep in its own state; what is larger belongs into the store. */
const stateBytesMax = 8 * 2 ** 20;

export interface States {
  /** How an actor came to be. */
  birthOf(cell: Cell, options: SpawnOptions): Birth;
  /** What it is now, and the tensors that it holds on to. */
  read(cell: Cell): { readonly kept: Kept; readonly pins: readonly string[] };
  /** Makes an actor what it was. */
  put(cell: Cell, actor: object, kept: Kept): void;
  /** A cell for an actor of which only its birth is known. */
  make(birth: Birth): Promise<Cell>;
}

export interface StatesParts {
  readonly engine: Engine;
  readonly classes: Classes;
  readonly supervision: Supervision;
  readonly seed: number;
  /** What the tensors outlive that a state may refer to. */
  readonly tensorsSurvive: Survives;
}

export function states({ engine, classes, supervision, seed, tensorsSurvive }: StatesParts): States {
  const { home } = engine;

  /** What an actor is when its tensors are gone is not what it was. */
  function checkTensors(cell: Cell, tensors: readonly TensorRef[]): void {
    const lost = tensors.find((tensor) => tensor.inline === undefined);
    if (lost === undefined || outlasts(tensorsSurvive, "process") || survivesOf(cell.terms.Class) === "nothing") return;
    const text = `Cannot keep ${cell.className} ${cell.id}: its state refers to tensor ${lost.id}`;
    throw new ShoalError("BadInput", `${text}, which ends with this process; choose another --store, such as file:`);
  }

  function opened(cell: Cell, body: Body): unknown {
    const value = openBody(body, (id, className) => home.refer(engine.locate(id, className), cell, cell.life));
    // What is kept as a value is put into more lives than one.
    return body.text === undefined ? { ...value as object } : value;
  }

  return {
    birthOf(cell, { name = "", supervision: policy, limits, task }) {
      const passage = home.passage(cell, cell.life);
      const input = plainBody(copyMessage(cell.input, passage), passage);
      const options = {
        ...(policy === undefined ? {} : { supervision: policy }),
        ...(limits === undefined ? {} : { limits }),
        ...(task === undefined ? {} : { task }),
      };
      return { class: classes.nameOf(cell.terms.Class), name, input, seed, options };
    },
    read(cell) {
      const actor = cell.actor as { snapshot?: () => unknown };
      const flat = actor.snapshot === undefined ? flatIn(actor) : undefined;
      if (flat !== undefined) return { kept: keptOf(cell, leavingBody("", flat, plain(0), 0, 0)), pins: noPins };
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
      checkTensors(cell, passage.tensors ?? []);
      return { kept: keptOf(cell, plainBody(value, passage)), pins: pinsOf(passage.tensors ?? []) };
    },
    put(cell, actor, { fields, version = 1 }) {
      const value = opened(cell, fields);
      const { restore } = actor as { restore?: (state: unknown, version: number) => void };
      if (restore !== undefined) return restore.call(actor, value, version);
      const current = versionOf(cell);
      if (current !== version) {
        const text = `Cannot restore ${cell.className} ${cell.id}: its state is of version ${version}, its class of`;
        throw new ShoalError("Incompatible", `${text} ${current}; write restore(state, version), which makes it that`);
      }
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
      const { task } = birth.options;
      const terms = {
        home,
        Class,
        kind,
        supervision: policy,
        task,
        durable: true,
        mailboxMessagesMax,
        mailboxBytesMax,
      };
      return engine.make(terms, undefined, opened(engine.program, birth.input));
    },
  };
}
