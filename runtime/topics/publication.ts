// The publisher's side of a topic: what one actor publishes, in order, into its own log. What was accepted is appended
// as soon as there is credit, what happens in one turn together.

import { isShoalError, ShoalError } from "../../stores/error.ts";
import type { Entry } from "../../stores/store.ts";
import { Parked } from "../mailbox.ts";
import { pause, persistently } from "../nodes/patience.ts";
import { frameFor, headIn, writeHead } from "./frames.ts";
import { line } from "./line.ts";
import type { PublicationParts } from "./parts.ts";
import { entriesIn, isDropped, type Item, keeps, Publishing, refusals } from "./publishing.ts";
import { type Held, type Kept, type Retained, retained } from "./retained.ts";
import { openWriter } from "./writer.ts";

export interface Publication {
  publish(item: Item, timeoutMs: number): PromiseLike<void>;
  /** Settles when nothing of what was published waits for credit, or for the store. */
  room(timeoutMs: number): Promise<void>;
  /** It has no more, and why. */
  end(why: string): PromiseLike<void>;
  /** Settles when all that has credit is in the log; nothing is taken any more. */
  close(): Promise<void>;
}

const batchEntriesMax = 256;
const batchBytesMax = 2 ** 20;
/** How long a step's entries wait before the store that did not take them is asked again. */
const againMs = { first: 250, max: 10_000 };

