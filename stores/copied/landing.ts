// Where the bytes of a tensor land that come to this process: in a buffer of its own, which is used again when its view
// is done; or in memory that the whole node shares, if cache.ts is there.
import type { Buffers } from "./buffers.ts";

/** Memory that holds a tensor's bytes until it is given back. */
export interface Landed {
  readonly buffer: ArrayBuffer;
  readonly offset: number;
  /** Whether the bytes can still be looked at: memory that others share ends with its store. */
  isThere(): boolean;
  /** Gives it back; `isWhole` unless somebody has written to it. */
  done(isWhole: boolean): void;
}

export interface Wanted {
  readonly id: string;
  readonly bytes: number;
  /** What the store says of the bytes: others under the same id are not meant. */
  readonly sum: string;
}

export interface Landing {
  /** Brings the bytes where a reader finds them. `fill` fetches and verifies all of them; its error is thrown. */
  land(wanted: Wanted, fill: (into: Uint8Array) => Promise<void>): Promise<Landed>;
}

/** A buffer for each reader. */
export function pooledLanding(buffers: Buffers): Landing {
  return {
    async land({ bytes }, fill) {
      const buffer = buffers.take(bytes);
      const done = (): void => buffers.give(buffer);
      try {
        await fill(new Uint8Array(buffer, 0, bytes));
        return { buffer, offset: 0, isThere: () => true, done };
      } catch (error) {
        done();
        throw error;
      }
    },
  };
}
