// The workload of the suite `stores` over one medium: `program.js MEDIUM WHERE RUN COMMAND…`. It measures its own puts
// and gets, and the process that COMMAND starts has the other end.

import process from "node:process";
import { type Command, numberOf } from "../protocol.ts";
import { type Measured, type Runs, secondsSince, serve } from "../serve.ts";
import { fill, type Found, nothing, sumOf, together } from "./data.ts";
import { plainMedium, windowMedium } from "./ioredis.ts";
import { filesMedium, loopMedium, memcpyMedium } from "./limits.ts";
import type { Got, Medium, Ref, Side } from "./medium.ts";
import { shoalMedium } from "./shoal.ts";
import { type LocalSide, localSide, remoteSide, serveSide } from "./side.ts";
import { threadSide } from "./thread.ts";

const [kind = "", where = "", run = "", ...command] = process.argv.slice(2);

async function medium(): Promise<Medium> {
  if (kind === "shoal") return await shoalMedium(where, run);
  if (kind === "ioredis") return plainMedium(where, run);
  if (kind === "window") return windowMedium(where, run);
  if (kind === "memcpy" || kind === "alone") return memcpyMedium(kind === "memcpy");
  return kind === "loop" ? loopMedium(where) : filesMedium(where);
}

const own: LocalSide = localSide(await medium());
/** For so long a tensor is got again and again. */
const againMs = 2;
/** The other end: a process of its own, where the medium reaches one. */
let other: Side | undefined;

function partner(): Side {
  if (!own.medium.isShared) return own;
  const [program = "", ...args] = command;
  return other ??= kind === "memcpy" ? threadSide() : remoteSide(program, args);
}

interface Spent {
  seconds: number;
  /** The processor's time of this process, with all its threads. */
  cpuSeconds: number;
}

/** Counts the time of one step only. */
async function timed<T>(spent: Spent, step: () => T | Promise<T>): Promise<T> {
  const before = process.cpuUsage();
  const start = performance.now();
  const result = step();
  const value = result instanceof Promise ? await result : result;
  spent.seconds += secondsSince(start);
  const { user, system } = process.cpuUsage(before);
  spent.cpuSeconds += (user + system) / 1e6;
  return value;
}

async function put(asked: Command): Promise<Measured> {
  const [bytes, count, inFlight] = [numberOf(asked, "bytes"), numberOf(asked, "count"), numberOf(asked, "inFlight")];
  const spent = { seconds: 0, cpuSeconds: 0 };
  // While others had their turn, a store may have given back what it did not use: the first one is told by itself.
  const cold = { seconds: 0, cpuSeconds: 0 };
  let all = nothing;
  if (inFlight === 1) {
    const [data] = own.arraysOf(bytes, 1);
    data![0] = 1;
    const first = [await timed(cold, () => own.medium.put(data!))];
    all = { ...nothing, misplaced: (await partner().check(first, 1)).misplaced };
    await own.release(first);
  }
  let kept: Ref[] = [];
  const handOver = async (first: number): Promise<void> => {
    all = together(all, await partner().check(kept, first));
    await own.release(kept);
    kept = [];
  };
  const some = own.arraysOf(bytes, inFlight);
  for (let done = 0; done < count; done += inFlight) {
    const now = some.slice(0, count - done);
    now.forEach((data, index) => data[0] = done + index + 1);
    if (inFlight === 1) kept.push(await timed(spent, () => own.medium.put(now[0]!)));
    else kept.push(...await timed(spent, () => Promise.all(now.map(async (data) => await own.medium.put(data)))));
    // Large ones one by one, so that no more than one lies there; small ones when all are there.
    if (inFlight === 1) await handOver(done + 1);
  }
  if (kept.length > 0) await handOver(1);
  return { ...spent, ...all, coldSeconds: cold.seconds };
}

/** What a program does that computes its tensor: in place where the medium can, else in an array that it puts. */
async function make(asked: Command): Promise<Measured> {
  const [bytes, count] = [numberOf(asked, "bytes"), numberOf(asked, "count")];
  const { draft, put } = own.medium;
  const spent = { seconds: 0, cpuSeconds: 0 };
  let all = nothing;
  const array = draft === undefined ? own.arraysOf(bytes, 1)[0]! : undefined;
  // One more than is counted, as in `put`.
  for (let serial = 0; serial <= count; serial++) {
    const made = timed(serial === 0 ? { seconds: 0, cpuSeconds: 0 } : spent, async () => {
      if (draft !== undefined) return await draft(bytes / 8, (data) => fill(data, serial));
      fill(array!, serial);
      return await put(array!);
    });
    const refs = [await made];
    const seen = await partner().check(refs, serial);
    all = serial === 0 ? { ...nothing, misplaced: seen.misplaced } : together(all, seen);
    await own.release(refs);
  }
  return { ...spent, ...all };
}

