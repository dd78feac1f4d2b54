// Broken routes: each is a good one in which one thing is wrong, and names the law that must catch it.
import { memoryStore } from "../../stores/memory.ts";
import { routedTensors, type Rule } from "../../stores/route/tensors.ts";
import type { Part } from "../../stores/route/parts.ts";
import type { Store, Tensors } from "../../stores/store.ts";
import type { Breaking } from "../broken/kept.ts";
import { memoOf } from "../broken/breaking.ts";

export interface BrokenRoute {
  readonly name: string;
  readonly law: string;
  /** What differs from the good one. */
  readonly change: (route: { readonly good: Store; readonly small: Store; readonly large: Store }) => Partial<Store>;
}

const fromBytes = 24;

/** A second store beside the one that is there, kept as long as that. */
const beside = memoOf(() => ({ large: undefined as Store | undefined }));

/** A route of the store of a place and another one, in which something was changed. */
export const routeBreaking = (change: BrokenRoute["change"]): Breaking => (small, { inner, options }) => {
  const large = beside(inner).large ??= memoryStore({ run: options.run, environment: options.environment });
  const parts: readonly Part[] = [{ asked: "small", store: small }, { asked: "large", store: large }];
  const rules: readonly Rule[] = [
    { part: parts[0]!, belowBytes: fromBytes },
    { part: parts[1]!, belowBytes: Infinity },
  ];
  const good: Store = {
    ...small,
    tensors: routedTensors(parts, rules),
    statistics: () => small.statistics(),
    async close() {
      await Promise.all([small.close(), large.close()]);
    },
  };
  return { ...good, ...change({ good, small, large }) };
};

const tensors =
  (change: (good: Tensors, parts: { small: Store; large: Store }) => Partial<Tensors>) =>
  ({ good, small, large }: { readonly good: Store; readonly small: Store; readonly large: Store }): Partial<Store> => ({
    tensors: { ...good.tensors, ...change(good.tensors, { small, large }) },
  });

export const brokenRoutes: readonly BrokenRoute[] = [
  {
    name: "looks in its first part only",
    law: "L7 read your put",
    change: tensors((_, { small }) => ({ get: (ref, options) => small.tensors.get(ref, options) })),
  },
  {
    name: "releases in its first part only",
    law: "L16 gone stays gone",
    change: tensors((_, { small }) => ({ release: (ref) => small.tensors.release(ref) })),
  },
  {
    name: "pins in its first part only",
    law: "L9 pinned",
    change: tensors((_, { small }) => ({ pin: (ref, holder) => small.tensors.pin(ref, holder) })),
  },
  {
    name: "lets go in its first part only",
    law: "L9 pinned",
    change: tensors((_, { small }) => ({
      unpin: (ref, holder, read) => small.tensors.unpin(ref, holder, read),
    })),
  },
  {
    name: "answers many puts in the order of its parts",
    law: "L7 read your put",
    change: tensors((good) => ({
      async putMany(items, options) {
        const refs = await good.putMany(items, options);
        return [...refs.filter(({ bytes }) => bytes < fromBytes), ...refs.filter(({ bytes }) => bytes >= fromBytes)];
      },
    })),
  },
  {
    name: "gets many in the order of its parts",
    law: "L8 whole or error",
    change: tensors((good) => ({
      getMany(refs) {
        const all = [...refs];
        const small = all.filter(({ bytes }) => bytes < fromBytes);
        return good.getMany([...small, ...all.filter((ref) => !small.includes(ref))]);
      },
    })),
  },
  {
    name: "lists its first part only",
    law: "L6 room",
    change: tensors((_, { small }) => ({ list: () => small.tensors.list() })),
  },
  {
    name: "forgets the lifetime of what goes to its second part",
    law: "L10 leases",
    change: tensors((good, { small }) => ({
      put: (item, options) => item.data.byteLength < fromBytes ? small.tensors.put(item, options) : good.put(item),
    })),
  },
  {
    name: "has a log in each part, by its name",
    law: "L1 logs stand in a row",
    change: ({ small, large }) => ({
      logs: {
        ...small.logs,
        append: (stream, epoch, frames) => (epoch % 2 === 0 ? small : large).logs.append(stream, epoch, frames),
      },
    }),
  },
  {
    name: "claims in its second part what it looks for in the first",
    law: "L2 acknowledged is kept",
    change: ({ small, large }) => ({ claims: { ...small.claims, claim: large.claims.claim } }),
  },
];
