// What Redis servers hold of all runs: listed, verified, and freed of what nobody owns. A run is marked as going before
// it is looked who has it open, and the mark goes last: whoever is cut off leaves it for the next sweep to finish.
import { cancelled } from "../cancellation.ts";
import { ShoalError } from "../error.ts";
import { isRunName } from "../reference.ts";
import type { HeldRun, Orphan, Place, RunState, SweepOptions, Verified } from "../sweep.ts";
import { hasEnded } from "../sweep/ended.ts";
import { wantedOf } from "../sweep/wanted.ts";
import type { StoreUrl } from "../url.ts";
import { redisClaims } from "./claims.ts";
import { type Keys, keys as redisKeys } from "./keys.ts";
import { bodyOf, bytesRange, bytesSaid, chunkSum, parsedManifest } from "./manifest.ts";
import { names } from "./names.ts";
import { ownersOf } from "./owners.ts";
import { bytesOf, integerOf } from "./replies.ts";
import { scanned } from "./scan.ts";
import type { Asked, Servers } from "./servers.ts";
import { openMsMax, type Site, siteOf } from "./site.ts";

const looked: Asked = { what: "look into store", role: "control", writes: false };
const swept: Asked = { what: "sweep store", role: "control", writes: true };
const unlinksAtOnce = 512;
const daySeconds = 86_400;

interface Run {
  readonly run: string;
  readonly keys: Keys;
  readonly servers: Servers;
  readonly site: Site;
}

const claimsOf = ({ servers, keys, site }: Run) =>
  redisClaims({ servers, keys, names: names(servers, keys, site.lanes, "n"), throwIfClosed() {} });

async function* tensorsOf({ servers, keys }: Run): AsyncGenerator<{ id: string; bytes: number }, void, undefined> {
  for await (const { server, key } of scanned(servers, looked, `${keys.prefix}t:*`)) {
    const bytes = bytesSaid(bytesOf(await servers.callAt(looked, server, "GETRANGE", key, ...bytesRange)));
    if (bytes !== undefined) yield { id: key.slice(keys.prefix.length + 2), bytes };
  }
}

async function held(one: Run): Promise<HeldRun> {
  const { run, servers, keys, site } = one;
  const owners = await ownersOf(servers, keys);
  const isLive = owners.some(({ presence }) => presence !== "dead");
  const state: RunState = isLive ? "live" : await hasEnded(claimsOf(one)) ? "ended" : "interrupted";
  let [tensors, bytes] = [0, 0];
  for await (const tensor of tensorsOf(one)) {
    tensors += 1;
    bytes += tensor.bytes;
  }
  const streams = (await names(servers, keys, site.lanes, "l").list("")).length;
  const claims = (await claimsOf(one).claims("")).length;
  return { run, state, owners, tensors, bytes, streams, claims };
}

/** Removes all keys of a run, its mark last; or nothing where somebody has come back. */
async function taken({ servers, keys }: Run): Promise<boolean> {
  await servers.call(swept, keys.going, "SET", keys.going, "1");
  if ((await ownersOf(servers, keys)).some(({ presence }) => presence !== "dead")) {
    await servers.call(swept, keys.going, "UNLINK", keys.going);
    return false;
  }
  let unlinks: Promise<unknown>[] = [];
  for await (const { server, key } of scanned(servers, swept, `${keys.prefix}*`)) {
    if (key === keys.going) continue;
    unlinks.push(servers.callAt(swept, server, "UNLINK", key));
    if (unlinks.length < unlinksAtOnce) continue;
    await Promise.all(unlinks);
    unlinks = [];
  }
  await Promise.all(unlinks);
  await servers.call(swept, keys.going, "UNLINK", keys.going);
  return true;
}

/** Chunks whose tensor was never announced, and whose maker is gone. */
async function* halfMade(one: Run, state: HeldRun, dryRun: boolean): AsyncGenerator<Orphan, void, undefined> {
  const { run, servers, keys } = one;
  const there = new Set(state.owners.flatMap(({ writer, presence }) => presence === "dead" ? [] : [writer]));
  const found = new Map<string, { server: number; key: string }[]>();
  for await (const { server, key } of scanned(servers, looked, `${keys.prefix}c:*`)) {
    const id = key.slice(keys.prefix.length + 2).split(":", 1)[0]!;
    if (there.has(id.split("-", 1)[0]!)) continue;
    found.set(id, [...(found.get(id) ?? []), { server, key }]);
  }
  // Looked at after the chunks: an announcement that came meanwhile counts.
  const bodies = new Set<string>();
  for await (const { id } of tensorsOf(one)) bodies.add(bodyOf(id));
  for (const [id, chunks] of found) {
    if (bodies.has(id)) continue;
    let bytes = 0;
    for (const { server, key } of chunks) {
      bytes += integerOf(await servers.callAt(looked, server, "STRLEN", key));
      if (!dryRun) await servers.callAt(swept, server, "UNLINK", key);
    }
    yield { run, kind: "half-made", what: `tensor ${id}`, bytes, why: "its maker ended before it was sealed" };
  }
}

