// Broken stores whose logs, claims, names or ends are wrong.
import { isShoalError, ShoalError } from "../../stores/error.ts";
import { memoryStore } from "../../stores/memory.ts";
import type { Entry, Position, Store } from "../../stores/store.ts";
import { type BrokenStore, memoOf, withClaims, withLogs } from "./breaking.ts";

const beginning: Position = { epoch: 0, sequence: 0 };
const fronts = memoOf(() => new Map<string, { value: string; epoch: number }>());
const ghosts = memoOf(() => new Map<string, Entry[]>());
const commons = new Map<string, Store>();

export const brokenLogs: readonly BrokenStore[] = [
  {
    name: "joins keys by a separator",
    law: "names are apart",
    breaking: (store) => {
      const key = (name: string): string => name.replaceAll(":", "/");
      return withLogs(store, {
        append: (stream, epoch, frames) => store.logs.append(key(stream), epoch, frames),
        read: (stream, after, options) => store.logs.read(key(stream), after, options),
      });
    },
  },
  {
    name: "takes both forms of é for one",
    law: "names are apart",
    breaking: (store) =>
      withClaims(store, {
        claim: (name, epoch, value) => store.claims.claim(name.normalize(), epoch, value),
        claimed: (name) => store.claims.claimed(name.normalize()),
      }),
  },
  {
    name: "repeats after a retry",
    law: "L4 outcome",
    breaking: (store) =>
      withLogs(store, {
        append: (stream, epoch, frames) =>
          store.logs.append(stream, epoch, frames).catch((error) => {
            if (!isShoalError(error, "Unavailable")) throw error;
            return store.logs.append(stream, epoch, frames);
          }),
      }),
  },
  {
    name: "reorders a log",
    law: "L1 logs stand in a row",
    breaking: (store) =>
      withLogs(store, {
        async read(stream, after, options) {
          const found = [...await store.logs.read(stream, after, options)];
          if (found.length > 3) found.splice(1, 2, found[2]!, found[1]!);
          return found;
        },
      }),
  },
  {
    name: "loses the middle of a log",
    law: "L1 logs stand in a row",
    breaking: (store) =>
      withLogs(store, {
        async read(stream, after, options) {
          const found = await store.logs.read(stream, after, options);
          return found.length > 2 ? found.toSpliced(1, 1) : found;
        },
      }),
  },
  {
    name: "tears appends apart",
    law: "L1 appends at once",
    breaking: (store) =>
      withLogs(store, {
        async append(stream, epoch, frames) {
          let position = await store.logs.append(stream, epoch, []);
          for (const frame of frames) {
            await Promise.resolve();
            position = await store.logs.append(stream, epoch, [frame]);
          }
          return position;
        },
      }),
  },
  {
    name: "trims what was not read",
    law: "L1 logs stand in a row",
    breaking: (store) =>
      withLogs(store, {
        trim: (stream, { epoch, sequence }) => store.logs.trim(stream, { epoch, sequence: sequence + 1 }),
      }),
  },
  {
    name: "is silent about what was trimmed",
    law: "L1 logs stand in a row",
    breaking: (store) =>
      withLogs(store, {
        async read(stream, after, options) {
          try {
            return await store.logs.read(stream, after, options);
          } catch (error) {
            if (!isShoalError(error, "Lost")) throw error;
            return store.logs.read(stream, Reflect.get(Object(error.cause), "through") as Position, options);
          }
        },
      }),
  },
  {
    name: "accepts two epochs",
    law: "L5 fencing",
    breaking: (store, { inner }) =>
      withLogs(store, {
        async append(stream, epoch, frames) {
          try {
            return await store.logs.append(stream, epoch, frames);
          } catch (error) {
            if (!isShoalError(error, "Fenced")) throw error;
            const own = ghosts(inner).get(stream) ?? [];
            ghosts(inner).set(stream, own);
            for (const frame of frames) own.push({ epoch, sequence: 1_000 + own.length, frame: frame.slice() });
            return own.at(-1) ?? beginning;
          }
        },
        async read(stream, after, options) {
          const found = await store.logs.read(stream, after, options);
          return after === undefined ? [...ghosts(inner).get(stream) ?? [], ...found] : found;
        },
      }),
  },
  {
    name: "tells unknown as failed",
    law: "L4 outcome",
    breaking: (store) =>
      withClaims(store, {
        claim: (name, epoch, value) =>
          store.claims.claim(name, epoch, value).catch((error) => {
            if (!isShoalError(error, "Unavailable")) throw error;
            throw new ShoalError("Unavailable", "Cannot claim: it was cut off");
          }),
      }),
  },
  {
    name: "lets a claim be held twice",
    law: "claims have one holder",
    breaking: (store) =>
      withClaims(store, {
        async claim(name, epoch, value) {
          // Looks, and then writes: between the two there is room for another.
          const standing = await store.claims.claimed(name);
          await Promise.resolve();
          if (standing !== undefined && standing.epoch >= epoch) {
            return { held: standing.epoch === epoch && standing.value === value, ...standing };
          }
          await store.claims.claim(name, epoch, value);
          return { held: true, epoch, value };
        },
      }),
  },
  {
    name: "lets an older epoch take a claim back",
    law: "claims have one holder",
    breaking: (store, { inner }) => {
      const own = fronts(inner);
      return withClaims(store, {
        async claim(name, epoch, value) {
          await store.claims.claim(name, epoch, value);
          const standing = own.get(name);
          if (standing?.epoch === epoch) return { held: standing.value === value, ...standing };
          own.set(name, { epoch, value });
          return { held: true, epoch, value };
        },
        claimed: async (name) => own.get(name),
      });
    },
  },
  {
    name: "lets runs see each other",
    law: "L15 apart",
    breaking: (store, { options }) => {
      const shared = commons.get(options.place) ?? memoryStore({ run: "all", environment: options.environment });
      commons.set(options.place, shared);
      return { ...store, statistics: () => store.statistics(), claims: shared.claims };
    },
  },
  {
    name: "answers after its close",
    law: "a store that was closed is shut",
    outside: (store) => ({
      ...store,
      statistics: () => store.statistics(),
      logs: { ...store.logs, streams: async () => [] },
    }),
  },
];
