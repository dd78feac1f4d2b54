// What the topics of a `kafka:` URL hold of all runs: listed, verified, and freed of what nobody owns. A run is marked as
// going before it is looked who has it open, and the mark goes last: whoever is cut off leaves it for the next sweep. The
// topics themselves go with the last run that they hold.
import { randomBytes } from "node:crypto";
import { cancelled } from "../cancellation.ts";
import { buffers as storeBuffers } from "../copied/buffers.ts";
import { pooledLanding } from "../copied/landing.ts";
import { isShoalError, ShoalError } from "../error.ts";
import { isRunName, tensorRef } from "../reference.ts";
import type { Dtype } from "../store.ts";
import type { HeldRun, Orphan, Place, RunState, SweepOptions, Verified } from "../sweep.ts";
import { endedName } from "../sweep/ended.ts";
import { wantedOf } from "../sweep/wanted.ts";
import { readOptions, type StoreUrl } from "../url.ts";
import { bodies as kafkaBodies } from "./bodies.ts";
import { type Client, client as kafkaClient } from "./client.ts";
import { type Control, control as kafkaControl } from "./control.ts";
import { swept, tidied } from "./janitor.ts";
import { goingKey, madeKey } from "./owners.ts";
import { packed } from "./record.ts";
import { sender } from "./sender.ts";
import { type Found, survey } from "./survey.ts";
import { kinds, nameOf, removePlace, type Topics, topicsOf } from "./topics.ts";
import { errors } from "./trouble.ts";
import { addressOf, clientOptionsOf, kafkaUrlOptions } from "./url.ts";

interface Open {
  readonly client: Client;
  readonly of: Topics["of"];
  /** What is said of one run. */
  controlOf(space: string): Control;
  survey(): Promise<ReadonlyMap<string, Found>>;
}

const dayMs = 86_400_000;
const saidAtOnce = 256;
/** Views are done one by one. */
const poolBytes = 2 ** 26;

const isLive = ({ owners }: Found): boolean => owners.some(({ presence }) => presence !== "dead");
const bytesOf = ({ tensors }: Found): number =>
  [...tensors.values()].reduce((sum, { b }) => sum + (typeof b === "number" ? b : 0), 0);

function stateOf(found: Found): RunState {
  if (isLive(found)) return "live";
  return found.claims.get(endedName)?.value === "ended" ? "ended" : "interrupted";
}

