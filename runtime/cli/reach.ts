// What `doctor` finds out of a store before a run needs it: that it can be reached, that all its parts may be used, how
// much room is left, and how fast it is. It works in a run of its own, of which nothing is left.

import { randomBytes } from "node:crypto";
import { existsSync, rmdirSync, statfsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { isShoalError, ShoalError } from "../../stores/error.ts";
import { openPlace, openStore, type OwnAsked, ownServer, type Store } from "../../stores/open.ts";
import type { TensorRef } from "../../stores/store.ts";
import { realWorld } from "../launch/world.ts";
import { allowConfigured } from "./modules.ts";
import { size } from "./terminal.ts";

/** What was found of one thing, as `doctor` shows it. */
export interface StoreCheck {
  readonly what: string;
  readonly state: "ok" | "warning" | "failure";
  readonly found: string;
  readonly cure?: string;
}

type Found = Omit<StoreCheck, "what">;

const freeBytesWanted = 10e9;
const largeBytes = 64e6;
/** What a store takes longer for than this is measured with less: nobody waits for a check as for a campaign. */
const [firstBytes, firstMsMax] = [4e6, 200];
const [smallCountMax, smallMsMax] = [200, 2_000];
const smallBytes = 1_000;
/** Below this, a campaign waits for its store. */
const bytesPerSecondWanted = 50e6;

const ok = (found: string): Found => ({ state: "ok", found });

/** An error's own words say what to do behind their semicolon. */
function failed(what: string, error: unknown): StoreCheck {
  const message = error instanceof Error ? error.message : String(error);
  const [found = "", ...cure] = message.split("; ");
  return { what, state: "failure", found, cure: cure.length === 0 ? cureOf(error) : cure.join("; ") };
}

function cureOf(error: unknown): string {
  if (isShoalError(error, "Unauthorized")) return "name a folder that you may write, or ask its owner for the right";
  if (isShoalError(error, "CapacityExceeded")) return "free some room, or name another place";
  return "name another place with --store";
}

/** `isBrief` leaves out how fast it is and what it holds: many ask at once. */
export async function storeChecks(url: string, isBrief = false): Promise<StoreCheck[]> {
  const folder = folderOf(url);
  const isShared = /^shm:/i.test(url);
  const wasThere = folder === undefined || isShared || existsSync(folder);
  const run = `doctor-${randomBytes(6).toString("hex")}`;
  const checks: StoreCheck[] = [];
  const own = await ownServer(url);
  if (own !== undefined) return [await startable(own)];
  await allowConfigured(url);
  let store: Store;
  try {
    store = await openStore(url, { run, environment: realWorld, strict: false, thresholdBytes: 0 });
  } catch (error) {
    // A URL that means nothing is the asker's mistake, and no finding.
    if (isShoalError(error, "BadInput")) throw error;
    return [failed("store", error)];
  }
  const { survives, shared } = store.abilities;
  const reach = { thread: "this thread", threads: "threads", host: "this machine", network: "every node that sees it" };
  checks.push({ what: "store", ...ok(`${store.url} opens; for ${reach[shared]}, survives: ${survives}`) });
  try {
    for (
      const [what, check] of Object.entries(isBrief ? { rights } : { rights, speed }) as [
        string,
        (store: Store) => Promise<Found>,
      ][]
    ) {
      try {
        checks.push({ what: `store ${what}`, ...await check(store) });
      } catch (error) {
        checks.push(failed(`store ${what}`, error));
      }
    }
  } finally {
    await store.close();
    if (folder === undefined) await clear(url, run);
  }
  if (folder !== undefined && !isBrief) {
    checks.push({ what: "store space", ...space(folder) }, ...await holds(url, run));
  }
  if (folder !== undefined && !wasThere) removeEmpty(folder);
  return checks;
}

/** Whether a run could start its server here. */
async function startable({ server }: OwnAsked): Promise<StoreCheck> {
  try {
    const { about } = await server.found();
    return {
      what: "store",
      ...ok(`${about}: a run starts ${server.isSharded ? "one on each node" : "one for all nodes"}`),
    };
  } catch (error) {
    return failed("store", error);
  }
}

/** The folder of a store that lies in one. */
function folderOf(url: string): string | undefined {
  const [base = "", query] = url.split("?", 2);
  if (/^shm:$/i.test(base)) return new URLSearchParams(query).get("dir") ?? "/dev/shm";
  return /^file:\/\/\/[^/]/i.test(base) ? fileURLToPath(base) : undefined;
}

/** What the checks left on servers goes, where the store can be swept. */
async function clear(url: string, run: string): Promise<void> {
  try {
    const place = await openPlace(url, { environment: realWorld });
    for await (const orphan of place.sweep({ run })) void orphan;
  } catch {
    // A sweep that finds it later takes it all the same.
  }
}

function removeEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // Somebody has put something there meanwhile.
  }
}

