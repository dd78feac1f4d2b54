// Stores for the kill harness to find out: `file:` with one promise broken in each process, named by the URL's end.
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fileStore } from "../../stores/file.ts";
import { type Disk, writeAll } from "../../stores/file/disk.ts";
import { posixDisk } from "../../stores/file/posix.ts";
import { openStore as openGood } from "../../stores/open.ts";
import type { Place, PlaceOptions } from "../../stores/sweep.ts";
import { openPlace as openGoodPlace } from "../../stores/sweep/places.ts";
import type { Claimed, OpenOptions, Store, TensorRef } from "../../stores/store.ts";
import { withClaims, withLogs, withTensors } from "../broken/breaking.ts";

/** What it does, and what the harness must say of it. */
export const brokenStores: Readonly<
  Record<string, { readonly breaking?: (store: Store) => Store; readonly said: RegExp }>
> = {
  "acknowledges what it has only in memory": {
    said: /misses tensor|was acknowledged at .*, where .* stands|was acknowledged: gone/,
  },
  "sweeps tensors that are alive": { said: /misses tensor|was acknowledged: gone/ },
  "acknowledges an append before it is there": {
    said: /was acknowledged at .*, where .* stands/,
    breaking: (store) => {
      const { logs } = store;
      let [epoch, sequence] = [-1, 0];
      const held: Uint8Array[] = [];
      return withLogs(store, {
        async append(stream, wanted, frames) {
          if (wanted !== epoch || frames.length === 0) {
            const at = await logs.append(stream, wanted, frames);
            [epoch, sequence] = [at.epoch, at.sequence];
            return at;
          }
          held.push(...frames);
          sequence += frames.length;
          if (held.length > 4) await logs.append(stream, wanted, held.splice(0));
          return { epoch, sequence };
        },
      });
    },
  },
  "lets a zombie append under the newest epoch": {
    said: /write in epoch|was fenced, and appends|stands where/,
    breaking: (store) => {
      const { logs } = store;
      return withLogs(store, {
        async append(stream, epoch, frames) {
          try {
            return await logs.append(stream, epoch, frames);
          } catch {
            const entries = await logs.read(stream, undefined, { entriesMax: 1e6 });
            return await logs.append(stream, entries.at(-1)?.epoch ?? epoch, frames);
          }
        },
      });
    },
  },
  "remembers what it has claimed": {
    said: /slept while epoch|is claimed by|is told that it holds/,
    breaking: (store) => {
      const { claims } = store;
      const own = new Map<string, Claimed & { readonly held: boolean }>();
      return withClaims(store, {
        async claim(name, epoch, value) {
          const key = `${name} ${epoch}`;
          const answer = own.get(key) ?? await claims.claim(name, epoch, value);
          if (answer.held) own.set(key, answer);
          return answer;
        },
      });
    },
  },
  "gives another's bytes": {
    said: /byte \d+ of|of \d+ bytes/,
    breaking: (store) => {
      const { tensors } = store;
      const known: TensorRef[] = [];
      return withTensors(store, {
        async get(ref, options) {
          const other = known.findLast(({ id, bytes }) => id !== ref.id && bytes === ref.bytes);
          const tensor = await tensors.get(ref, options);
          known.push(ref);
          if (other === undefined) return tensor;
          try {
            return { ...await tensors.get({ ...other, dtype: ref.dtype, shape: ref.shape }), ref };
          } catch {
            return tensor;
          }
        },
      });
    },
  },
  "brings back what was released": {
    said: /was released and is there again/,
    breaking: (store) => withTensors(store, { release: async () => {} }),
  },
};

/** A disk whose writes lie in the process's own memory for a while: what dies with it was acknowledged already. */
const lazyDisk: Disk = {
  ...posixDisk,
  async open(path, how) {
    const file = await posixDisk.open(path, how);
    let held: (() => Promise<void>)[] = [];
    let last = Promise.resolve();
    return {
      ...file,
      async write(bytes, position) {
        const own = bytes.slice();
        held.push(() => writeAll(file, own, position));
        if (held.length > 1) return bytes.byteLength;
        last = new Promise<void>((resolve) => setTimeout(resolve, 8)).then(async () => {
          const all = held;
          held = [];
          for (const write of all) await write();
        });
        return bytes.byteLength;
      },
      async close() {
        await last;
        await file.close();
      },
    };
  },
};

const lazy = "acknowledges what it has only in memory";

const greedy = "sweeps tensors that are alive";

/** Takes whatever tensor it comes across. */
function greedyPlace(root: string, place: Place): Place {
  return {
    ...place,
    async *sweep() {
      for (const path of readdirSync(root, { recursive: true, encoding: "utf8" })) {
        if (!/[/\\]tensors[/\\][0-9a-f]{16}[/\\][0-9a-f]{2}[/\\]/.test(path)) continue;
        rmSync(join(root, path), { force: true });
        yield { run: "", kind: "remains", what: path, bytes: 0, why: "" };
      }
    },
  };
}

export async function openPlace(url: string, options: PlaceOptions): Promise<Place> {
  const [where = "", which = ""] = url.split("#");
  const place = await openGoodPlace(where, options);
  return decodeURIComponent(which) === greedy ? greedyPlace(fileURLToPath(where), place) : place;
}

export async function openStore(url: string, options: OpenOptions): Promise<Store> {
  const [where = "", which = ""] = url.split("#");
  if (decodeURIComponent(which) === lazy) {
    return await fileStore({ ...options, root: fileURLToPath(where), disk: lazyDisk });
  }
  const store = await openGood(where, options);
  const broken = brokenStores[decodeURIComponent(which)];
  return broken?.breaking === undefined ? store : broken.breaking(store);
}