async function get(asked: Command): Promise<Measured> {
  const [bytes, count, inFlight] = [numberOf(asked, "bytes"), numberOf(asked, "count"), numberOf(asked, "inFlight")];
  const spent = { seconds: 0, cpuSeconds: 0 };
  const [reading, again] = [{ seconds: 0 }, { seconds: 0, count: 0 }];
  let all = nothing;
  const each = async (refs: readonly Ref[], first: number): Promise<void> => {
    let got: Got[];
    if (refs.length === 1) got = [await timed(spent, () => own.medium.get(refs[0]!))];
    else got = await timed(spent, () => Promise.all(refs.map(async (ref) => await own.medium.get(ref))));
    const start = performance.now();
    got.forEach(({ data }, index) => {
      const next: Found = { count: 1, check: sumOf(data), misplaced: data[0] === first + index ? 0 : 1 };
      all = together(all, next);
    });
    reading.seconds += secondsSince(start);
    for (const { done } of got) done();
    if (inFlight === 1) await getAgain(refs[0]!, again);
  };
  const atOnce = inFlight === 1 ? 1 : count;
  for (let done = 0; done < count; done += atOnce) {
    const refs = await partner().put(bytes, done + 1, atOnce);
    for (let at = 0; at < refs.length; at += inFlight) await each(refs.slice(at, at + inFlight), done + at + 1);
    await partner().release(refs);
  }
  const readSeconds = spent.seconds + reading.seconds;
  return { ...spent, ...all, readSeconds, againSeconds: again.seconds, againCount: again.count };
}

/** Whoever has seen a tensor asks for it again: what that takes when nothing else has been done meanwhile. */
async function getAgain(ref: Ref, spent: { seconds: number; count: number }): Promise<void> {
  const start = performance.now();
  do {
    const { done } = await own.medium.get(ref);
    done();
    spent.count++;
  } while (performance.now() - start < againMs);
  spent.seconds += secondsSince(start);
}

/** From the partner's hands into this process's, the next one put while this one is read. */
async function stream(asked: Command): Promise<Measured> {
  const [bytes, count] = [numberOf(asked, "bytes"), numberOf(asked, "count")];
  const start = performance.now();
  let all = nothing;
  let next = partner().put(bytes, 1, 1);
  for (let serial = 1; serial <= count; serial++) {
    const refs = await next;
    if (serial < count) next = partner().put(bytes, serial + 1, 1);
    all = together(all, await own.check(refs, serial));
    await partner().release(refs);
  }
  const seconds = secondsSince(start);
  return { seconds, ...all, ownBytes: await own.ownBytesMost(), partnerBytes: await partner().ownBytesMost() };
}

async function drafts(asked: Command): Promise<Measured> {
  const [bytes, count] = [numberOf(asked, "bytes"), numberOf(asked, "count")];
  const { draft } = own.medium;
  if (draft === undefined) throw new Error("makes nothing in place");
  const [pattern] = own.arraysOf(bytes, 1);
  const start = performance.now();
  let all = nothing;
  let most = 0;
  for (let serial = 1; serial <= count; serial++) {
    const ref = await draft(bytes / pattern!.BYTES_PER_ELEMENT, (data) => {
      data.set(pattern!);
      data[0] = serial;
    });
    all = together(all, await own.check([ref], serial));
    await own.release([ref]);
    most = Math.max(most, await own.ownBytesMost());
  }
  return { seconds: secondsSince(start), ...all, ownBytes: most, partnerBytes: 0 };
}

if (command.length === 0) await serveSide(own);
const sizes = ["1kB", "64kB", "1MB", "8MB", "64MB", "512MB"];
const runs: Runs = {
  hello: () => ({ version: own.medium.version, settings: own.medium.settings }),
  ...Object.fromEntries(sizes.flatMap((size) => [[`put-${size}`, put], [`get-${size}`, get]] as const)),
  "make-64MB": make,
  stream,
  drafts,
};
await serve(runs, async () => {
  await other?.close();
  await own.close();
});
