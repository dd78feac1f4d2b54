// The store of the simulated world: claims, journals and tensors that keep what they declare to keep and fence what is
// stale. It is late, full, now and then unable to say what it did, and slow to show all that it holds.

import type { Epoch, StepRecord } from "../../runtime/delivery/protocol.ts";
import type { Presence } from "./laws/presence.ts";

export interface Commit {
  readonly epoch: Epoch;
  readonly number: number;
  readonly records: readonly StepRecord[];
}

interface Journal {
  epoch: Epoch;
  /** Counts losses: who opened it before one is told that it is fenced. */
  generation: number;
  /** The highest number of `epoch` that it ever took: what comes again is known by this, trimmed or not. */
  highest: number;
  /** How many of the commits are beyond any loss. */
  firm: number;
  commits: Commit[];
}

interface Claim {
  epoch: Epoch;
  holder: number;
  /** By the clock of its holder. */
  until: number;
}

/** What a store stands on; the tests break these, too. */
export interface StoreRules {
  /** Whether an append comes too late. */
  isFenced(epoch: Epoch, opened: Epoch): boolean;
  /** Whether an append is one that it has taken before. */
  isKnown(number: number, journal: Readonly<Journal>): boolean;
  /** Whether a tensor may be written under a name that was released. */
  mayWrite(isReleased: boolean): boolean;
  /** How many of a journal's last commits such an end may take. */
  lossMax(survives: Level, end: End): number;
}

/** What a store declares to survive, from least to most. */
export type Level = "process" | "host" | "server" | "power";

/** What can end under a store: the host that a process runs on, the store's server, or the power of all. */
export type End = "host" | "server" | "power";

const levels: readonly Level[] = ["process", "host", "server", "power"];

/** Whether a store declares to keep all that it has taken when this ends. */
export const isKept = (survives: Level, end: End): boolean => levels.indexOf(survives) >= levels.indexOf(end);

export const storeRules: StoreRules = {
  isFenced: (epoch, opened) => epoch < opened,
  isKnown: (number, journal) => number <= journal.highest,
  mayWrite: (isReleased) => !isReleased,
  // Memory goes as a whole; of what is written to a disk now and then, a power failure takes the end.
  lossMax: (survives, end) => isKept(survives, end) ? 0 : end === "power" ? 3 : Infinity,
};

/** What a reader gets at once: a part of what there is, and whether it has seen the end. */
export interface Page {
  readonly commits: readonly Commit[];
  readonly isEnd: boolean;
}

/** All of it is called by the driver of some process, under a name of its choice. */
export interface Store {
  readonly tensors: Set<string>;
  readonly standing: (name: string) => Claim;
  claim(name: string, epoch: Epoch, holder: number): boolean;
  /** Whether the claim is still its holder's. */
  renew(name: string, holder: number, until: number): boolean;
  /** Which generation was opened; none where a later epoch was. */
  open(name: string, epoch: Epoch): number | undefined;
  /** What follows a commit, or a part of it; none where the journal is not what it was when it was opened. */
  read(name: string, generation: number, after: Pick<Commit, "epoch" | "number">, commitsMax: number): Page | undefined;
  /** `taken` is called when it is written, which may be late: an append that gets no answer may be on its way. */
  append(
    name: string,
    generation: number,
    commit: Commit,
    taken: () => void,
    isLate?: boolean,
  ): "held" | "fenced" | "known";
  trim(name: string, before: { readonly epoch: Epoch; readonly through: number }): void;
  write(tensor: string): void;
  release(tensor: string): void;
  /** So many of a journal's last commits were not kept; all where there is no limit. Answers what was lost. */
  lose(name: string, commitsMax: number): readonly Commit[];
  /** Something that was written before is written again, late: a copy that went astray. */
  echo(choice: number): void;
}

const echoesMax = 32;
const noClaim: Claim = { epoch: 0, holder: 0, until: 0 };

