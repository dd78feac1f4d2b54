// The laws of a store's own life: what is there again after it was closed, what it refuses from then on, and that it
// can do what it declares.
import type { ErrorCode } from "../error.ts";
import type { Position, TensorRef } from "../store.ts";
import { fc, listOf, type Made, smallTensors } from "./arbitraries.ts";
import { type Law, law } from "./law.ts";
import { callMsMax } from "./stage.ts";
import { isKept, isShared } from "./subject.ts";
import { hold, isMade, itemOf, refused, same, settled } from "./verdicts.ts";

const one: Made = { dtype: "float64", shape: [2, 3], fill: 7 };
const frame = Uint8Array.of(1, 2, 3);

export const kept: Law = law({
  name: "L2 acknowledged is kept",
  about: "what was put, appended, trimmed and claimed is there again when the store is opened at its place again",
  needs: (abilities) =>
    isKept(abilities) ? undefined : `it declares to survive ${abilities.survives}, and its end is theirs`,
  /** What does not survive is missing: never another's, and never in part. */
  async deviation(stage) {
    const before = await stage.open();
    const ref = await before.tensors.put(itemOf(one));
    await before.claims.claim("a", 1, "x");
    await before.logs.append("a", 1, [frame]);
    await before.close();
    const after = await stage.open();
    await refused("Missing", "get of what did not survive", () => after.tensors.get(ref));
    same([await after.claims.claimed("a") ?? null, await after.logs.read("a", undefined)], [null, []], "after its end");
  },
  cases: () =>
    listOf(fc.record({ all: listOf(smallTensors, 4), epoch: fc.nat(2), frames: fc.nat(3), trim: fc.nat(5) }), 4, 1),
  async holds(lives, stage) {
    const refs: [TensorRef, Made][] = [];
    const released: TensorRef[] = [];
    let written: string[] = [];
    let [epoch, sequence] = [0, 0];
    let trimmed: Position | undefined;
    for (const [life, { all, epoch: by, frames, trim }] of lives.entries()) {
      const store = await stage.open();
      for (const [ref, made] of refs) isMade(await store.tensors.get(ref), made, "get after reopening");
      for (const ref of released) await refused("Missing", "get of what was released", () => store.tensors.get(ref));
      same((await store.logs.read("s", trimmed)).map(shown), written, "what stands in s after reopening");
      if (trimmed !== undefined) {
        await refused("Lost", "read of what was trimmed", () => store.logs.read("s", undefined));
      }
      for (const made of all) refs.push([await store.tensors.put(itemOf(made)), made]);
      const gone = trim === 1 ? refs.shift() : undefined;
      if (gone !== undefined) await store.tensors.release(gone[0]);
      if (gone !== undefined) released.push(gone[0]);
      if (by > 0) [epoch, sequence] = [epoch + by, 0];
      const texts = Array.from({ length: frames }, (_, index) => `${life}.${index}`);
      await store.logs.append("s", epoch, texts.map((text) => new TextEncoder().encode(text)));
      for (const text of texts) written.push(`${epoch}-${++sequence}:${text}`);
      if (trim === 0 && written.length > 1) {
        const [place = ""] = written.at(-2)!.split(":");
        const [at = 0, sequenceAt = 0] = place.split("-").map(Number);
        trimmed = { epoch: at, sequence: sequenceAt };
        await store.logs.trim("s", trimmed);
        written = written.slice(-1);
        stage.happened("trimmed");
      }
      if (epoch > 0) {
        await refused("Fenced", "append of an older epoch", () => store.logs.append("s", epoch - 1, [frame]));
      }
      const claim = await store.claims.claim("n", life, `${life}`);
      same(claim, { held: true, epoch: life, value: `${life}` }, "claim");
      await store.close();
      stage.happened("reopened");
      const again = await stage.open();
      same(await again.claims.claimed("n"), { epoch: life, value: `${life}` }, "what was claimed, after reopening");
      await again.close();
    }
  },
});

const shown = ({ epoch, sequence, frame }: { epoch: number; sequence: number; frame: Uint8Array }): string =>
  `${epoch}-${sequence}:${new TextDecoder().decode(frame)}`;

