// The agent that has models trained: it stores the training set once, and gives every model of the ensemble a reference
// to it. What is asked for meanwhile is kept, and begins when this update has ended.

import { Actor } from "../../runtime/mod.ts";
import { isEnding } from "./endings.ts";
import type { AgentClass, Shop, Training, Update } from "./shop.ts";

const attemptsMax = 2;

interface Known {
  readonly rows: Uint32Array;
  readonly values: Float64Array;
}

export function train(shop: Shop): AgentClass<Training> {
  const { settings, parts: { learn }, book } = shop;

  return class Train extends Actor<Training> implements Training {
    #number = 0;
    #isBusy = false;
    /** The latest that was asked for during an update: it knows all that earlier ones knew. */
    #next: Known | undefined;

    async retrain(known: Known): Promise<void> {
      if (this.#isBusy) this.#next = known;
      else await this.#begin(known);
    }

    async updated(): Promise<void> {
      this.#isBusy = false;
      const next = this.#next;
      this.#next = undefined;
      if (next !== undefined) await this.#begin(next);
    }

    async #begin({ rows, values }: Known): Promise<void> {
      this.#isBusy = true;
      shop.agents.submit.tell("updating");
      const number = ++this.#number;
      const set = {
        rows: await this.store.put({ data: rows, dtype: "uint32" }),
        values: await this.store.put({ data: values, dtype: "float64" }),
      };
      const update: Update = { number, basis: rows.length, set };
      for (let model = 0; model < settings.models; model++) this.#train(update, model, 1);
    }

    #train(update: Update, model: number, attempt: number): void {
      const submittedAt = Date.now();
      // Every training is another, and the same in a run that repeats this one.
      const seed = `${settings.seed}/${update.basis}/${model}`;
      const bytes = update.set.rows.bytes + update.set.values.bytes;
      const written = (error?: string): void => {
        const receivedAt = Date.now();
        const failure = error === undefined ? {} : { error };
        book.learned({
          task: "train",
          update: update.number,
          model,
          attempt,
          ...failure,
          bytes,
          submittedAt,
          receivedAt,
        });
        const putBytes = model === 0 && attempt === 1 ? bytes : 0;
        shop.agents.process.tell("learned", { task: "train", ms: receivedAt - submittedAt, putBytes, getBytes: bytes });
      };
      shop.slots.run("train", () => learn!.train({ model, seed, set: update.set })).then(
        (trained) => {
          written();
          shop.agents.update.tell("trained", { update, model, trained });
        },
        (error: Error) => {
          if (isEnding(error)) return shop.fail(error);
          written(error.message);
          if (attempt < attemptsMax) this.#train(update, model, attempt + 1);
          else shop.agents.update.tell("trained", { update, model, error: error.message });
        },
      );
    }
  };
}
