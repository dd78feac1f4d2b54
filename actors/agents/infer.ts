// The agent that has the search space predicted: chunk by chunk, with each model as it is ready. What fails once is
// tried again.

import { Actor, type TensorRef } from "../../runtime/mod.ts";
import type { Predictions } from "../trainer.ts";
import { isEnding } from "./endings.ts";
import type { AgentClass, Inferring, Shop, Update } from "./shop.ts";

const attemptsMax = 2;

interface Chunk {
  readonly from: number;
  readonly values: Predictions;
}

export function infer(shop: Shop): AgentClass<Inferring> {
  const { settings, parts: { candidates, learn }, book } = shop;

  return class Infer extends Actor<Inferring> implements Inferring {
    predict({ update, model, trained }: { update: Update; model: number; trained: unknown }): void {
      const starts = Array.from(
        { length: Math.ceil(candidates.length / settings.chunk) },
        (_, index) => index * settings.chunk,
      );
      this.#predict(update, model, trained, starts).catch(shop.fail);
    }

    async #predict(update: Update, model: number, trained: unknown, starts: readonly number[]): Promise<void> {
      try {
        const chunks = await Promise.all(starts.map((from) => this.#chunk(update, model, trained, from, 1)));
        shop.agents.select.tell("predicted", { update, model, chunks });
      } catch (error) {
        if (isEnding(error)) return shop.fail(error);
        this.log.warn(`model ${model} could not predict: ${String(error)}`);
        shop.agents.select.tell("predicted", { update, model });
      }
      // Everybody has read it.
      for (const ref of tensorsIn(trained)) await this.store.release(ref);
    }

    async #chunk(update: Update, model: number, trained: unknown, from: number, attempt: number): Promise<Chunk> {
      const to = Math.min(from + settings.chunk, candidates.length);
      const submittedAt = Date.now();
      const written = (bytes: number, error?: string): void => {
        const receivedAt = Date.now();
        const failure = error === undefined ? {} : { error };
        book.learned({
          task: "infer",
          update: update.number,
          model,
          attempt,
          ...failure,
          bytes,
          submittedAt,
          receivedAt,
        });
        const getBytes = tensorsIn(trained).reduce((sum, ref) => sum + ref.bytes, 0);
        shop.agents.process.tell("learned", { task: "infer", ms: receivedAt - submittedAt, putBytes: bytes, getBytes });
      };
      try {
        const values = await shop.slots.run("infer", () => learn!.predict({ model: trained, from, to }));
        written(values.bytes);
        return { from, values };
      } catch (error) {
        if (isEnding(error)) throw error;
        written(0, String(error));
        if (attempt >= attemptsMax) throw error;
        return await this.#chunk(update, model, trained, from, attempt + 1);
      }
    }
  };
}

/** A model is a reference, or has members that are. */
function tensorsIn(model: unknown): TensorRef[] {
  if (typeof model !== "object" || model === null) return [];
  return [model, ...Object.values(model)].filter((member): member is TensorRef =>
    typeof member === "object" && member !== null && "ref" in member && member.ref === "tensor"
  );
}
