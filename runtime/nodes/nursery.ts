// Makes the actors that other nodes ask for, and those again whose process is gone; tells who has to know when one of
// them has ended.

import type { Cell } from "../cells/cell.ts";
import type { Engine } from "../cells/engine.ts";
import { allotted, sameAddress } from "../cells/spawning.ts";
import { decodeMessage, encodeMessage } from "../messages/codec.ts";
import type { AnyActorRef } from "../ref.ts";
import type { ActorClass, SpawnOptions } from "../system.ts";
import type { Classes } from "./classes.ts";
import type { Recipe, Recipes } from "./recipe.ts";

export interface NurseryParts {
  readonly engine: Engine;
  readonly classes: Classes;
  readonly recipes: Recipes | undefined;
  /** Starts an actor here, on behalf of nobody in particular. */
  spawn(Class: ActorClass, input: unknown, options: SpawnOptions): Promise<AnyActorRef>;
  cellOf(id: string): Cell;
  /** A node's actor has spawned this one, and lives on without it. */
  childEnded(node: string, id: string): void;
}

/** An actor that another node asks for. */
export type Asked = Omit<Recipe, "id" | "input"> & { readonly input: unknown };

export interface Nursery {
  spawn(asked: Asked): Promise<AnyActorRef>;
  /** Makes an actor again, at the address that it had in another process of this node. */
  again(recipe: Recipe): Promise<void>;
}

export function nursery({ engine, classes, recipes, spawn, cellOf, childEnded }: NurseryParts): Nursery {
  const { home, life, program } = engine;

  /** What another node has asked for, somebody may want to ask for again when this process is gone. */
  function keep(id: string, { class: named, options, parent, lease, input }: Asked): void {
    const cell = cellOf(id);
    if (parent !== "") life.watch(cell, () => childEnded(parent, id));
    if (recipes === undefined || cell.terms.durable) return;
    recipes.spawned({ id, class: named, input: encodeMessage(input, true), options, parent, lease });
    life.watch(cell, () => recipes.ended(id));
  }

  return {
    async spawn(asked) {
      const Class = await classes.classOf(asked.class);
      const options: SpawnOptions & { [allotted]: number } = { ...asked.options, [allotted]: asked.lease };
      const reference = await spawn(Class, asked.input, options);
      keep(reference.id, asked);
      return reference;
    },
    async again(recipe) {
      const Class = await classes.classOf(recipe.class);
      const input = decodeMessage(
        recipe.input,
        (id, className) => home.refer(engine.locate(id, className), program, program.life),
      );
      const { id, lease } = recipe;
      const own = { [sameAddress]: id, [allotted]: lease };
      const options: SpawnOptions & typeof own = { ...recipe.options, ...own };
      await spawn(Class, input, options);
      keep(recipe.id, { ...recipe, input });
    },
  };
}
