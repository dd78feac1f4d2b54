// The agent that ranks: for each candidate the mean and the spread of what the models predict, best first, without those
// that were taken already.

import { Actor } from "../../runtime/mod.ts";
import type { Predictions } from "../trainer.ts";
import type { AgentClass, Ranked, Selecting, Shop, Update } from "./shop.ts";

type Chunks = readonly { readonly from: number; readonly values: Predictions }[];

export function select(shop: Shop): AgentClass<Selecting> {
  const { settings, parts: { candidates } } = shop;

  return class Select extends Actor<Selecting> implements Selecting {
    readonly #taken = new Set<number>();
    /** What the models of an update predict, by model, until all have; nothing of one that failed. */
    readonly #opinions = new Map<number, (Chunks | undefined)[]>();
    /** The rows of the latest ranking, best first, how far they were handed out, and what is expected of each row. */
    #order: number[] = [];
    #given = 0;
    #means = new Float64Array();

    async predicted({ update, model, chunks }: { update: Update; model: number; chunks?: Chunks }): Promise<void> {
      const opinions = this.#opinions.get(update.number) ?? [];
      this.#opinions.set(update.number, opinions);
      opinions[model] = chunks;
      if (Object.keys(opinions).length < settings.models) return;
      this.#opinions.delete(update.number);
      await this.#rank(update, opinions.filter((each) => each !== undefined));
      shop.agents.train.tell("updated");
    }

    taken(row: number): void {
      this.#taken.add(row);
    }

    refill(): void {
      shop.agents.submit.tell("refilled", this.#best());
    }

    async #rank({ basis }: Update, models: readonly Chunks[]): Promise<void> {
      if (models.length === 0) {
        // Nobody waits for a ranking that will not come: the old one stands.
        shop.agents.submit.tell("ranked", { best: [], basis, isNew: false });
        return;
      }
      const means = new Float64Array(candidates.length);
      const squares = new Float64Array(candidates.length);
      // One model after the other, whichever was ready first: sums must not depend on time.
      for (const { from, values } of models.flat()) {
        const { data } = await this.store.get(values);
        for (let i = 0; i < data.length; i++) {
          const share = data[i]! / models.length;
          means[from + i]! += share;
          squares[from + i]! += share * data[i]!;
        }
        await this.store.release(values);
      }
      const scores = means.map((mean, row) =>
        mean + settings.beta * Math.sqrt(Math.max(0, squares[row]! - mean * mean))
      );
      // Where two score the same, the order of the table decides on every machine.
      const order: number[] = [];
      for (let row = 0; row < scores.length; row++) if (!this.#taken.has(row)) order.push(row);
      this.#order = order.sort((one, other) => scores[other]! - scores[one]! || one - other);
      this.#given = 0;
      this.#means = means;
      // One model alone has no spread: what it expects most of is what stands first.
      const expected = models.length === 1
        ? this.#order
        : [...this.#order].sort((one, other) => means[other]! - means[one]! || one - other);
      const rows = new Uint32Array(expected.slice(0, settings.max));
      shop.agents.process.tell("ranked", {
        rows,
        values: new Float64Array(rows.length).map((_, at) => means[rows[at]!]!),
      });
      shop.agents.submit.tell("ranked", { best: this.#best(), basis, isNew: true });
    }

    /** The next of the ranking, as many as the buffer holds. */
    #best(): Ranked[] {
      const best: Ranked[] = [];
      while (best.length < settings.buffer && this.#given < this.#order.length) {
        const row = this.#order[this.#given++]!;
        if (!this.#taken.has(row)) best.push({ row, predicted: this.#means[row]! });
      }
      return best;
    }
  };
}
