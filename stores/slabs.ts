// Size classes of pooled memory. Fresh memory streams at 1.4 GB/s and warm memory at 19: what was once allocated is
// kept, in classes, and used again by the next tensor that falls into one.

/** What strict mode fills memory with that holds no tensor: as float64 it is -6.3e66, and as an integer absurd too. */
export const releasedByte = 0xcd;

const slotAlignment = 64;

/** The room of the class that a length falls into: four classes to a doubling, so that at most a fifth is not used. */
export function classRoom(bytes: number): number {
  let step = slotAlignment;
  while (bytes > 8 * step) step *= 2;
  return Math.max(1, Math.ceil(bytes / step)) * step;
}