export async function openKafkaPlace(url: StoreUrl): Promise<Place> {
  const read = readOptions(url, kafkaUrlOptions);
  const { servers, place, part, user } = addressOf(url);
  const options = clientOptionsOf(servers, user, read);
  const where = `kafka:${place}${part === "" ? "" : `/${part}`}`;
  const isOurs = ({ space, run }: Found): boolean => space === `${part}/${run}` && isRunName(run);

  /** Reaches the servers for as long as somebody asks. Where there are no topics, there is nothing. */
  async function* within<T>(work: (open: Open | undefined) => AsyncGenerator<T>): AsyncGenerator<T> {
    const client = kafkaClient(options);
    const controls = new Map<string, Control>();
    try {
      const isNowhere = async (): Promise<boolean> => {
        const there = await client.topics(kinds.map((kind) => nameOf(place, kind)));
        return there.some(({ error }) => error === errors.unknownTopic);
      };
      // A sweep may have taken the topics away, and a broker that has not heard of it still name them.
      const unlessNowhere = async <R>(call: () => Promise<R>): Promise<R | undefined> => {
        try {
          return await call();
        } catch (error) {
          if (await isNowhere()) return undefined;
          throw error;
        }
      };
      const isThere = !await isNowhere();
      const topics = isThere
        ? await unlessNowhere(() => topicsOf({ client, place, partitions: 1, replicas: -1 }))
        : undefined;
      if (topics === undefined) return yield* work(undefined);
      const { of } = topics;
      const { name: topic, batchBytesMax } = of.control;
      const controlOf = (space: string): Control => {
        const known = controls.get(space);
        if (known !== undefined) return known;
        const own = sender({ client, topic, partition: 0, batchBytesMax });
        const turnBytesMax = Math.floor(batchBytesMax / 4);
        const writer = randomBytes(8).toString("hex");
        const shared = { client, sender: own, topic, partition: 0, turnBytesMax, throwIfClosed() {} };
        const made = kafkaControl({ ...shared, space, writer });
        controls.set(space, made);
        return made;
      };
      const surveyed = async (): Promise<ReadonlyMap<string, Found>> =>
        await unlessNowhere(() => survey({ client, of, control: controlOf("") })) ?? new Map<string, Found>();
      yield* work({ client, of, controlOf, survey: surveyed });
    } finally {
      for (const control of controls.values()) control.close();
      client.close();
    }
  }

  const runsOf = (all: ReadonlyMap<string, Found> | undefined): Found[] =>
    [...all?.values() ?? []].filter(isOurs).sort((a, b) => a.run < b.run ? -1 : 1);

  function whyItGoes(found: Found, { run: givenUp, keepDays }: SweepOptions): string | undefined {
    const state = stateOf(found);
    if (state === "live") {
      if (givenUp === undefined) return undefined;
      const { pid, host, since } = found.owners.find(({ presence }) => presence !== "dead")!;
      throw new ShoalError(
        "Conflict",
        `Cannot sweep run ${found.run}: process ${pid} on ${host} uses it since ${since}; stop that first`,
      );
    }
    if (found.isGoing) return "a sweep was cut off";
    if (givenUp !== undefined) return "it is given up";
    if (state === "ended") return "it has ended";
    if (keepDays === undefined) return undefined;
    const days = (Date.now() - found.openedAt) / dayMs;
    return days >= keepDays ? `nobody has opened it for ${Math.floor(days)} days` : undefined;
  }

  /** Takes away the topics with the only run that they hold; or nothing where another has come. */
  async function removed({ client, controlOf, survey }: Open, space: string): Promise<boolean> {
    // What somebody else has made stays, empty.
    if (!await controlOf("").stands(madeKey)) return false;
    await controlOf("").say([[goingKey, { k: "going", at: Date.now() }]]);
    const all = await survey();
    const isLast = all.size === 1 && all.has(space) && !isLive(all.get(space)!);
    if (isLast) await removePlace(client, place);
    else await controlOf("").say([[goingKey, undefined]]);
    return isLast;
  }

  /** Takes a run away; or nothing where somebody has come back. */
  async function taken(open: Open, { space }: Found): Promise<boolean> {
    const { client, of, controlOf, survey } = open;
    const control = controlOf(space);
    await control.say([[goingKey, { k: "going", at: Date.now() }]]);
    const all = await survey();
    const found = all.get(space);
    if (found === undefined) return false;
    if (isLive(found)) {
      await control.say([[goingKey, undefined]]);
      return false;
    }
    if (all.size === 1 && await removed(open, space)) return true;
    const partitions = new Set<number>();
    for (const [name, { epoch, sequence, pieces, partition }] of found.streams) {
      if (pieces.length === 0) continue;
      partitions.add(partition);
      const { name: topic, batchBytesMax } = of.logs;
      const trim = packed(`${space}\n${name}`, { k: "trim", e: epoch, s: sequence });
      await sender({ client, topic, partition, batchBytesMax }).send([trim]);
    }
    for (const partition of partitions) await tidied({ client, control: controlOf(""), topic: of.logs, partition });
    const ids = [...found.tensors.keys()];
    for (let at = 0; at < ids.length; at += saidAtOnce) {
      await Promise.all(ids.slice(at, at + saidAtOnce).map((id) => control.end(id, "gone")));
    }
    if (ids.length > 0) await swept(client, controlOf(""), of, Date.now());
    found.keys.delete(goingKey);
    await control.say([...[...found.keys].map((key) => [key, undefined] as const), [goingKey, undefined]]);
    return true;
  }

  async function* sweepRun(open: Open, found: Found, options: SweepOptions): AsyncGenerator<Orphan> {
    const why = whyItGoes(found, options);
    if (why === undefined || (options.dryRun !== true && !await taken(open, found))) return;
    const { run, isGoing, tensors: { size } } = found;
    const what = `${size} tensor${size === 1 ? "" : "s"} and all else`;
    yield { run, kind: isGoing ? "remains" : "run", what, bytes: bytesOf(found), why };
  }

  async function* verifyRun({ client, of }: Open, found: Found): AsyncGenerator<Verified> {
    const { run, space, tensors, streams, claims } = found;
    const landing = pooledLanding(storeBuffers(poolBytes, false, () => {}));
    const kept = { client, tensors: of.tensors, chunks: of.chunks, chunkBytesMax: 1, writer: "" };
    const bodies = kafkaBodies({ ...kept, run, where, space, landing });
    for (const [id, head] of tensors) {
      const { d: dtype, s: shape, b: bytes } = head as { d: Dtype; s: number[]; b: number };
      let trouble: string | undefined;
      try {
        const { landed } = await bodies.read(tensorRef({ run, id, dtype, shape, bytes, where }));
        landed.done(true);
      } catch (error) {
        if (!isShoalError(error) || !["Corrupt", "Lost", "Missing"].includes(error.code)) throw error;
        trouble = error.message.replace(/^[^:]*: /, "");
      }
      yield { run, kind: "tensor", name: id, bytes, ...(trouble === undefined ? {} : { trouble }) };
    }
    // Their records were summed up when they were looked through.
    for (const [name, { pieces }] of streams) {
      yield { run, kind: "stream", name, bytes: pieces.reduce((sum, { bytes }) => sum + bytes, 0) };
    }
    for (const name of claims.keys()) yield { run, kind: "claim", name, bytes: 0 };
  }

  function held(found: Found): HeldRun {
    const { run, owners, tensors, streams, claims } = found;
    const counts = { tensors: tensors.size, bytes: bytesOf(found), streams: streams.size, claims: claims.size };
    return { run, state: stateOf(found), owners, ...counts };
  }

  return {
    url: url.redacted,
    async *runs() {
      yield* within(async function* (open) {
        for (const found of runsOf(await open?.survey())) yield held(found);
      });
    },
    async *sweep(options = {}) {
      yield* within(async function* (open) {
        for (const found of wantedOf(runsOf(await open?.survey()), options.run, url.redacted)) {
          if (options.signal?.aborted) throw cancelled(options.signal);
          yield* sweepRun(open!, found, options);
        }
      });
    },
    async *verify({ run, signal } = {}) {
      yield* within(async function* (open) {
        for (const found of wantedOf(runsOf(await open?.survey()), run, url.redacted)) {
          for await (const one of verifyRun(open!, found)) {
            if (signal?.aborted) throw cancelled(signal);
            yield one;
          }
        }
      });
    },
  };
}
