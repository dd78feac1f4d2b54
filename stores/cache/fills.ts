// One of all who want a tensor on this node fetches it, and the others wait for him: for as long as he lives and gets
// on. What nobody fetched for them, they fetch themselves.
import type { Landed, Wanted } from "../copied/landing.ts";
import { isShoalError } from "../error.ts";
import type { Draft } from "../store.ts";
import { type Ground, reclaimed, refOf } from "./remains.ts";
import { isLiving, type Lying, ownProcess } from "./shelf.ts";

export interface FillsOptions {
  readonly ground: Ground;
  readonly isClosed: () => boolean;
  readonly say: (why: unknown) => void;
}

export interface Fills {
  /** Answers nothing where there is no room, or whoever fetches it takes too long. */
  land(wanted: Wanted, fill: (into: Uint8Array) => Promise<void>): Promise<Landed | undefined>;
  forget(id: string): Promise<void>;
}

const pollMs = { min: 1, max: 20 } as const;
/** A filler that has got nowhere by then does not get anywhere: so much, and more for more bytes. */
const patienceMs = 10_000;
const patienceBytesPerMs = 20_000;
const triesMax = 8;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export function fills({ ground, isClosed, say }: FillsOptions): Fills {
  const { store, shelf, writer } = ground;

  /** What lies in the arena that is shown, if it still does. */
  async function view(wanted: Wanted, lying: Lying): Promise<Landed | undefined> {
    try {
      const tensor = await store.tensors.get(refOf(ground, lying));
      shelf.touch(wanted.id);
      return {
        buffer: tensor.data.buffer as ArrayBuffer,
        offset: tensor.data.byteOffset,
        isThere: () => !isClosed(),
        done(isWhole) {
          if (!isWhole) shelf.remove(wanted.id, lying);
          try {
            tensor.done();
          } catch (error) {
            // That it was written to is told by the store whose tensor it is.
            if (!isShoalError(error, "Corrupt")) throw error;
          }
        },
      };
    } catch (error) {
      if (!isShoalError(error)) throw error;
      shelf.remove(wanted.id, lying);
      return undefined;
    }
  }

  /** Room for a tensor: what was of no use for longest makes it. */
  async function room(bytes: number): Promise<Draft | undefined> {
    for (let tries = 0; tries < triesMax; tries++) {
      try {
        return await store.tensors.allocate("uint8", [bytes]);
      } catch (error) {
        if (!isShoalError(error, "CapacityExceeded")) throw error;
        const lying = shelf.oldest().filter((one) => one.lying.state === "ready");
        const own = lying.filter((one) => one.lying.writer === writer);
        if (own.length > 0) await evict(own, bytes);
        else if (!reclaimed(ground)) {
          // Theirs goes when they next look; this time it is for nobody but who asks.
          await evict(lying, bytes);
          if (lying.length === 0) say(error);
          return undefined;
        }
      }
    }
    return undefined;
  }

  async function evict(
    lying: readonly { readonly id: string; readonly lying: Lying }[],
    bytes: number,
  ): Promise<void> {
    let freedBytes = 0;
    for (const one of lying) {
      if (freedBytes >= bytes) return;
      freedBytes += one.lying.bytes;
      shelf.remove(one.id, one.lying);
      await store.tensors.release(refOf(ground, one.lying));
    }
  }

  async function filled(
    wanted: Wanted,
    mark: Lying,
    fill: (into: Uint8Array) => Promise<void>,
  ): Promise<Landed | undefined> {
    let draft: Draft | undefined;
    try {
      draft = await room(wanted.bytes);
      if (draft === undefined) return undefined;
      const { buffer, byteOffset } = draft.data;
      await fill(new Uint8Array(buffer, byteOffset, wanted.bytes));
      const { id } = await draft.seal();
      const lying: Lying = { ...mark, state: "ready", id };
      shelf.replace(wanted.id, lying);
      return await view(wanted, lying);
    } catch (error) {
      draft?.discard();
      throw error;
    } finally {
      shelf.remove(wanted.id, mark);
    }
  }

  /** Whether there is somebody who will have it soon. */
  function isUnderWay(lying: Lying, since: number, bytes: number): boolean {
    return performance.now() - since < patienceMs + bytes / patienceBytesPerMs && isLiving(lying);
  }

  return {
    async land(wanted, fill) {
      const mark: Lying = { ...wanted, state: "filling", writer, process: ownProcess(), id: "" };
      const since = performance.now();
      let waitMs: number = pollMs.min;
      for (let tries = 0; tries < triesMax;) {
        const lying = shelf.look(wanted.id);
        if (lying === undefined) {
          if (shelf.claim(wanted.id, mark)) return await filled(wanted, mark, fill);
          tries += 1;
          continue;
        }
        const isMeant = lying.sum === wanted.sum && lying.bytes === wanted.bytes;
        if (isMeant && lying.state === "ready") {
          const found = await view(wanted, lying);
          if (found !== undefined) return found;
          tries += 1;
          continue;
        }
        if (!isMeant || !isUnderWay(lying, since, wanted.bytes)) {
          shelf.remove(wanted.id, lying);
          // One that lives may only be slow: nobody waits for this one again.
          if (isMeant && isLiving(lying)) return undefined;
          tries += 1;
          continue;
        }
        await pause(waitMs);
        waitMs = Math.min(2 * waitMs, pollMs.max);
      }
      return undefined;
    },
    async forget(id) {
      const lying = shelf.look(id);
      if (lying?.state !== "ready") return;
      shelf.remove(id, lying);
      await store.tensors.release(refOf(ground, lying));
    },
  };
}
