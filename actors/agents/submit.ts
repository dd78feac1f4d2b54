// The agent that keeps slots for simulations busy: it takes the head of the ranked queue for each that is free, unless
// its lane waits for a ranking.

import { Actor } from "../../runtime/mod.ts";
import type { Outcome, SimulationLine } from "../simulation.ts";
import { isEnding } from "./endings.ts";
import type { AgentClass, Ranked, Shop, Submitting } from "./shop.ts";

/** Slots that run in rounds. */
interface Lane {
  readonly slots: number;
  running: number;
  round: number;
  /** Successes that end the round, and those it has. */
  quota: number;
  succeeded: number;
  /** How many may still be started before those that failed are counted: which ones replace them must not depend on time. */
  wanted: number;
  /** Whether it replaces ones that failed, by random ones. */
  isReplacing: boolean;
  /** On how many simulations the ranking must stand that it waits for. */
  waitsFor: number | undefined;
}

export function submit(shop: Shop): AgentClass<Submitting> {
  const { settings, plan, parts, book, shuffled } = shop;
  const count = parts.candidates.length;

  return class Submit extends Actor<Submitting> implements Submitting {
    readonly #cancel = new AbortController();
    readonly #taken = new Set<number>();
    #lanes: Lane[] = [];
    #queue: Ranked[] = [];
    #basis = 0;
    #isRanked = false;
    #isUpdating = false;
    /** Whether more of the ranking is on its way, and whether there was no more. */
    #isRefilling = false;
    #isDrained = false;
    #drawn = 0;
    #turn = 0;
    #succeeded = 0;
    #running = 0;
    /** Slots that others have meanwhile. */
    #lent = 0;
    #isOver = false;
    #beganAt = 0;
    #busyMs = 0;

    begin(): void {
      this.#beganAt = this.now();
      if (!plan.repeats) this.#goOn();
      const initial = Math.max(1, plan.first - Math.floor(this.#succeeded / plan.lanes.length));
      const isLater = plan.first !== Infinity && this.#succeeded >= settings.initial;
      this.#lanes = plan.lanes.map((slots) => ({
        ...newRound(isLater ? plan.later : initial),
        slots,
        running: 0,
        round: 0,
      }));
      // What an earlier life simulated is enough for a model: a lane that waits for one begins with it.
      if (isLater) { for (const lane of this.#lanes) lane.waitsFor = this.#succeeded; }
      if (isLater) shop.agents.process.tell("roundEnded");
      this.#fill();
      // An earlier life may have been killed after its last simulation.
      this.#finish();
    }

    ended({ lane: index, line, isNew }: { lane: number; line: SimulationLine; isNew: boolean }): void {
      const lane = this.#lanes[index]!;
      lane.running--;
      this.#running--;
      shop.slots.free("simulate");
      this.#busyMs += line.receivedAt - line.submittedAt;
      if (line.value !== undefined) {
        this.#succeeded++;
        lane.succeeded++;
      }
      // Written down before the next one starts: a kill repeats what runs at that moment, and no more.
      if (isNew && !book.simulated(line)) return;
      this.#fill();
      shop.agents.process.tell("simulated", { line, isNew });
      if (lane.running === 0 && lane.wanted === 0) this.#endPass(lane, index);
      this.#finish();
    }

    ranked({ best, basis, isNew }: { best: readonly Ranked[]; basis: number; isNew: boolean }): void {
      this.#isUpdating = false;
      if (isNew) {
        this.#queue = [...best];
        this.#basis = basis;
        this.#isRanked = true;
        this.#isDrained = false;
      }
      for (const lane of this.#lanes) if (lane.waitsFor !== undefined && basis >= lane.waitsFor) this.#release(lane);
      this.#fill();
      this.#finish();
    }

    refilled(best: readonly Ranked[]): void {
      this.#isRefilling = false;
      this.#isDrained = best.length === 0;
      this.#queue.push(...best);
      this.#fill();
      this.#finish();
    }

    updating(): void {
      this.#isUpdating = true;
    }

    gained(): void {
      this.#fill();
    }

    waited({ lane: index, round }: { lane: number; round: number }): void {
      const lane = this.#lanes[index]!;
      if (lane.round !== round || lane.waitsFor === undefined) return;
      this.#release(lane);
      this.#fill();
    }

    override stopping(): void {
      this.#cancel.abort();
    }

    /** Begins where an earlier life of the run was killed. */
    #goOn(): void {
      for (const line of book.known.values()) {
        this.#take(line.row);
        this.#turn = Math.max(this.#turn, line.turn + 1);
        if (line.value !== undefined) this.#succeeded++;
        shop.agents.process.tell("simulated", { line, isNew: false });
      }
    }

    #fill(): void {
      if (settings.pauseDuringUpdate && this.#isUpdating) return;
      this.#lanes.forEach((lane, index) => {
        const mayStart = (): boolean =>
          lane.waitsFor === undefined && lane.running < lane.slots && lane.wanted > 0 &&
          this.#succeeded + this.#running < settings.max && this.#running < shop.slots.count("simulate");
        while (mayStart()) {
          const next = this.#next(lane);
          if (next === undefined) return;
          shop.slots.take("simulate");
          lane.wanted--;
          lane.running++;
          this.#running++;
          this.#start(index, next);
        }
      });
    }

    /** The best that is left, or a random one before there is a ranking, or where one failed. */
    #next(lane: Lane): Partial<Ranked> & { row: number } | undefined {
      if (this.#isRanked && !lane.isReplacing && plan.retrain !== "never") {
        const ranked = this.#nextRanked();
        if (ranked !== undefined || !this.#isDrained) return ranked;
      }
      while (this.#drawn < count) {
        const row = shuffled[this.#drawn++]!;
        if (!this.#taken.has(row)) return { row };
      }
      return undefined;
    }

    #nextRanked(): Ranked | undefined {
      let next = this.#queue.shift();
      while (next !== undefined && this.#taken.has(next.row)) next = this.#queue.shift();
      const mayRefill = !this.#isDrained && !this.#isRefilling && !(settings.refill === "pause" && this.#isUpdating);
      if (mayRefill && this.#queue.length < settings.buffer / 2) {
        this.#isRefilling = true;
        shop.agents.select.tell("refill");
      }
      return next;
    }

    #take(row: number): void {
      this.#taken.add(row);
      shop.agents.select.tell("taken", row);
    }

    #start(lane: number, { row, predicted }: Partial<Ranked> & { row: number }): void {
      const turn = this.#turn++;
      const submittedAt = this.now();
      this.#take(row);
      const ranked = predicted === undefined ? {} : { predicted, basis: this.#basis };
      const known = book.known.get(row);
      if (known !== undefined) {
        const line = { ...known, ...ranked, turn };
        shop.agents.submit.tell("ended", { lane, line, isNew: false });
        return;
      }
      const end = (rest: Pick<SimulationLine, "value" | "error" | "startedAt" | "endedAt">): void => {
        const line = { row, turn, ...rest, ...ranked, submittedAt, receivedAt: Date.now() };
        shop.agents.submit.tell("ended", { lane, line, isNew: true });
      };
      parts.simulate(parts.candidates[row], this.#cancel.signal).then(
        (outcome) => end(resultOf(outcome)),
        (error: Error) => {
          if (isEnding(error)) shop.fail(error);
          else end({ error: error.message });
        },
      );
    }

    /** All of a pass have ended: those that failed are replaced, or the round is over. */
    #endPass(lane: Lane, index: number): void {
      if (this.#succeeded >= settings.max) return;
      if (lane.succeeded < lane.quota) {
        lane.wanted = lane.quota - lane.succeeded;
        lane.isReplacing = true;
        return this.#fill();
      }
      lane.waitsFor = this.#succeeded;
      lane.round++;
      shop.agents.process.tell("roundEnded");
      this.#lend();
      if (plan.waitMs !== Infinity) this.after(plan.waitMs, "waited", { lane: index, round: lane.round });
    }

    /** While all lanes wait for a ranking, whoever works on it has the slots of simulations, too. */
    #lend(): void {
      if (plan.waitMs !== Infinity || this.#running > 0 || this.#lent > 0) return;
      if (this.#lanes.some(({ waitsFor }) => waitsFor === undefined)) return;
      this.#lent = shop.slots.count("simulate");
      const half = Math.floor(this.#lent / 2);
      shop.slots.move("simulate", "train", this.#lent - half);
      shop.slots.move("simulate", "infer", half);
    }

    /** Takes them back; those that are still in use come when they are free. */
    #fetch(): void {
      const half = Math.floor(this.#lent / 2);
      shop.slots.move("train", "simulate", this.#lent - half);
      shop.slots.move("infer", "simulate", half);
      this.#lent = 0;
    }

    #release(lane: Lane): void {
      this.#fetch();
      Object.assign(lane, newRound(plan.later));
    }

    /** Whether this was the last: as many as were asked for, or no candidate is left. */
    #finish(): void {
      const isSpent = this.#taken.size >= count;
      if (this.#isOver || this.#running > 0 || (this.#succeeded < settings.max && !isSpent)) return;
      this.#isOver = true;
      const slotMs = (this.now() - this.#beganAt) * settings.simulateSlots;
      shop.agents.process.tell("over", { busyMs: this.#busyMs, utilisation: slotMs === 0 ? 0 : this.#busyMs / slotMs });
    }
  };
}

function newRound(quota: number): Pick<Lane, "quota" | "succeeded" | "wanted" | "isReplacing" | "waitsFor"> {
  return { quota, succeeded: 0, wanted: quota, isReplacing: false, waitsFor: undefined };
}

/** A value that is no number is no success. */
function resultOf({ value, startedAt, endedAt }: Outcome): Partial<SimulationLine> {
  const times = startedAt === undefined || endedAt === undefined ? {} : { startedAt, endedAt };
  return Number.isFinite(value) ? { value, ...times } : { error: `its value is ${String(value)}`, ...times };
}
