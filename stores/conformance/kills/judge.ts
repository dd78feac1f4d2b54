// Judges what the processes of a kill harness have said against what the store holds in the end: nothing that was
// acknowledged is lost, nothing half-written can be read, and a zombie has changed nothing.
import { isShoalError } from "../../error.ts";
import type { Position, Store, TensorRef } from "../../store.ts";
import type { Child } from "./children.ts";
import { claimOf, fillOf, type Frame, nameOf, type Said, streamOf, wrongIn } from "./said.ts";

/** What stands in a stream, by place. */
type Standing = ReadonlyMap<string, Frame>;

const placesMax = 1_000;
const decoder = new TextDecoder();

async function standingIn(store: Store, slot: number, problem: (what: string) => void): Promise<Standing> {
  const found = new Map<string, Frame>();
  const leaders = new Map<number, Frame>();
  for (let after: Position | undefined;;) {
    const entries = await store.logs.read(streamOf(slot), after, { entriesMax: placesMax });
    if (entries.length === 0) return found;
    for (const { epoch, sequence, frame } of entries) {
      const place = nameOf({ epoch, sequence });
      const read = JSON.parse(decoder.decode(frame)) as Frame;
      found.set(place, read);
      if (after !== undefined && after.epoch > epoch) problem(`${place} stands behind ${nameOf(after)}`);
      const wanted: number = after?.epoch === epoch ? after.sequence + 1 : 1;
      if (sequence !== wanted) problem(`${place} stands where ${epoch}-${wanted} should`);
      const before = leaders.get(epoch);
      if (before !== undefined && before.who !== read.who) {
        problem(`${before.who} and ${read.who} write in epoch ${epoch}`);
      }
      if (before !== undefined && before.count >= read.count) problem(`${place} repeats frame ${read.count}`);
      leaders.set(epoch, read);
      after = { epoch, sequence };
    }
  }
}

/** What a writer said, against its stream. */
function judgeWriter({ task: { who }, said }: Child, standing: Standing, problem: (what: string) => void): void {
  let epoch = 0;
  let isFenced = false;
  let isWoken = false;
  let isLate = false;
  const tried = new Set<number>();
  const acknowledged = new Set<number>();
  for (const line of said) {
    if (line.say === "woken") isWoken = true;
    if (line.say === "appending") isLate = isWoken;
    if (line.say === "claiming") epoch = line.epoch;
    if (line.say === "fenced") isFenced = true;
    if (line.say === "opened") {
      for (const [older, count] of Object.entries(line.seen)) {
        // One that was overtaken at once has seen what its own successor wrote.
        if (Number(older) >= epoch) continue;
        if (!standing.has(`${older}-${count}`)) problem(`${older}-${count}, which process ${who} has seen, is lost`);
        if (standing.has(`${older}-${count + 1}`)) {
          problem(
            `${older}-${count + 1} was not there when process ${who} had opened epoch ${epoch}: a zombie wrote it`,
          );
        }
      }
    }
    if (line.say === "appending") { for (const count of line.counts) tried.add(count); }
    if (line.say !== "appended") continue;
    if (isFenced && line.counts.length > 0) problem(`process ${who} was fenced, and appends ${nameOf(line.at)}`);
    for (const [at, count] of line.counts.entries()) {
      acknowledged.add(count);
      const place = `${line.at.epoch}-${line.at.sequence - line.counts.length + at + 1}`;
      const frame = standing.get(place);
      if (frame?.who === who && frame.count === count) continue;
      // Begun when a newer epoch was open: refused, or taken and seen by nobody.
      if (isLate && frame?.who !== who) continue;
      const there = frame === undefined ? "nothing" : `frame ${frame.count} of process ${frame.who}`;
      problem(`frame ${count} of process ${who} was acknowledged at ${place}, where ${there} stands`);
    }
  }
  for (const [place, frame] of standing) {
    if (frame.who === who && !tried.has(frame.count)) problem(`${place} holds a frame that process ${who} never wrote`);
  }
}

function judgeReader(
  { task: { who }, said }: Child,
  streams: readonly Standing[],
  problem: (what: string) => void,
): void {
  for (const line of said) {
    if (line.say !== "read") continue;
    const frame = streams[line.slot]?.get(nameOf(line.at));
    if (frame?.who === line.who && frame.count === line.count) continue;
    problem(`${nameOf(line.at)} of stream ${line.slot}, which reader ${who} has read, is not what stands there`);
  }
}

