// What must be the same for everybody, in the one order of one partition: claims, of which the first record of an epoch
// holds, and the tensors that are gone.
import { Buffer } from "node:buffer";
import { isShoalError, ShoalError } from "../error.ts";
import { checkClaim } from "../requests.ts";
import { checkName, isEpoch } from "../names.ts";
import type { Claimed, Claims } from "../store.ts";
import { type Ledger, ledger as ledgerOf, type LedgerOptions } from "./ledger.ts";
import type { Record } from "./batch.ts";
import type { StandingRecord } from "./kafkajs.ts";
import { type Head, isCount, keyBelow, packed, unpacked } from "./record.ts";
import type { Remains } from "./streams.ts";

export interface ControlOptions extends Omit<LedgerOptions, "fold" | "changed"> {
  /** Whose records these are: nobody else's key begins with it. */
  readonly space: string;
  readonly writer: string;
  readonly throwIfClosed: () => void;
}

export type Gone = "gone" | "late";

/** Where what is left of a partition of logs begins, and what its streams had come to by then. */
export interface Base {
  readonly partition: number;
  readonly offset: number;
  readonly remains: readonly Remains[];
}

export interface Control {
  readonly claims: Claims;
  /** The last base of a partition, as of now. */
  base(partition: number): Promise<Base | undefined>;
  /** Says that what stands before may be taken away from now on. */
  rebase(base: Base): Promise<void>;
  /** Resolves once all that was said to be gone before is known. */
  sync(): Promise<void>;
  goneAs(id: string): Gone | undefined;
  /** Says of a tensor that it is gone; the first to say so is right about why. */
  end(id: string, why: Gone): Promise<void>;
  /** Says things of the run itself, or takes them back, each under a key of its own; of the place behind a `\n`. */
  say(all: readonly (readonly [key: string, head: Head | undefined])[]): Promise<void>;
  /** Whether such a thing stands now. What is said of the whole place is said of each run. */
  stands(key: string): Promise<boolean>;
  /** Takes away, by their keys, what was said of tensors of which nothing is left to ask for. */
  forget(keys: readonly string[]): Promise<void>;
  close(): void;
}

type Answer = { readonly held: boolean } & Claimed;

interface Standing extends Claimed {
  readonly key: string;
}

const sweptMax = 64;
const forgottenMax = 1_000;
export const goneKey: string = "gone ";
/** No run's keys begin like this. */
const basePrefix = Buffer.from("\nbase ");
const placePrefix = Buffer.from("\n");

