// An actor that counts and fails when it is told to, and the crashes that a run recorded, for the tests of supervision.
import { Actor, type RunRecord } from "../../runtime/mod.ts";

export const timeoutMs = 8_000;

/** Counts, and fails when it is told to. */
export class Counter extends Actor {
  readonly seen: number[] = [];

  add(value: number): number {
    return this.seen.push(value);
  }

  list(): number[] {
    return this.seen;
  }

  fail(text: string): void {
    this.seen.push(-1);
    throw new Error(text);
  }

  async failLater(text: string): Promise<void> {
    this.seen.push(-2);
    await Promise.resolve();
    throw new Error(text);
  }
}

export const crashes = (records: readonly RunRecord[]): readonly (RunRecord & { type: "ActorCrashed" })[] =>
  records.filter((record) => record.type === "ActorCrashed");
