// Appends of one process to one stream, one write at a time: what comes while one is under way goes with the next. The
// server takes an entry only above its last, so that a repeat changes nothing and an older epoch is refused.
import { ShoalError } from "../error.ts";
import type { Position } from "../store.ts";
import { batchOf, fieldsOf, type Head, idText, nowhere } from "./entries.ts";
import { headOf, markCommand, markOf, type StreamKeys } from "./heads.ts";
import { streamEntries } from "./replies.ts";
import type { Asked, Servers } from "./servers.ts";
import { isBehind } from "./trouble.ts";

export interface AppendsOptions {
  readonly servers: Servers;
  readonly name: string;
  readonly keys: StreamKeys;
  /** Enters the stream's name, before it is there. */
  readonly enter: () => Promise<void>;
}

export interface Appends {
  append(epoch: number, frames: readonly Uint8Array[]): Promise<Position>;
}

interface Waiting {
  readonly epoch: number;
  readonly frames: readonly Uint8Array[];
  readonly resolve: (position: Position) => void;
  readonly reject: (error: unknown) => void;
}

const triesMax = 100;
const batchBytesMax = 4 * 2 ** 20;
const batchFramesMax = 1_024;

export function appends({ servers, name, keys, enter }: AppendsOptions): Appends {
  const queue: Waiting[] = [];
  const asked: Asked = { what: `append to ${name}`, role: "control", writes: true };
  const looked: Asked = { ...asked, writes: false };
  let isWriting = false;
  /** What this process knows of the stream's end: nothing before the first look, and after any trouble. */
  let head: Head | undefined;
  /** The last of what was acknowledged: its positions are never used again, not even when the server has lost them. */
  let acknowledged: Head = nowhere;
  /** What was sent and never answered: it may still arrive. */
  let adrift: Head | undefined;

  async function look(): Promise<Head> {
    const there = await headOf(servers, looked, keys);
    if (there === undefined) await enter();
    const found = there ?? nowhere;
    if (found.epoch !== acknowledged.epoch) return found.epoch > acknowledged.epoch ? found : acknowledged;
    return {
      epoch: found.epoch,
      sequence: Math.max(found.sequence, acknowledged.sequence),
      number: Math.max(found.number, acknowledged.number),
    };
  }

  /** Whether the entry that was to be written stands already: sent once, answered to nobody. */
  async function stands({ epoch, sequence, number }: Head, frames: readonly Uint8Array[]): Promise<boolean> {
    const id = idText(epoch, number);
    const [found, marked] = await servers.calls(looked, keys.stream, [
      ["XRANGE", keys.stream, id, id],
      markCommand(keys.mark),
    ]);
    const [entry] = streamEntries(found);
    const mark = markOf(marked);
    if (entry === undefined) return mark !== undefined && mark.epoch === epoch && mark.sequence >= sequence;
    const own = batchOf(entry).frames;
    return own.length === frames.length && own.every((frame, index) => frame.equals(frames[index]!));
  }

  async function add(before: Head, after: Head, frames: readonly Uint8Array[]): Promise<boolean> {
    const id = idText(after.epoch, after.number);
    try {
      await servers.call(asked, keys.stream, "XADD", keys.stream, id, ...fieldsOf(before, frames));
      return true;
    } catch (error) {
      if (isBehind(error)) return await stands(after, frames);
      if (error instanceof ShoalError && error.outcome === "unknown") adrift = after;
      throw error;
    }
  }

  async function write(epoch: number, frames: readonly Uint8Array[]): Promise<Head> {
    for (let tries = 0; tries < triesMax; tries++) {
      // Only the server knows whether a newer epoch was opened; who writes no frame has no other way to learn it.
      if (head === undefined || frames.length === 0) head = await look();
      if (epoch < head.epoch) {
        throw new ShoalError("Fenced", `Cannot append to ${name} in epoch ${epoch}: epoch ${head.epoch} is open`);
      }
      if (epoch === head.epoch && frames.length === 0) return head;
      let before = epoch > head.epoch ? { epoch, sequence: 0, number: 0 } : head;
      if (adrift !== undefined) {
        // Its place is taken, so that it cannot arrive any more: or it has.
        const { number } = adrift;
        const barrier = { ...before, number };
        if (adrift.epoch === epoch && before.number < number && !await add({ ...before, number: -1 }, barrier, [])) {
          head = undefined;
          continue;
        }
        if (adrift.epoch === epoch && before.number < number) before = barrier;
        adrift = undefined;
      }
      const after = {
        epoch,
        sequence: before.sequence + frames.length,
        number: before.number + frames.length,
      };
      if (await add(before, after, frames)) return head = acknowledged = after;
      head = undefined;
    }
    throw new ShoalError("Unavailable", `Cannot append to ${name}: others write to it each time`);
  }

  /** Those that go together: of one epoch, and no more than the server takes well at once. */
  function batch(): Waiting[] {
    const { epoch } = queue[0]!;
    let [bytes, frames, count] = [0, 0, 0];
    for (const one of queue) {
      bytes += one.frames.reduce((sum, frame) => sum + frame.byteLength, 0);
      frames += one.frames.length;
      if (one.epoch !== epoch || (count > 0 && (bytes > batchBytesMax || frames > batchFramesMax))) break;
      count += 1;
    }
    return queue.splice(0, count);
  }

  async function drain(): Promise<void> {
    isWriting = true;
    while (queue.length > 0) {
      const all = batch();
      const frames = all.flatMap((one) => one.frames);
      try {
        const end = await write(all[0]!.epoch, frames);
        let sequence = end.sequence - frames.length;
        for (const one of all) {
          sequence += one.frames.length;
          one.resolve({ epoch: one.epoch, sequence });
        }
      } catch (error) {
        head = undefined;
        for (const one of all) one.reject(error);
      }
    }
    isWriting = false;
  }

  return {
    append(epoch, frames) {
      return new Promise((resolve, reject) => {
        // What waits for its turn is a copy: the frames are their maker's again as soon as he likes.
        const own = isWriting ? frames.map((frame) => frame.slice()) : frames;
        queue.push({ epoch, frames: own, resolve, reject });
        if (!isWriting) void drain();
      });
    },
  };
}