/** Every part of a store, once: a folder may be written to and not linked in, a user may append and not trim. */
async function rights({ tensors, logs, claims }: Store): Promise<Found> {
  const data = Uint8Array.from({ length: 100 }, (_, index) => index);
  const ref = await tensors.put({ data });
  const tensor = await tensors.get(ref);
  if (!tensor.data.every((value, index) => value === data[index])) {
    throw new ShoalError("Corrupt", "Cannot trust the store: a tensor came back changed; name another place");
  }
  tensor.done();
  await tensors.release(ref);
  const position = await logs.append("doctor", 1, [data]);
  await logs.read("doctor", undefined);
  await logs.trim("doctor", position);
  const { held } = await claims.claim("doctor", 1, "x");
  if (!held) throw new ShoalError("Conflict", "Cannot claim a new name: it is taken; name another place");
  return ok("tensors, logs and claims can be written, read and removed");
}

async function speed({ tensors, abilities }: Store): Promise<Found> {
  const time = async (call: () => Promise<unknown>): Promise<number> => {
    const start = performance.now();
    await call();
    return Math.max(0.001, performance.now() - start);
  };
  const filled = (bytes: number): Uint8Array => new Uint8Array(Math.min(bytes, abilities.tensorBytesMax)).fill(1);
  let data = filled(firstBytes);
  // The first one also makes what all of them need.
  await tensors.release(await tensors.put({ data }));
  const first = async (): Promise<void> => await tensors.release(await tensors.put({ data }));
  if (await time(first) < firstMsMax) {
    data = filled(largeBytes);
    await first();
  }
  const refs: TensorRef[] = [];
  const putMs = await time(async () => refs.push(await tensors.put({ data })));
  const getMs = await time(async () => (await tensors.get(refs[0]!)).done());
  await tensors.release(refs[0]!);
  const small = data.slice(0, smallBytes);
  const smallEnd = performance.now() + smallMsMax;
  let smallCount = 0;
  const smallMs = await time(async () => {
    for (; smallCount === 0 || (smallCount < smallCountMax && performance.now() < smallEnd); smallCount++) {
      await tensors.release(await tensors.put({ data: small }));
    }
  });
  const perSecond = (ms: number): string => `${size(data.length / ms * 1_000)}/s`;
  const each = `${(smallMs / smallCount).toPrecision(2)} ms for a small one`;
  const found = `put ${perSecond(putMs)}, get ${perSecond(getMs)} in ${size(data.length)}, ${each}`;
  if (data.length / putMs * 1_000 >= bytesPerSecondWanted) return ok(found);
  return {
    state: "warning",
    found,
    cure: "simulations will wait for it: take a faster file system, or shm: on one machine",
  };
}

function space(folder: string): Found {
  const { bavail, bsize, ffree, files } = statfsSync(folder);
  const free = bavail * bsize;
  const found = `${size(free)} free${files > 0 ? `, ${ffree} files` : ""}`;
  if (free < freeBytesWanted) {
    return { state: "warning", found, cure: `sweep what is over (shoal store sweep), or set capacity=… in its URL` };
  }
  if (files > 0 && ffree < 10_000) {
    return { state: "warning", found, cure: "it holds hardly any more files: remove some" };
  }
  return ok(found);
}

/** What others have left there; and away with what this look has left itself. */
async function holds(url: string, own: string): Promise<StoreCheck[]> {
  try {
    const place = await openPlace(url, { environment: realWorld });
    for await (const _ of place.sweep({ run: own }));
    const left = { live: 0, interrupted: 0, ended: 0, strange: 0 };
    let bytes = 0;
    for await (const run of place.runs()) {
      left[run.state] += 1;
      if (run.state === "ended") bytes += run.bytes;
    }
    const all = Object.entries(left).filter(([, count]) => count > 0).map(([state, count]) => `${count} ${state}`);
    const found = all.length === 0 ? "holds no run" : `holds runs: ${all.join(", ")}`;
    const what = "store runs";
    if (bytes === 0) return [{ what, ...ok(found) }];
    const cure = `see shoal store sweep ${url.split("?")[0]} --dry-run`;
    return [{ what, state: "warning", found: `${found}; ${size(bytes)} of those that have ended`, cure }];
  } catch (error) {
    return [failed("store runs", error)];
  }
}