export const closed: Law = law({
  name: "a store that was closed is shut",
  about: "a close ends every wait, once however often it is called, and everything after it is ShuttingDown",
  cases: () => fc.record({ puts: fc.nat(6), wait: fc.boolean(), turns: fc.nat(3) }),
  wants: ["closed amid calls"],
  async holds({ puts, wait, turns }, stage) {
    const store = await stage.open();
    const ref = await store.tensors.put(itemOf(one));
    const draft = await store.tensors.allocate("uint8", [1]);
    const view = await store.tensors.get(ref);
    const amid: Promise<unknown>[] = Array.from({ length: puts }, () => store.tensors.put(itemOf(one)));
    if (wait) amid.push(store.logs.read("w", undefined, { waitMs: 40_000 }));
    if (amid.length > 0) stage.happened("closed amid calls");
    const ends = amid.map((call) => settled("a call amid a close", call));
    for (let index = 0; index < turns; index++) await stage.world.advance(0);
    await stage.world.until(Promise.all([store.close(), store.close()]), callMsMax);
    for (const end of await stage.world.until(Promise.all(ends), callMsMax)) {
      if ("error" in end) same(end.error.code, "ShuttingDown", "a call amid a close");
    }
    hold(await stage.world.until(store.ended, callMsMax) === undefined, "ended with an error");
    const calls: Record<string, () => unknown> = {
      get: () => store.tensors.get(ref),
      put: () => store.tensors.put(itemOf(one)),
      putMany: () => store.tensors.putMany([itemOf(one)]),
      allocate: () => store.tensors.allocate("uint8", [1]),
      getMany: () => store.tensors.getMany([ref])[Symbol.asyncIterator]().next(),
      list: () => store.tensors.list()[Symbol.asyncIterator]().next(),
      release: () => store.tensors.release(ref),
      seal: () => draft.seal(),
      append: () => store.logs.append("a", 1, []),
      read: () => store.logs.read("a", undefined),
      trim: () => store.logs.trim("a", { epoch: 1, sequence: 1 }),
      streams: () => store.logs.streams(""),
      claim: () => store.claims.claim("a", 1, "x"),
      claimed: () => store.claims.claimed("a"),
      claims: () => store.claims.claims(""),
    };
    for (const [name, call] of Object.entries(calls)) await refused("ShuttingDown", `${name} after close`, call);
    view.done();
    draft.discard();
    store.tensors.unpin(ref, "x", false);
  },
});

const frameBytesTried = 64 * 2 ** 20;
const nothingLike = 2 ** 52;

export const accountable: Law = law({
  name: "abilities are held to account",
  about: "a store copies nothing where it says so, reaches whom it says, and refuses what is larger than it says",
  cases: () => fc.constant(null),
  runsMax: 10,
  async holds(_, stage) {
    const store = await stage.open();
    const { abilities, tensors } = store;
    const ref = await tensors.put(itemOf(one));
    if (abilities.zeroCopy) {
      const [a, b] = [await tensors.get(ref), await tensors.get(ref)];
      hold(
        a.data.buffer === b.data.buffer && a.data.byteOffset === b.data.byteOffset,
        "a get copies, declared zeroCopy",
      );
    }
    const other = await stage.open();
    if (isShared(abilities)) isMade(await other.tensors.get(ref), one, "get at another handle");
    else if (abilities.shared === "thread") {
      await refused("Missing", "get at another store of one thread", () => other.tensors.get(ref));
    }
    hold(abilities.lossWindowMs >= 0, `lossWindowMs is ${abilities.lossWindowMs}`);
    hold(abilities.tensorBytesMax > 0 && abilities.frameBytesMax > 0, "it can hold nothing");
    const large: readonly ErrorCode[] = ["TooLarge", "CapacityExceeded"];
    await refused(large, "allocate of 2^52 bytes", () => tensors.allocate("uint8", [nothingLike]));
    if (abilities.frameBytesMax < frameBytesTried) {
      const frame = new Uint8Array(abilities.frameBytesMax + 1);
      await refused("TooLarge", "append above frameBytesMax", () => store.logs.append("a", 1, [frame]));
      same(await store.logs.read("a", undefined), [], "what stands after an append that was refused");
    }
    same([store.url.length > 0, store.run], [true, "run-1"], "url and run");
  },
});

export const badInput: Law = law({
  name: "bad input is refused",
  about: "what cannot be is BadInput before anything happens: names, epochs, positions, lifetimes, arrays, signals",
  cases: () => fc.constant(null),
  runsMax: 10,
  async holds(_, stage) {
    const { tensors, logs, claims } = await stage.open();
    for (const name of ["", "x".repeat(1_025), "\ud800"]) {
      await refused("BadInput", "append under no name", () => logs.append(name, 1, []));
      await refused("BadInput", "claim under no name", () => claims.claim(name, 1, "x"));
    }
    for (const epoch of [-1, 1.5, NaN, 2 ** 53]) {
      await refused("BadInput", `append at epoch ${epoch}`, () => logs.append("s", epoch, [frame]));
      await refused("BadInput", `claim at epoch ${epoch}`, () => claims.claim("n", epoch, "x"));
      await refused("BadInput", `read at epoch ${epoch}`, () => logs.read("s", { epoch, sequence: 0 }));
    }
    await refused("BadInput", "read of no entries", () => logs.read("s", undefined, { entriesMax: 0 }));
    await refused("BadInput", "read that waits NaN ms", () => logs.read("s", undefined, { waitMs: NaN }));
    const item = itemOf(one);
    for (const lifetime of [{ reads: 0 }, { reads: 1.5 }, { leaseMs: 0 }, { leaseMs: NaN }]) {
      await refused("BadInput", `lifetime ${JSON.stringify(lifetime)}`, () => tensors.put(item, { lifetime }));
    }
    await refused("BadInput", "put of another shape", () => tensors.put({ data: item.data, shape: [5] }));
    for (const shape of [[-1], [1.5], [NaN], [2 ** 53], [0, 2 ** 30, 2 ** 30]]) {
      await refused("BadInput", `allocate of [${shape}]`, () => tensors.allocate("uint8", shape));
    }
    const signal = AbortSignal.abort();
    await refused("Cancelled", "put with a signal that was aborted", () => tensors.put(item, { signal }));
    same([await logs.streams(""), await claims.claims("")], [[], []], "what stands after bad input");
    for await (const { id } of tensors.list()) hold(false, `tensor ${id} stands after bad input`);
  },
});