export function simulatedStore(rules: StoreRules, presence: Presence): Store {
  const claims = new Map<string, Claim>();
  const journals = new Map<string, Journal>();
  const tensors = new Set<string>();
  const released = new Set<string>();
  /** Copies of writes that the way to the store may still hold. */
  const echoes: (() => void)[] = [];

  function journalOf(name: string): Journal {
    const known = journals.get(name);
    if (known !== undefined) return known;
    const journal: Journal = { epoch: 0, generation: 0, highest: 0, firm: 0, commits: [] };
    journals.set(name, journal);
    return journal;
  }

  function later(write: () => void): void {
    if (echoes.length < echoesMax) echoes.push(write);
    else echoes[Math.floor(echoesMax / 2)] = write;
  }

  function put(name: string, generation: number, commit: Commit, taken: () => void): "held" | "fenced" | "known" {
    const journal = journalOf(name);
    const { epoch, number } = commit;
    if (rules.isFenced(epoch, journal.epoch) || generation !== journal.generation) return "fenced";
    if (rules.isKnown(number, journal)) return "known";
    presence.appended(name, epoch, number);
    journal.highest = number;
    journal.commits.push(commit);
    taken();
    return "held";
  }

  function write(tensor: string): void {
    if (!rules.mayWrite(released.has(tensor))) return;
    presence.written(tensor);
    tensors.add(tensor);
  }

  return {
    tensors,
    standing: (name) => claims.get(name) ?? noClaim,
    claim(name, epoch, holder) {
      const claim = claims.get(name) ?? noClaim;
      const held = epoch > claim.epoch || (epoch === claim.epoch && claim.holder === holder);
      if (held) claims.set(name, { epoch, holder, until: claim.until });
      return held;
    },
    renew(name, holder, until) {
      const claim = claims.get(name);
      if (claim?.holder !== holder) return false;
      claim.until = Math.max(claim.until, until);
      return true;
    },
    open(name, epoch) {
      const journal = journalOf(name);
      if (epoch < journal.epoch) return undefined;
      if (epoch > journal.epoch) journal.highest = 0;
      journal.epoch = epoch;
      presence.opened(name, epoch);
      return journal.generation;
    },
    read(name, generation, after, commitsMax) {
      const journal = journalOf(name);
      if (generation !== journal.generation) return undefined;
      const rest = journal.commits.filter(({ epoch, number }) =>
        epoch > after.epoch || (epoch === after.epoch && number > after.number)
      );
      return { commits: rest.slice(0, commitsMax), isEnd: rest.length < commitsMax };
    },
    append(name, generation, commit, taken, isLate = false) {
      later(() => put(name, generation, commit, taken));
      return isLate ? "held" : put(name, generation, commit, taken);
    },
    trim(name, before) {
      const journal = journalOf(name);
      journal.commits = journal.commits.filter(({ epoch, number }) =>
        epoch > before.epoch || (epoch === before.epoch && number > before.through)
      );
      // What was trimmed was trimmed after all of these were written.
      journal.firm = journal.commits.length;
    },
    write(tensor) {
      later(() => write(tensor));
      write(tensor);
    },
    release(tensor) {
      tensors.delete(tensor);
      released.add(tensor);
      presence.released(tensor);
    },
    lose(name, commitsMax) {
      const journal = journalOf(name);
      const isAll = commitsMax === Infinity;
      const firm = isAll ? 0 : Math.max(journal.firm, journal.commits.length - commitsMax);
      const lost = journal.commits.splice(firm);
      if (lost.length === 0 && !isAll) return lost;
      if (isAll) journal.firm = 0;
      journal.generation += 1;
      journal.highest = Math.max(
        0,
        ...journal.commits.filter(({ epoch }) => epoch === journal.epoch).map((one) => one.number),
      );
      const known = isAll ? Array.from({ length: journal.epoch }, (_, before) => before + 1) : [];
      for (const epoch of new Set([...known, ...lost.map((one) => one.epoch)])) {
        const left = journal.commits.filter((one) => one.epoch === epoch).map(({ number }) => number);
        presence.lost(name, epoch, Math.max(0, ...left));
      }
      return lost;
    },
    echo: (choice) => echoes[choice % Math.max(1, echoes.length)]?.(),
  };
}
