// The agent that hands on each model as it is trained, and releases the training set after the last of them.

import { Actor } from "../../runtime/mod.ts";
import type { AgentClass, Shop, Update, Updating } from "./shop.ts";

export function update(shop: Shop): AgentClass<Updating> {
  const { settings } = shop;

  return class Weights extends Actor<Updating> implements Updating {
    readonly #trained = new Map<number, number>();

    async trained(
      { update, model, trained, error }: { update: Update; model: number; trained?: unknown; error?: string },
    ): Promise<void> {
      if (error === undefined) shop.agents.infer.tell("predict", { update, model, trained });
      else {
        this.log.warn(`model ${model} could not be trained: ${error}`);
        shop.agents.select.tell("predicted", { update, model });
      }
      const count = (this.#trained.get(update.number) ?? 0) + 1;
      this.#trained.set(update.number, count);
      if (count < settings.models) return;
      this.#trained.delete(update.number);
      await this.store.release(update.set.rows);
      await this.store.release(update.set.values);
    }
  };
}
