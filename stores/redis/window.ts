// How many large requests one server has at a time: with more of them it answers more slowly, not faster.

export interface Window {
  /** Runs work when its server has a place for it. */
  within<T>(server: number, work: () => Promise<T>): Promise<T>;
}

export function window(placesMax: number): Window {
  const lines = new Map<number, { free: number; readonly waiting: (() => void)[] }>();

  return {
    async within(server, work) {
      const line = lines.get(server) ?? { free: placesMax, waiting: [] };
      lines.set(server, line);
      if (line.free > 0) line.free -= 1;
      else await new Promise<void>((resolve) => line.waiting.push(resolve));
      try {
        return await work();
      } finally {
        const next = line.waiting.shift();
        if (next === undefined) line.free += 1;
        else next();
      }
    },
  };
}
