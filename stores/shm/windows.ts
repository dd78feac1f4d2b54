// In which pieces a file is mapped. The first is small, and each that follows is as long as all before it, up to a
// largest: a runtime takes what is mapped for memory of the program, and collects garbage for it.

export interface Windows {
  readonly largestBytes: number;
  /** The number of the piece that a place lies in. */
  at(place: number): number;
  /** Where a piece begins, which is where the one before it ends. */
  begin(index: number): number;
}

/** Both are powers of two, the first no smaller than a page of any machine, the largest below 2^31. */
export function windows(firstBytes: number, largestBytes: number): Windows {
  const firstBits = Math.log2(firstBytes);
  const doublings = Math.log2(largestBytes) - firstBits;
  return {
    largestBytes,
    at(place) {
      if (place >= largestBytes) return doublings + Math.floor(place / largestBytes);
      return 32 - Math.clz32(place >>> firstBits);
    },
    begin(index) {
      if (index > doublings) return (index - doublings) * largestBytes;
      return index === 0 ? 0 : 1 << (firstBits + index - 1);
    },
  };
}
