// The agent that takes what simulations answer: writes it down, counts it, asks for new models, and says at the end what
// was found.

import { Actor } from "../../runtime/mod.ts";
import type { Found, Success } from "../controller.ts";
import type { SimulationLine } from "../simulation.ts";
import type { AgentClass, Expected, Processing, Shop } from "./shop.ts";

const kinds = ["simulate", "train", "infer"] as const;

const errorCharsMax = 300;

const spanOf = (seconds: number): string =>
  seconds < 90
    ? `${seconds.toFixed(1)} s`
    : seconds < 5_400
    ? `${Math.round(seconds / 60)} min`
    : `${Math.round(seconds / 3_600)} h`;

export function processing(shop: Shop): AgentClass<Processing> {
  const { settings, plan, parts } = shop;

  return class Process extends Actor<Processing> implements Processing {
    readonly #successes: SimulationLine[] = [];
    #failed = 0;
    #toldAt = 1;
    #resumed = 0;
    #iterations = 0;
    /** How many were known when models were last asked for. */
    #learnedFrom = 0;
    /** What the last ranking expects most of: rows, and how much of each. */
    #expected: Expected = { rows: new Uint32Array(), values: new Float64Array() };
    #best: SimulationLine | undefined;
    readonly #spent = {
      train: { ms: 0, putBytes: 0, getBytes: 0 },
      infer: { ms: 0, putBytes: 0, getBytes: 0 },
    };
    readonly #beganAt = performance.now();

    simulated({ line, isNew }: { line: SimulationLine; isNew: boolean }): void {
      if (!isNew) this.#resumed++;
      if (line.value === undefined) {
        this.#failed++;
        if (isNew && this.#failed >= this.#toldAt) this.#tellFailed(line);
        return;
      }
      this.#successes.push(line);
      if (line.value > (this.#best?.value ?? -Infinity)) this.#best = line;
      if (plan.retrain === "counted" && this.#successes.length >= settings.initial) {
        const isFirst = this.#learnedFrom === 0;
        if (isFirst || this.#successes.length - this.#learnedFrom >= settings.retrainFrequency) this.#learn();
      }
    }

    roundEnded(): void {
      if (plan.retrain === "once" && this.#learnedFrom > 0) return;
      if (plan.retrain !== "counted") this.#learn();
    }

    ranked(expected: Expected): void {
      this.#iterations++;
      this.#expected = expected;
      parts.say?.(`iteration ${this.#iterations}: ${this.#view()}`);
    }

    learned(
      { task, ms, putBytes, getBytes }: { task: "train" | "infer"; ms: number; putBytes: number; getBytes: number },
    ): void {
      const spent = this.#spent[task];
      spent.ms += ms;
      spent.putBytes += putBytes;
      spent.getBytes += getBytes;
    }

    over({ busyMs, utilisation }: { busyMs: number; utilisation: number }): void {
      const { train, infer } = this.#spent;
      const total = (performance.now() - this.#beganAt) / 1000;
      const simulated = new Set(this.#successes.map(({ row }) => row));
      const { rows, values } = this.#expected;
      const at = rows.findIndex((row) => !simulated.has(row));
      const found: Found = {
        simulated: this.#inOrder(),
        failed: this.#failed,
        iterations: this.#iterations,
        bestPredicted: at < 0 ? undefined : { row: rows[at]!, value: values[at]! },
        meanRelativeError: this.#errors(),
        seconds: { total, simulate: busyMs / 1000, train: train.ms / 1000, infer: infer.ms / 1000 },
        utilisation,
        putBytes: train.putBytes + infer.putBytes,
        getBytes: train.getBytes + infer.getBytes,
        bytes: {
          train: { putBytes: train.putBytes, getBytes: train.getBytes },
          infer: { putBytes: infer.putBytes, getBytes: infer.getBytes },
        },
        resumed: this.#resumed,
      };
      shop.finish(found);
    }

    /** The first, and then ever fewer: who has forgotten something reads it at once. */
    #tellFailed({ row, error = "it answered nothing" }: SimulationLine): void {
      this.#toldAt = 10 ** `${this.#failed}`.length;
      const last = error.trim().split(/\s+/).join(" ").slice(0, errorCharsMax);
      const what = this.#failed === 1
        ? "a simulation failed, and another takes its place"
        : `${this.#failed} simulations failed, the last one so`;
      parts.say?.(`${what}: ${JSON.stringify(parts.candidates[row])}: ${last}`);
    }

    #learn(): void {
      if (parts.learn === undefined || this.#successes.length >= settings.max) return;
      this.#learnedFrom = this.#successes.length;
      const known = this.#sorted();
      // Filled by hand, ten times faster than from an iterable: this may run after each success, before the next start.
      const [rows, values] = [new Uint32Array(known.length), new Float64Array(known.length)];
      known.forEach(({ row, value = NaN }, at) => {
        rows[at] = row;
        values[at] = value;
      });
      shop.agents.train.tell("retrain", { rows, values });
    }

    /** As they were submitted, not as they ended: what is learned must not depend on who was faster. */
    #sorted(): readonly SimulationLine[] {
      return this.#successes.sort((one, other) => one.turn - other.turn);
    }

    #inOrder(): Success[] {
      return this.#sorted().map(({ row, value = NaN, receivedAt, basis = 0 }) => ({ row, value, receivedAt, basis }));
    }

    /** How far the predictions were off, as a share, for what was simulated after each ranking. */
    #errors(): number[] {
      const errors = new Map<number, { sum: number; count: number }>();
      for (const { value = NaN, predicted, basis } of this.#sorted()) {
        if (predicted === undefined || basis === undefined) continue;
        const error = errors.get(basis) ?? { sum: 0, count: 0 };
        errors.set(basis, { sum: error.sum + Math.abs(predicted - value) / Math.abs(value), count: error.count + 1 });
      }
      return [...errors].sort(([one], [other]) => one - other).map(([, { sum, count }]) => sum / count);
    }

    /** How far it is, how fast, what it found, how good its models are, what its slots do, and how long it takes yet. */
    #view(): string {
      const seconds = (performance.now() - this.#beganAt) / 1000;
      const done = this.#successes.length;
      // What an earlier life has simulated took none of this one's time.
      const perSecond = Math.max(0, done + this.#failed - this.#resumed) / seconds;
      const left = perSecond > 0 ? `, ${spanOf((settings.max - done) / perSecond)} left` : "";
      const error = this.#errors().at(-1);
      return [
        `${done} of ${settings.max} simulated`,
        `best ${this.#shown()}`,
        ...(error === undefined ? [] : [`predictions ${(error * 100).toFixed(1)} % off`]),
        `busy: ${kinds.map((kind) => `${kind} ${Math.round(shop.slots.busy(kind) * 100)} %`).join(", ")}`,
        `${perSecond.toFixed(1)}/s, ${spanOf(seconds)}${left}`,
      ].join(" · ");
    }

    #shown(): string {
      if (this.#best?.value === undefined) return "none";
      const { row, value } = this.#best;
      return parts.show?.(parts.candidates[row], value) ?? `${value}`;
    }
  };
}
