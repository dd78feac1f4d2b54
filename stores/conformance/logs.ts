// The laws of logs: one writer's frames stand in a row, a trim takes what it says, a newer epoch fences the older.
import type { Entry, Logs, Position, Store } from "../store.ts";
import { fc, listOf } from "./arbitraries.ts";
import { type Law, law } from "./law.ts";
import { callMsMax, type Stage } from "./stage.ts";
import { isShared } from "./subject.ts";
import { hold, refused, same, settled } from "./verdicts.ts";

const frameOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (frame: Uint8Array): string => new TextDecoder().decode(frame);
const isAfter = (a: Position, b: Position): boolean => (a.epoch - b.epoch || a.sequence - b.sequence) > 0;
const shown = ({ epoch, sequence, frame }: Entry): string => `${epoch}-${sequence}:${textOf(frame)}`;
const placed = ({ epoch, sequence }: Position): Position => ({ epoch, sequence });
const placeOf = ({ epoch, sequence }: Position): string => `${epoch}-${sequence}`;

const steps = fc.record({
  kind: fc.constantFrom("append", "append", "append", "trim", "read", "read", "open", "reopen"),
  stream: fc.constantFrom("a", "aa", "a/b"),
  /** Against the stream's own: an older one, the same, or a newer. */
  by: fc.constantFrom(-1, 0, 0, 0, 0, 1, 2),
  count: fc.nat(4),
  /** Frames of length 0, of 1, and around what a store may take as one block. */
  length: fc.constantFrom(0, 1, 7, 63, 64, 65, 4_095, 4_097),
  /** How far back from the last entry, or beyond all of them. */
  back: fc.oneof(fc.nat(4), fc.nat(20)),
});

interface Modelled {
  epoch: number;
  sequence: number;
  readonly entries: { readonly epoch: number; readonly sequence: number; readonly text: string; gone: boolean }[];
}

/** Reads all that stands after a position, in as many reads as it takes. */
async function readAll(logs: Logs, stream: string, after: Position | undefined, entriesMax: number): Promise<Entry[]> {
  const all: Entry[] = [];
  for (;;) {
    const found = await logs.read(stream, all.at(-1) ?? after, { entriesMax });
    hold(found.length <= entriesMax, `a read yields ${found.length} of at most ${entriesMax} entries`);
    if (found.length === 0) return all;
    all.push(...found);
    hold(all.length < 10_000, "reading never ends");
  }
}

export const inARow: Law = law({
  name: "L1 logs stand in a row",
  about: "each reader sees, behind any position, all that was appended, once, in order, or is told what was trimmed",
  cases: () => listOf(steps, 50, 1),
  wants: ["fenced", "trimmed", "read late", "opened without a frame"],
  async holds(all, stage) {
    let store = await stage.open();
    const isFar = isShared(store.abilities);
    const reader = isFar ? await stage.open() : store;
    const streams = new Map<string, Modelled>();
    let count = 0;
    for (const step of all) {
      const { stream, back } = step;
      const model = streams.get(stream) ?? { epoch: -1, sequence: 0, entries: [] };
      const epoch = Math.max(0, model.epoch + step.by);
      const at = model.entries.at(-1 - back) ?? { epoch, sequence: back };
      if (step.kind === "append" || step.kind === "open") {
        const texts = Array.from(
          { length: step.kind === "open" ? 0 : step.count },
          () => `${count++}`.padEnd(step.length, "."),
        );
        const frames = texts.map(frameOf);
        if (epoch < model.epoch) {
          await refused("Fenced", `append of epoch ${epoch}`, () => store.logs.append(stream, epoch, frames));
          stage.happened("fenced");
          continue;
        }
        if (epoch > model.epoch) [model.epoch, model.sequence] = [epoch, 0];
        for (const text of texts) model.entries.push({ epoch, sequence: ++model.sequence, text, gone: false });
        const answer = await store.logs.append(stream, epoch, frames);
        same(placeOf(answer), placeOf(model), `append to ${stream}`);
        // Frames are the log's own from here on.
        for (const frame of frames) frame.fill(0);
        if (frames.length === 0) stage.happened("opened without a frame");
        streams.set(stream, model);
      } else if (step.kind === "trim") {
        await store.logs.trim(stream, placed(at));
        for (const entry of model.entries) entry.gone ||= !isAfter(entry, at);
        stage.happened("trimmed");
        // Right behind a trim everything still stands, unless a later one had taken it before.
        const rest = model.entries.filter((entry) => isAfter(entry, at));
        if (rest.some(({ gone }) => gone)) continue;
        const found = await readAll(reader.logs, stream, placed(at), step.count + 1);
        same(
          found.map(shown),
          rest.map((one) => `${placeOf(one)}:${one.text}`),
          `what stands behind a trim of ${stream}`,
        );
      } else if (step.kind === "reopen") {
        if (!isFar) continue;
        await store.close();
        store = await stage.open();
        stage.happened("reopened");
      } else {
        const after = back === 4 ? undefined : placed(at);
        const wanted = model.entries.filter((entry) => after === undefined || isAfter(entry, after));
        if (wanted.some(({ gone }) => gone)) {
          await refused("Lost", "read of what was trimmed", () => reader.logs.read(stream, after));
          stage.happened("read late");
          continue;
        }
        const found = await readAll(reader.logs, stream, after, step.count + 1);
        same(found.map(shown), wanted.map((one) => `${placeOf(one)}:${one.text}`), `what stands in ${stream}`);
      }
    }
    same((await reader.logs.streams("")).toSorted(), [...streams.keys()].sort(), "streams");
  },
});

