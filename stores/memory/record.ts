// One tensor's record in shared memory: which words it has, what its state is, and who holds on to it. Each thread shows
// by one bit that it has pins, and by one that it has views: what they are, it alone knows.
import type { TensorEntry } from "../store.ts";
import { entryCount, joined, type Table, threadsMax, type Words } from "./words.ts";

/** Words of a record. */
const state = 0;
export const owner = 1;
export const readsLeft = 2;
export const sum = 3;
export const flags = 4;
export const inSlot = 5;
export const lapsed = 12;
export const link = 13;
export const pinned = 16;
export const viewed = 24;
/** Numbers of two words, counted in such. */
const length = 3;
const deadline = 4;
const mark = 5;

/** The last two bits of the first word, under the generation. */
const free = 0;
export const draft = 1;
export const sealed = 2;
export const released = 3;
const states: readonly TensorEntry["state"][] = ["released", "draft", "sealed", "released"];
export const generationsMax: number = 2 ** 29 - 2;
export const summed = 1;
export const corrupt = 2;
export const readsUnlimited: number = 2 ** 31 - 1;

const idPattern = /^([0-9a-z]{1,5})\.([0-9a-z]{1,6})$/;

/** Where a tensor is, and which of those that were there. */
export interface Place {
  readonly index: number;
  readonly generation: number;
}

export interface Records {
  readonly table: Table;
  idOf(place: Place): string;
  /** The place that an id names. */
  placeOf(id: string): Place | undefined;
  /** The word in which a record begins. */
  at(place: Place): number;
  /** Whether the place holds the tensor, in that state. */
  isIn(place: Place, wanted: number): boolean;
  /** Whether there is a tensor, sealed or released, and references to it come to this mark. */
  isMeant(place: Place, wanted: number): boolean;
  /** Moves the tensor from one state to the next, where it is in it. */
  move(place: Place, from: number, to: number): boolean;
  begin(place: Place): void;
  /** Whether any thread shows that it has some. */
  anybody(at: number, mask: number): boolean;
  show(at: number, mask: number): void;
  hide(at: number, mask: number, of?: number): void;
  bytes(at: number): number;
  deadline(at: number): number;
  mark(at: number): number;
  write(at: number, what: { readonly bytes?: number; readonly deadline?: number; readonly mark?: number }): void;
  /** All places that hold a tensor, with their state. */
  all(): Iterable<Place & { readonly state: number }>;
  stateName(number: number): TensorEntry["state"];
}

/** The records as one thread sees them. */
export function records(prefix: string, thread: number, { control, entries: table }: Words): Records {
  const stateAt = (at: number): number => Atomics.load(table.words, at + state);
  const wordOf = ({ generation }: Place, number: number): number => generation << 2 | number;

  return {
    table,
    idOf: ({ index, generation }) => `${prefix}-${index.toString(36)}.${generation.toString(36)}`,
    placeOf(id) {
      const match = id.startsWith(`${prefix}-`) ? idPattern.exec(id.slice(prefix.length + 1)) : null;
      if (match === null) return undefined;
      const index = parseInt(match[1]!, 36);
      return index < Atomics.load(control, entryCount) ? { index, generation: parseInt(match[2]!, 36) } : undefined;
    },
    at: ({ index }) => table.at(index),
    isIn(place, wanted) {
      const at = table.at(place.index);
      return stateAt(at) === wordOf(place, wanted);
    },
    isMeant(place, wanted) {
      const at = table.at(place.index);
      const now = stateAt(at);
      return now >> 2 === place.generation && (now & 3) >= sealed && table.wide[(at >> 1) + mark] === wanted;
    },
    move(place, from, to) {
      const at = table.at(place.index);
      const was = wordOf(place, from);
      return Atomics.compareExchange(table.words, at + state, was, wordOf(place, to)) === was;
    },
    begin(place) {
      const at = table.at(place.index);
      Atomics.store(table.words, at + state, wordOf(place, draft));
    },
    anybody(at, mask) {
      const last = Math.min(Atomics.load(control, joined), threadsMax) - 1 >> 5;
      for (let each = 0; each <= last; each++) if (Atomics.load(table.words, at + mask + each) !== 0) return true;
      return false;
    },
    show: (at, mask) => void Atomics.or(table.words, at + mask + (thread >> 5), 1 << (thread & 31)),
    hide: (at, mask, of = thread) => void Atomics.and(table.words, at + mask + (of >> 5), ~(1 << (of & 31))),
    bytes: (at) => table.wide[(at >> 1) + length]!,
    deadline: (at) => table.wide[(at >> 1) + deadline]!,
    mark: (at) => table.wide[(at >> 1) + mark]!,
    write(at, what) {
      if (what.bytes !== undefined) table.wide[(at >> 1) + length] = what.bytes;
      if (what.deadline !== undefined) table.wide[(at >> 1) + deadline] = what.deadline;
      if (what.mark !== undefined) table.wide[(at >> 1) + mark] = what.mark;
    },
    *all() {
      const count = Atomics.load(control, entryCount);
      for (let index = 0; index < count; index++) {
        const at = table.at(index);
        const now = stateAt(at);
        if ((now & 3) !== free) yield { index, generation: now >> 2, state: now & 3 };
      }
    },
    stateName: (number) => states[number]!,
  };
}

/** The generation that the next tensor in a place has. */
export function nextGeneration(table: Table, index: number): number {
  const at = table.at(index);
  return Atomics.load(table.words, at + state) >> 2;
}

/** Makes the place of a released tensor free for the next; of all who try, one does. */
export function freed(table: Table, { index, generation }: Place): boolean {
  const at = table.at(index);
  const was = generation << 2 | released;
  return Atomics.compareExchange(table.words, at + state, was, generation + 1 << 2 | free) === was;
}