export function publication(parts: PublicationParts): Publication {
  const { topic, name, logs, environment, deadlines, credit, controller, release } = parts;
  const kept: Retained = retained(release);
  const waiting = line();
  /** Why the store does not take what a step has committed. */
  let trouble: string | undefined;
  let epoch: number | undefined;
  let wasEpoch: number | undefined;
  let [last, lastStep] = [0, 0];
  let running: Promise<void> | undefined;
  let over: ShoalError | undefined;
  let ending: PromiseLike<void> | undefined;
  let hasEnded = false;

  const what = `Cannot publish to ${topic}`;
  const by = environment.token();
  const late = (timeoutMs: number): ShoalError =>
    new ShoalError("Timeout", `${what}: waited ${timeoutMs} ms; ${trouble ?? credit.why}`);
  const ask = <T>(doing: string, call: () => Promise<T>): Promise<T> =>
    persistently(environment, `publish to ${topic}: ${doing}`, call);

  async function open(): Promise<void> {
    const before = kept.take();
    last = 0;
    lastStep = 0;
    hasEnded = false;
    try {
      const opened = await openWriter({ ...parts, ask, credit: parts.hasCredit, found }, wasEpoch, by);
      wasEpoch = opened.epoch;
      credit.unsent(last);
      await parts.members.join("publisher", parts.publisher);
      epoch = opened.epoch;
      parts.opened();
    } finally {
      for (const { held } of before) for (const one of held) release(one);
    }
  }

  /** An entry that stood in the log before it was opened. */
  function found({ epoch: of, sequence, frame }: Entry): void {
    const { number, weight, step, tensors, isEnd } = headIn(frame);
    lastStep = Math.max(lastStep, step);
    hasEnded = isEnd;
    if (isEnd || number <= last) return;
    last = number;
    const held = tensors ? [parts.hold(parts.tensorsIn(frame))] : [];
    kept.add({ at: { epoch: of, sequence }, through: number, bytes: weight, held });
    credit.sent(number, weight);
  }

  function start(): void {
    if (running !== undefined) return;
    running = new Promise<void>((resolve) => environment.soon(resolve)).then(persist).finally(() => {
      running = undefined;
      trouble = undefined;
      if (waiting.count > 0) start();
    });
  }

  /** What a step has committed is published, however long the store takes: no later step's may go before it. */
  async function persist(): Promise<void> {
    for (let delayMs = againMs.first;; delayMs = Math.min(2 * delayMs, againMs.max)) {
      const before = last;
      try {
        return await run();
      } catch (error) {
        if (isShoalError(error, "Fenced") || isShoalError(error, "Ended")) over = error;
        refuseAll(error as Error);
        if (waiting.head === undefined) return;
        const why = error instanceof Error ? error.message : String(error);
        if (trouble === undefined) parts.say(`${what} what was committed: ${why}; the store is asked again`);
        trouble = why;
      }
      if (last > before) delayMs = againMs.first;
      await pause(environment, delayMs, controller.signal);
      if (controller.signal.aborted) refuseAll(new ShoalError("ShuttingDown", `${what}: the system ends; ${trouble}`));
    }
  }

  async function run(): Promise<void> {
    while (waiting.head !== undefined) {
      if (epoch === undefined) await open();
      const batch = next();
      if (batch.length > 0) await append(batch);
      else if (!await wait()) return;
    }
  }

  /** Until readers have come further; false where nobody waits for that any more. */
  async function wait(): Promise<boolean> {
    const weight = waiting.head?.weight ?? 0;
    await ask("look for its readers", credit.look);
    if (credit.allows(weight)) return true;
    if (controller.signal.aborted) {
      refuseAll(new ShoalError("ShuttingDown", `${what}: the system ends, and ${credit.why}`));
      return false;
    }
    await ask("wait for its readers", credit.changed);
    return true;
  }

  /** What may go now, in order. An end needs no credit. */
  function next(): Publishing[] {
    const batch: Publishing[] = [];
    let bytes = 0;
    for (let one = waiting.head; one !== undefined && batch.length < batchEntriesMax; one = waiting.head) {
      if (one.item.step > 0 && one.item.step <= lastStep) stands(one);
      else if (batch.length > 0 && bytes + one.weight > batchBytesMax) break;
      else if (!one.item.isEnd && !credit.allows(one.weight)) break;
      else {
        deadlines.remove(one);
        batch.push(one);
        bytes += one.weight;
        if (!one.item.isEnd) credit.sent(last + entriesIn(batch), one.weight);
      }
      waiting.shift();
    }
    return batch;
  }

  async function append(batch: readonly Publishing[]): Promise<void> {
    let number = last;
    const frames = batch.map(({ item, weight }) => {
      const { step, isEnd, frame, tensors } = item;
      if (!isEnd) number++;
      return writeHead(frame, { number, weight, step, tensors: tensors !== undefined, isEnd });
    });
    try {
      const at = await logs.append(name, epoch!, frames);
      appended(batch, at.sequence);
    } catch (error) {
      await settleUnknown(batch, error);
    }
    await trim();
  }

  function appended(batch: readonly Publishing[], sequence: number): void {
    last += entriesIn(batch);
    let bytes = 0;
    const held: Held[] = [];
    for (const one of batch) {
      bytes += one.weight;
      if (one.held !== undefined) held.push(one.held);
      lastStep = Math.max(lastStep, one.item.step);
      hasEnded = one.item.isEnd;
      settle(one);
    }
    if (epoch !== undefined) kept.add({ at: { epoch, sequence }, through: last, bytes, held });
  }

  /** An append failed. Whether it did, only the log can say, once nobody can append to it in this epoch any more. */
  async function settleUnknown(batch: readonly Publishing[], error: unknown): Promise<void> {
    if (isShoalError(error, "Fenced")) {
      for (const one of batch) give(one, new ShoalError("Fenced", `${what}: ${error.message}`, { cause: error }));
      throw error;
    }
    const [before, stepBefore] = [last, lastStep];
    epoch = undefined;
    try {
      await open();
    } catch (cause) {
      const text = `${what}: the store has not said whether it took the entry`;
      const unsaid = new ShoalError("Unavailable", text, { outcome: "unknown", cause });
      for (const one of batch) if (!keeps(one, cause)) give(one, unsaid);
      waiting.back(batch);
      throw cause;
    }
    let taken = Math.max(0, last - before);
    const again: Publishing[] = [];
    const isRefused = isShoalError(error) && error.outcome === "failed" && refusals.has(error.code);
    for (const one of batch) {
      if (one.item.isEnd ? hasEnded : taken-- > 0) stands(one);
      else if (isRefused && !keeps(one, error)) give(one, error);
      else again.push(one);
    }
    lastStep = Math.max(lastStep, stepBefore);
    waiting.back(again);
    // There may be room later.
    if (isRefused && again.length > 0) throw error;
  }

  async function trim(): Promise<void> {
    const surplus: readonly Kept[] = kept.surplus(parts.retainBytes, credit.through);
    const end = surplus.at(-1);
    if (end === undefined) return;
    try {
      await logs.trim(name, end.at);
      kept.gone(surplus);
    } catch {
      // What is not trimmed now is trimmed with the next.
    }
  }

  /** The log has it, and its own pins have taken the place of this one's. */
  function stands(one: Publishing): void {
    if (one.held !== undefined) release(one.held);
    settle(one);
  }

  function settle(one: Publishing): void {
    deadlines.remove(one);
    one.leave();
  }

  function give(one: Publishing, error: ShoalError): void {
    if (one.settled) return;
    deadlines.remove(one);
    if (one.held !== undefined) release(one.held);
    one.leave(error);
    if (!one.isAwaited || isDropped(one, error)) parts.say(error.message);
  }

  function refuseAll(error: Error): void {
    const reason = isShoalError(error)
      ? error
      : new ShoalError("Unavailable", `${what}: ${error.message}`, { cause: error });
    waiting.each((one) => {
      if (!keeps(one, error)) give(one, reason);
    });
  }

  function publish(item: Item, timeoutMs: number): PromiseLike<void> {
    const { count } = waiting;
    if (!item.isEnd) {
      if (over !== undefined) return Parked.refused(over);
      if (count >= parts.waitingMax) {
        const text = `${what}: ${count} entries of this publisher wait; await a publish now and then`;
        return Parked.refused(new ShoalError("CapacityExceeded", text));
      }
    }
    let held: Held | undefined;
    try {
      held = item.tensors === undefined ? undefined : parts.hold(item.tensors);
    } catch (error) {
      return Parked.refused(error as ShoalError);
    }
    const one = new Publishing(item, held);
    one.expired = () => give(one, late(timeoutMs));
    if (timeoutMs < Number.POSITIVE_INFINITY) deadlines.add(one, timeoutMs);
    waiting.push(one);
    start();
    return one;
  }

  return {
    publish,
    end(why) {
      const item = { frame: frameFor(why, false), tensors: undefined, step: 0, isEnd: true };
      ending ??= publish(item, Number.POSITIVE_INFINITY);
      over ??= new ShoalError("Ended", `${what}: this publisher has said that it has no more`);
      return ending;
    },
    room(timeoutMs) {
      if (running === undefined) return Promise.resolve();
      return new Promise((resolve, reject) => {
        const cancel = environment.after(timeoutMs, () => reject(late(timeoutMs)));
        void running!.then(() => {
          cancel();
          resolve();
        });
      });
    },
    async close() {
      over ??= new ShoalError("ShuttingDown", `${what}: the system was closed`);
      controller.abort();
      while (running !== undefined) await running;
      for (const { held } of kept.take()) for (const one of held) release(one);
      credit.close();
    },
  };
}