/** Of all that were told of an epoch, each was told the same; and it never went back. */
async function judgeClaims(
  store: Store,
  slot: number,
  writers: readonly Child[],
  problem: (what: string) => void,
): Promise<void> {
  const holders = new Map<number, number>();
  let highest = 0;
  for (const { task: { who }, said } of writers) {
    let isWoken = false;
    let isLate = false;
    for (const line of said) {
      if (line.say === "woken") isWoken = true;
      if (line.say === "claiming") isLate = isWoken;
      if (line.say !== "claimed") continue;
      const known = holders.get(line.by);
      if (known !== undefined && known !== line.who) problem(`epoch ${line.by} is claimed by ${known} and ${line.who}`);
      holders.set(line.by, line.who);
      highest = Math.max(highest, line.by);
      if (line.held && line.who !== who) problem(`process ${who} is told that it holds what ${line.who} holds`);
      if (line.held && isLate) {
        problem(`process ${who} slept while epoch ${line.epoch} was taken over, and still holds it`);
      }
    }
  }
  const standing = await store.claims.claimed(claimOf(slot));
  if ((standing?.epoch ?? 0) < highest) problem(`claim ${highest} of slot ${slot} was acknowledged and is lost`);
  const holder = holders.get(standing?.epoch ?? 0);
  if (holder !== undefined && `${holder}` !== standing?.value) {
    problem(`claim ${highest} of slot ${slot} has changed hands`);
  }
}

export interface Counts {
  readonly puts: number;
  readonly appends: number;
  readonly releases: number;
  readonly claims: number;
  /** Appends of zombies that were refused. */
  readonly fenced: number;
  /** Tensors and frames that readers in other processes have got. */
  readonly reads: number;
  readonly sweeps: number;
  /** What sweepers took: half-made files, tensors whose lease was over. */
  readonly swept: number;
}

export interface Judgement {
  readonly counts: Counts;
  readonly problems: readonly string[];
  /** Tensors that were acknowledged and never let go. */
  readonly standing: readonly TensorRef[];
}

/** Judges everything, with a store of its own on the same place. */
export async function judge(children: readonly Child[], store: Store, slots: number): Promise<Judgement> {
  const problems: string[] = [];
  const problem = (what: string): void => void problems.push(what);
  const lines = children.flatMap(({ said }) => said);
  const idsOf = (kind: "releasing" | "released" | "missing"): Set<string> =>
    new Set(lines.flatMap((line) => line.say === kind ? [line.id] : []));
  const [releasing, released, missing] = [idsOf("releasing"), idsOf("released"), idsOf("missing")];
  for (const line of lines) if (line.say === "problem") problem(line.what);
  for (const id of missing) if (!releasing.has(id)) problem(`a reader misses tensor ${id}, which nobody released`);

  const streams: Standing[] = [];
  for (let slot = 0; slot < slots; slot++) {
    const writers = children.filter(({ task }) => task.role === "write" && task.slot === slot);
    const standing = await standingIn(store, slot, problem);
    streams.push(standing);
    for (const writer of writers) judgeWriter(writer, standing, problem);
    await judgeClaims(store, slot, writers, problem);
  }
  for (const child of children) if (child.task.role === "read") judgeReader(child, streams, problem);

  const acknowledged = new Map<string, { readonly ref: TensorRef; readonly fill: number }>();
  const brief = new Set<string>();
  let unanswered = 0;
  for (const { task: { who }, said } of children) {
    const own = new Set<number>();
    for (const line of said) {
      if (line.say === "putting") { for (const count of line.counts) own.add(count); }
      if (line.say !== "put") continue;
      own.delete(line.count);
      if (line.isBrief) brief.add(line.ref.id);
      if (acknowledged.has(line.ref.id)) problem(`two tensors have the id ${line.ref.id}`);
      acknowledged.set(line.ref.id, { ref: line.ref, fill: fillOf(who, line.count) });
    }
    unanswered += own.size;
  }
  const standing: TensorRef[] = [];
  for (const { ref, fill } of acknowledged.values()) {
    const mayBeGone = releasing.has(ref.id) || brief.has(ref.id);
    if (!mayBeGone) standing.push(ref);
    const wrong = await wrongWith(store, ref, fill);
    if (wrong === "gone" ? !mayBeGone : wrong !== undefined) problem(`tensor ${ref.id} was acknowledged: ${wrong}`);
    if (wrong === undefined && released.has(ref.id)) problem(`tensor ${ref.id} was released and is there again`);
  }
  let unknown = 0;
  for await (const { id, state } of store.tensors.list()) {
    if (state === "sealed" && !acknowledged.has(id)) unknown += 1;
    if (state === "draft") problem(`${id} is listed half-made, and its maker is gone`);
  }
  if (unknown > unanswered) {
    problem(`${unknown} tensors stand that nobody was told of, and ${unanswered} puts were cut`);
  }
  const count = (...kinds: readonly Said["say"][]): number => lines.filter(({ say }) => kinds.includes(say)).length;
  const counts = {
    puts: count("put"),
    appends: count("appended"),
    releases: count("released"),
    claims: count("claimed"),
    fenced: count("fenced"),
    reads: count("read", "got"),
    sweeps: count("sweeping"),
    swept: count("swept"),
  };
  return { counts, problems, standing };
}

async function wrongWith(store: Store, ref: TensorRef, fill: number): Promise<string | undefined> {
  try {
    const tensor = await store.tensors.get(ref);
    const { buffer, byteOffset, byteLength } = tensor.data;
    const wrong = wrongIn(new Uint8Array(buffer, byteOffset, byteLength), ref, fill);
    tensor.done();
    return wrong;
  } catch (error) {
    if (isShoalError(error, "Missing") || isShoalError(error, "Expired")) return "gone";
    return error instanceof Error ? error.message : String(error);
  }
}
