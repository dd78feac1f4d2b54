// What was lately, of very many things: the older half is forgotten at once, since a map that gives up its oldest entry
// each time takes longer for that the more it has given up.

export interface Lately<V> {
  has(key: string): boolean;
  get(key: string): V | undefined;
  set(key: string, value: V): void;
}

/** Remembers the last `rememberedMax / 2` at least, and `rememberedMax` at most. */
export function lately<V>(rememberedMax: number): Lately<V> {
  let newer = new Map<string, V>();
  let older = new Map<string, V>();
  return {
    has: (key) => newer.has(key) || older.has(key),
    get: (key) => newer.get(key) ?? older.get(key),
    set(key, value) {
      if (newer.size >= rememberedMax / 2 && !newer.has(key)) {
        older = newer;
        newer = new Map();
      }
      older.delete(key);
      newer.set(key, value);
    },
  };
}