export const appendsAtOnce: Law = law({
  name: "L1 appends at once",
  about: "of appends that are under way together each stands whole, where its answer says, and nothing else does",
  cases: () => listOf(fc.record({ stream: fc.constantFrom("a", "aa"), count: fc.nat(4) }), 16, 2),
  async holds(all, stage) {
    const { logs } = await stage.open();
    const streams = new Map<string, Map<number, string>>();
    await Promise.all(all.map(async ({ stream, count }, index) => {
      const texts = Array.from({ length: count }, (_, at) => `${index}.${at}`);
      const { epoch, sequence } = await logs.append(stream, 1, texts.map(frameOf));
      same(epoch, 1, "the epoch of an append");
      const known = streams.get(stream) ?? new Map<number, string>();
      streams.set(stream, known);
      for (const [at, text] of texts.entries()) {
        const place = sequence - count + at + 1;
        hold(!known.has(place), `two frames stand at 1-${place} of ${stream}`);
        known.set(place, text);
      }
    }));
    for (const [stream, known] of streams) {
      const wanted = [...known].sort(([a], [b]) => a - b).map(([place, text]) => `1-${place}:${text}`);
      const found = (await readAll(logs, stream, undefined, 1_000)).map(shown);
      same(found, wanted, `what stands in ${stream}`);
      same([...known.keys()].sort((a, b) => a - b), wanted.map((_, index) => index + 1), `positions in ${stream}`);
    }
  },
});

export const fenced: Law = law({
  name: "L5 fencing",
  about: "once a newer epoch was opened, nothing of an older one is ever read that was not there then",
  cases: () =>
    fc.record({
      before: fc.nat(5),
      during: fc.integer({ min: 1, max: 6 }),
      newer: fc.integer({ min: 1, max: 3 }),
      opensWith: fc.nat(2),
      late: fc.integer({ min: 1, max: 4 }),
    }),
  wants: ["a zombie writes"],
  async holds({ before, during, newer, opensWith, late }, stage) {
    const zombie = await stage.open();
    const successor = isShared(zombie.abilities) ? await stage.open() : zombie;
    const old = (name: string): Promise<Position> => zombie.logs.append("s", 1, [frameOf(name)]);
    for (let index = 0; index < before; index++) await old(`before ${index}`);
    const racing = Array.from({ length: during }, (_, index) => settled("append", old(`during ${index}`)));
    const opened = await successor.logs.append("s", 1 + newer, Array.from({ length: opensWith }, () => frameOf("new")));
    same(opened, { epoch: 1 + newer, sequence: opensWith }, "what opens an epoch");
    // What the successor now reads is all there will ever be of its predecessor.
    const seen = (await readAll(successor.logs, "s", undefined, 100)).map(shown);
    const ends = await Promise.all(racing);
    for (let index = 0; index < late; index++) {
      const end = await settled("append", old(`late ${index}`));
      hold(
        "value" in end || end.error.code === "Fenced",
        `append of a zombie: ${"error" in end ? end.error.code : ""}`,
      );
      stage.happened("a zombie writes");
    }
    await successor.logs.append("s", 1 + newer, [frameOf("mine")]);
    const reader = isShared(zombie.abilities) ? await stage.open() : zombie;
    const found = (await readAll(reader.logs, "s", undefined, 100)).map(shown);
    same(found, [...seen, `${1 + newer}-${opensWith + 1}:mine`], "what stands after a newer epoch");
    for (const [index, end] of ends.entries()) {
      if (!("error" in end)) continue;
      same(end.error.code, "Fenced", "an append that met a newer epoch");
      hold(!seen.some((one) => one.endsWith(`:during ${index}`)), `an append that was refused stands: during ${index}`);
    }
  },
});

async function waits(store: Store, writer: Store, stage: Stage): Promise<void> {
  const { logs } = store;
  // By a real clock as long as a case may take, and no longer: a busy machine has pauses.
  const waitMs = stage.world.clock === "real" ? 15_000 : 30_000;
  const first = logs.read("s", undefined, { waitMs });
  await stage.world.advance(100);
  same(await writer.logs.streams(""), [], "waiting for a stream makes it");
  await writer.logs.append("s", 1, []);
  await writer.logs.append("s", 1, [frameOf("x")]);
  same((await stage.world.until(first, callMsMax)).map(shown), ["1-1:x"], "a read that waited");
  const none = logs.read("s", { epoch: 1, sequence: 1 }, { waitMs: 300 });
  same(await stage.world.until(none, callMsMax), [], "a read whose wait is over");
  const controller = new AbortController();
  const position = { epoch: 5, sequence: 0 };
  const cut = logs.read("s", position, { waitMs, signal: controller.signal });
  controller.abort();
  await refused("Cancelled", "a read that was aborted", () => stage.world.until(cut, callMsMax));
  const { signal } = controller;
  await refused("Cancelled", "a read aborted before", () => logs.read("s", undefined, { signal }));
}

export const readsWait: Law = law({
  name: "a read waits",
  about: "a read that finds nothing waits as long as it was told, for the next frame, and until its signal",
  cases: () => fc.constant(null),
  runsMax: 10,
  async holds(_, stage) {
    const store = await stage.open();
    await waits(store, isShared(store.abilities) ? await stage.open() : store, stage);
  },
});