export function control({ space, writer, throwIfClosed, ...options }: ControlOptions): Control {
  const prefix = Buffer.from(`${space}\n`);
  /** Of the whole place where it says so by how it begins. */
  const keyOf = (key: string): string => key.startsWith("\n") ? key : `${space}\n${key}`;
  const claimed = new Map<string, Standing>();
  /** Which claims stand, by their keys. */
  const names = new Map<string, string>();
  const gone = new Map<string, Gone>();
  /** What was said of the run itself, and of the place. */
  const said = new Set<string>();
  const bases = new Map<number, { readonly offset: number; readonly body: Buffer }>();
  /** What became of claims of this opening, by their keys. */
  const answers = new Map<string, Answer>();
  /** Keys that are superseded, to be taken away with what is written next. */
  const superseded: string[] = [];
  let count = 0;
  const { topic } = options;
  const book: Ledger = ledgerOf({ ...options, fold });

  function fold(record: StandingRecord): void {
    const { value } = record;
    if (value !== undefined && keyBelow(basePrefix, record) !== undefined) return foldBase(value);
    const own = keyBelow(prefix, record);
    const key = own ?? keyBelow(placePrefix, record);
    if (key === undefined) return;
    if (value === undefined) return taken(key);
    const { head } = unpacked(value, topic);
    if (isSaid(head)) said.add(key);
    if (own === undefined) return;
    if (head["k"] === "gone" && typeof head["id"] === "string") {
      if (!gone.has(head["id"])) gone.set(head["id"], head["why"] === "late" ? "late" : "gone");
    } else if (head["k"] === "claim") foldClaim(key, head["name"], head["epoch"], head["value"]);
  }

  function taken(key: string): void {
    said.delete(key);
    // Its record is gone from the tensors too: whoever asks for it finds nothing.
    if (key.startsWith(goneKey)) gone.delete(key.slice(goneKey.length));
    // What is superseded stands no more; what stands is taken away with its run only.
    const name = names.get(key);
    if (name !== undefined && claimed.get(name)?.key === key) claimed.delete(name);
    names.delete(key);
  }

  function foldBase(value: Buffer): void {
    const { head: { p, o }, body } = unpacked(value, topic);
    if (isCount(p) && isCount(o) && o > (bases.get(p)?.offset ?? -1)) {
      bases.set(p, { offset: o, body: Buffer.from(body) });
    }
  }

  function foldClaim(key: string, name: unknown, epoch: unknown, value: unknown): void {
    if (typeof name !== "string" || typeof epoch !== "number" || !isEpoch(epoch) || typeof value !== "string") return;
    const before = claimed.get(name);
    const isNewer = before === undefined || before.epoch < epoch;
    if (isNewer) {
      claimed.set(name, { epoch, value, key });
      names.set(key, name);
      if (before !== undefined) names.delete(before.key);
    }
    const after = claimed.get(name)!;
    if (!key.startsWith(`claim ${writer} `)) return;
    answers.set(key, { held: after.epoch === epoch && after.value === value, epoch: after.epoch, value: after.value });
    // One that came twice stands all the same.
    if (after.key === key && !isNewer) return;
    if (!isNewer) superseded.push(key);
    else if (before !== undefined) superseded.push(before.key);
  }

  /** Takes away what has been superseded: nobody would miss it. */
  const swept = (): Record[] =>
    superseded.splice(0, sweptMax).map((key) => ({ key: Buffer.from(keyOf(key)), value: undefined }));

  async function claim(name: string, epoch: number, value: string): Promise<Answer> {
    if ((claimed.get(name)?.epoch ?? -1) >= epoch) {
      await book.sync();
      const { epoch: standing, value: held } = claimed.get(name)!;
      return { held: standing === epoch && held === value, epoch: standing, value: held };
    }
    const key = `claim ${writer} ${(count++).toString(36)}`;
    try {
      await book.append(() => [packed(`${space}\n${key}`, { k: "claim", name, epoch, value }), ...swept()]);
    } catch (error) {
      if (!answers.has(key)) throw named(error, `claim ${name}`);
    }
    const answer = answers.get(key);
    answers.delete(key);
    if (answer === undefined) {
      throw new ShoalError("Unavailable", `Cannot claim ${name}: it vanished`, { outcome: "unknown" });
    }
    return answer;
  }

  return {
    claims: {
      async claim(name, epoch, value) {
        throwIfClosed();
        checkClaim(name, epoch, value);
        return await claim(name, epoch, value);
      },
      async claimed(name) {
        throwIfClosed();
        checkName("claim", name);
        await book.sync();
        const standing = claimed.get(name);
        return standing && { epoch: standing.epoch, value: standing.value };
      },
      async claims(prefix) {
        throwIfClosed();
        await book.sync();
        return [...claimed.keys()].filter((name) => name.startsWith(prefix)).sort();
      },
    },
    async base(partition) {
      await book.sync();
      const found = bases.get(partition);
      if (found === undefined) return undefined;
      return { partition, offset: found.offset, remains: JSON.parse(found.body.toString()) as Remains[] };
    },
    async rebase({ partition, offset, remains }) {
      const body = Buffer.from(JSON.stringify(remains));
      const record = packed(`\nbase ${partition} ${offset}`, { k: "base", p: partition, o: offset }, body);
      // Those before it are needed by nobody: whoever begins, begins with the last.
      const before = bases.get(partition)?.offset;
      const old = before === undefined ? [] : [{ key: Buffer.from(`\nbase ${partition} ${before}`), value: undefined }];
      await book.append(() => [record]);
      if (old.length > 0) await book.append(() => old);
    },
    async say(all) {
      await book.append(() =>
        all.map(([key, head]) =>
          head === undefined ? { key: Buffer.from(keyOf(key)), value: undefined } : packed(keyOf(key), head)
        )
      );
    },
    async stands(key) {
      await book.sync();
      return said.has(key);
    },
    sync: () => book.sync(),
    goneAs: (id) => gone.get(id),
    async end(id, why) {
      if (gone.has(id)) return;
      try {
        await book.append(() =>
          gone.has(id) ? [] : [packed(`${space}\n${goneKey}${id}`, { k: "gone", id, why }), ...swept()]
        );
      } catch (error) {
        if (!gone.has(id)) throw named(error, `release tensor ${id}`);
      }
    },
    async forget(keys) {
      for (let at = 0; at < keys.length; at += forgottenMax) {
        const some = keys.slice(at, at + forgottenMax);
        await book.append(() => some.map((key) => ({ key: Buffer.from(key), value: undefined })));
      }
    },
    close: () => book.close(),
  };
}

const saidKinds: readonly unknown[] = ["owner", "opened", "going", "made"];
const isSaid = ({ k }: Head): boolean => saidKinds.includes(k);

/** An error of the servers, with what was asked of them. */
export function named(error: unknown, what: string): unknown {
  if (!isShoalError(error) || error.message.startsWith(`Cannot ${what}`)) return error;
  const { code, message, outcome } = error;
  return new ShoalError(code, `Cannot ${what}: ${message}`, { outcome, cause: error });
}