export async function openRedisPlace(url: StoreUrl): Promise<Place> {
  const site = await siteOf(url);

  /** Reaches the servers for as long as somebody asks. */
  async function* within<T>(work: (runs: readonly Run[]) => AsyncGenerator<T>): AsyncGenerator<T> {
    const servers = site.reach(openMsMax);
    try {
      const runs = new Map<string, Run>();
      for (const end of ["part", "going"]) {
        for await (const { key } of scanned(servers, looked, `${site.space}:*:${end}`)) {
          const run = key.slice(site.space.length + 1, -end.length - 1);
          if (isRunName(run)) runs.set(run, { run, servers, site, keys: redisKeys(site.space, run, site.lanes) });
        }
      }
      yield* work([...runs.values()].sort((a, b) => a.run < b.run ? -1 : 1));
    } finally {
      servers.end();
    }
  }

  async function whyItGoes(one: Run, state: HeldRun, { run: givenUp, keepDays }: SweepOptions) {
    const { servers, keys, run } = one;
    if (state.state === "live") {
      if (givenUp === undefined) return undefined;
      const { pid, host, since } = state.owners.find(({ presence }) => presence !== "dead")!;
      throw new ShoalError(
        "Conflict",
        `Cannot sweep run ${run}: process ${pid} on ${host} uses it since ${since}; stop that first`,
      );
    }
    if (givenUp !== undefined) return "it is given up";
    if (state.state === "ended") return "it has ended";
    if (keepDays === undefined) return undefined;
    const idle = await servers.call(looked, keys.part, "OBJECT", "IDLETIME", keys.part);
    const days = typeof idle === "number" ? idle / daySeconds : 0;
    return days >= keepDays ? `nobody has opened it for ${Math.floor(days)} days` : undefined;
  }

  async function* sweepRun(one: Run, options: SweepOptions): AsyncGenerator<Orphan> {
    const { run, servers, keys } = one;
    const { dryRun = false } = options;
    const isGoing = await servers.call(looked, keys.going, "EXISTS", keys.going) === 1;
    const state = await held(one);
    const why = isGoing ? "a sweep was cut off" : await whyItGoes(one, state, options);
    if (why === undefined) {
      yield* halfMade(one, state, dryRun);
      return;
    }
    if (!dryRun && !await taken(one)) return;
    const what = `${state.tensors} tensor${state.tensors === 1 ? "" : "s"} and all else`;
    yield { run, kind: isGoing ? "remains" : "run", what, bytes: state.bytes, why };
  }

  async function* verifyRun(one: Run): AsyncGenerator<Verified> {
    const { run, servers, keys, site } = one;
    for await (const { id, bytes } of tensorsOf(one)) {
      const key = keys.tensor(id);
      const reply = await servers.call(looked, key, "GET", key);
      if (reply === null) continue;
      const manifest = parsedManifest(bytesOf(reply));
      let trouble = manifest === undefined ? "its bytes and their checksum disagree" : undefined;
      for (const [index, sum] of (manifest?.sums ?? []).entries()) {
        const chunkKey = keys.chunk(bodyOf(id), index);
        const chunk = await servers.call({ ...looked, role: "bulk" }, chunkKey, "GET", chunkKey);
        if (chunk === null) trouble ??= `its part ${index} is not there`;
        else if (chunkSum(id, index, bytesOf(chunk)) !== sum) trouble ??= `its part ${index} was changed`;
      }
      yield { run, kind: "tensor", name: id, bytes, ...(trouble === undefined ? {} : { trouble }) };
    }
    for (const name of await names(servers, keys, site.lanes, "l").list("")) {
      yield { run, kind: "stream", name, bytes: 0 };
    }
    for (const name of await claimsOf(one).claims("")) yield { run, kind: "claim", name, bytes: 0 };
  }

  return {
    url: url.redacted,
    async *runs() {
      yield* within(async function* (runs) {
        for (const one of runs) yield await held(one);
      });
    },
    async *sweep(options = {}) {
      yield* within(async function* (runs) {
        for (const one of wantedOf(runs, options.run, url.redacted)) {
          if (options.signal?.aborted) throw cancelled(options.signal);
          yield* sweepRun(one, options);
        }
      });
    },
    async *verify({ run, signal } = {}) {
      yield* within(async function* (runs) {
        for (const one of wantedOf(runs, run, url.redacted)) {
          for await (const found of verifyRun(one)) {
            if (signal?.aborted) throw cancelled(signal);
            yield found;
          }
        }
      });
    },
  };
}
