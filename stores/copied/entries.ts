// What this process knows of tensors: its own until they are gone, and others' while they are pinned or read here.
// A tensor is first gone (on the disk at once, nobody gets it any more), then free (its room is): between the two
// stand the pins of messages and the views of handlers.
import { ShoalError } from "../error.ts";
import { leases } from "../memory/leases.ts";
import type { Room } from "../room.ts";
import type { Holder, Lifetime, StoreEnvironment, TensorEntry, TensorRef } from "../store.ts";
import { lately } from "./lately.ts";

export interface Entry {
  id: string;
  readonly bytes: number;
  /** Made here, and so counted and collected here. */
  readonly isOwn: boolean;
  lifetime: Lifetime | undefined;
  state: TensorEntry["state"];
  ref: TensorRef | undefined;
  deadline: number;
  readsDone: number;
  pins: Set<Holder> | undefined;
  views: number;
}

export interface EntriesOptions {
  readonly writer: string;
  readonly environment: StoreEnvironment;
  readonly room: Room;
  readonly graceMs: number;
  /** Takes a tensor away for everybody. */
  readonly erase: (ref: TensorRef, mark: "gone" | "late") => void;
}

export interface Entries {
  readonly size: number;
  /** What was made here and stands, as far as is known here. */
  readonly standingBytes: number;
  add(bytes: number, lifetime: Lifetime): Entry;
  seal(entry: Entry, ref: TensorRef): void;
  discard(entry: Entry): void;
  /** Throws Missing or Expired where this process knows that it is gone. */
  known(id: string): Entry | undefined;
  held(id: string): Entry | undefined;
  /** The entry of another's tensor, made where there is none. */
  foreign(ref: TensorRef): Entry;
  pin(entry: Entry, holder: Holder): void;
  unpin(entry: Entry, holder: Holder, read: boolean): void;
  view(entry: Entry): void;
  unview(entry: Entry): void;
  settle(entry: Entry): void;
  release(entry: Entry): void;
  own(): Iterable<Entry>;
  close(): void;
}

/** How many of those that are gone are remembered with the reason; the disk knows of the others. */
const rememberedMax = 65_536;

export function entries({ writer, environment, room, graceMs, erase }: EntriesOptions): Entries {
  const all = new Map<string, Entry>();
  const gone = lately<"Missing" | "Expired">(rememberedMax);
  let count = 0;
  let size = 0;
  let standingBytes = 0;
  const timer = leases<Entry>(environment, graceMs, settle);

  const isPinned = ({ pins }: Entry): boolean => pins !== undefined && pins.size > 0;

  function end(entry: Entry, code: "Missing" | "Expired"): void {
    entry.state = "released";
    if (entry.isOwn) standingBytes -= entry.bytes;
    gone.set(entry.id, code);
    if (entry.ref !== undefined) erase(entry.ref, code === "Expired" ? "late" : "gone");
  }

  /** Moves an entry on after anything that may have been the last to keep it. */
  function settle(entry: Entry): void {
    if (entry.state === "sealed" && !isPinned(entry)) {
      const reads = entry.lifetime !== undefined && "reads" in entry.lifetime ? entry.lifetime.reads : Infinity;
      if (environment.now() >= entry.deadline) end(entry, "Expired");
      else if (entry.readsDone >= reads) end(entry, "Missing");
    }
    const isIdle = entry.views === 0 && !isPinned(entry);
    // What was read of another's tensor must be remembered for as long as it stands.
    const isForgotten = !entry.isOwn && entry.readsDone === 0;
    if (isIdle && (entry.state === "released" || isForgotten)) free(entry);
  }

  function free(entry: Entry): void {
    if (all.get(entry.id) !== entry) return;
    all.delete(entry.id);
    if (entry.deadline !== Infinity) timer.remove(entry, entry.deadline);
    if (!entry.isOwn) return;
    size -= 1;
    room.leave(entry.bytes);
  }

  const entryOf = (id: string, bytes: number, isOwn: boolean, lifetime: Lifetime | undefined): Entry => ({
    id,
    bytes,
    isOwn,
    lifetime,
    state: "draft",
    ref: undefined,
    deadline: Infinity,
    readsDone: 0,
    pins: undefined,
    views: 0,
  });

  return {
    get size() {
      return size;
    },
    get standingBytes() {
      return standingBytes;
    },
    add(bytes, lifetime) {
      // A draft has no place yet, and so no id that anybody could ask for.
      const entry = entryOf(`${writer}-d${(count++).toString(36)}`, bytes, true, lifetime);
      all.set(entry.id, entry);
      size += 1;
      return entry;
    },
    seal(entry, ref) {
      all.delete(entry.id);
      entry.id = ref.id;
      entry.ref = ref;
      entry.state = "sealed";
      standingBytes += entry.bytes;
      all.set(entry.id, entry);
      if (entry.lifetime === undefined || !("leaseMs" in entry.lifetime)) return;
      entry.deadline = environment.now() + entry.lifetime.leaseMs;
      timer.add(entry, entry.deadline);
    },
    discard(entry) {
      if (entry.state !== "draft") return;
      entry.state = "released";
      settle(entry);
    },
    known(id) {
      const entry = all.get(id);
      if (entry !== undefined) settle(entry);
      const code = gone.get(id);
      if (code === "Expired") throw new ShoalError(code, `Cannot get tensor ${id}: its lease has lapsed`);
      if (code === "Missing") throw new ShoalError(code, `Cannot get tensor ${id}: it was released`);
      return entry;
    },
    held: (id) => all.get(id),
    foreign(ref) {
      let entry = all.get(ref.id);
      if (entry === undefined) {
        entry = entryOf(ref.id, ref.bytes, false, undefined);
        entry.ref = ref;
        entry.state = gone.has(ref.id) ? "released" : "sealed";
        all.set(ref.id, entry);
      }
      return entry;
    },
    pin(entry, holder) {
      // A message that is sent after the lease has lapsed does not bring it back.
      if (environment.now() >= entry.deadline) settle(entry);
      if (entry.state === "sealed") (entry.pins ??= new Set()).add(holder);
      else settle(entry);
    },
    unpin(entry, holder, read) {
      if (entry.pins?.delete(holder) && read) entry.readsDone += 1;
      settle(entry);
    },
    view(entry) {
      entry.views += 1;
    },
    unview(entry) {
      entry.views -= 1;
      settle(entry);
    },
    settle,
    release(entry) {
      // What has lapsed stays Expired, whoever comes to release it.
      if (environment.now() >= entry.deadline) settle(entry);
      if (entry.state === "sealed") end(entry, "Missing");
      settle(entry);
    },
    *own() {
      for (const entry of all.values()) if (entry.isOwn) yield entry;
    },
    close() {
      timer.close();
      all.clear();
    },
  };
}
