// Broken stores whose tensors are wrong, or last too long or too short.
import { arrayOver } from "../../stores/dtype.ts";
import { isShoalError, ShoalError } from "../../stores/error.ts";
import { memoryStore } from "../../stores/memory.ts";
import type { Tensor, TensorRef } from "../../stores/store.ts";
import { type BrokenStore, memoOf, withTensors } from "./breaking.ts";

/** Of what a server or a disk may take as one. */
const pieceBytes = 2 ** 16;

const changed = (tensor: Tensor, change: Partial<Tensor>): Tensor => ({ ...tensor, data: tensor.data, ...change });
const lastRefs = memoOf(() => [] as TensorRef[]);
const dead = memoOf(() => new Map<string, TensorRef>());
const leasesOf = memoOf(() => new Map<string, number>());
const arraysOf = memoOf(() => new Map<string, Tensor["data"]>());
const counts = memoOf(() => ({ opened: 0, reads: 0 }));

export const brokenTensors: readonly BrokenStore[] = [
  {
    name: "forgets on reopen",
    law: "L2 acknowledged is kept",
    breaking: (store, { inner, options }) =>
      counts(inner).opened++ === 0 ? store : memoryStore({ run: options.run, environment: options.environment }),
  },
  {
    name: "yields a prefix of the bytes",
    law: "L7 read your put",
    breaking: (store) =>
      withTensors(store, {
        async get(ref) {
          const tensor = await store.tensors.get(ref);
          const { data, shape } = tensor;
          if (shape.length !== 1 || data.length < 100) return tensor;
          return { ...tensor, data: data.subarray(0, data.length - 1) as typeof data };
        },
      }),
  },
  {
    name: "yields the pieces of a large tensor in another order",
    law: "L7 read your put",
    breaking: (store) =>
      withTensors(store, {
        async get(ref) {
          const tensor = await store.tensors.get(ref);
          if (ref.bytes < 2 * pieceBytes) return tensor;
          const { buffer, byteOffset, byteLength } = tensor.data;
          const bytes = new Uint8Array(buffer, byteOffset, byteLength).slice();
          const first = bytes.slice(0, pieceBytes);
          bytes.copyWithin(0, pieceBytes, 2 * pieceBytes);
          bytes.set(first, pieceBytes);
          const data = arrayOver(ref.dtype, bytes.buffer, 0, byteLength);
          return { ...tensor, data };
        },
      }),
  },
  {
    name: "yields another object's bytes while two are asked for",
    law: "L8 whole or error",
    breaking: (store, { inner }) =>
      withTensors(store, {
        async get(ref) {
          const tensor = await store.tensors.get(ref);
          const [last] = lastRefs(inner);
          lastRefs(inner)[0] = ref;
          if (
            last === undefined || last.bytes !== ref.bytes || last.dtype !== ref.dtype || last.id === ref.id
          ) return tensor;
          const other = await store.tensors.get(last as typeof ref).catch(() => tensor);
          return { ...tensor, data: other.data };
        },
      }),
  },
  {
    name: "swaps the shape",
    law: "L7 read your put",
    breaking: (store) =>
      withTensors(store, {
        async get(ref) {
          const tensor = await store.tensors.get(ref);
          return changed(tensor, { shape: tensor.shape.toReversed() }) as typeof tensor;
        },
      }),
  },
  {
    name: "ignores leases",
    law: "L10 leases",
    breaking: (store) =>
      withTensors(store, {
        put: (item, options) =>
          store.tensors.put(item, options?.lifetime && "leaseMs" in options.lifetime ? {} : options),
      }),
  },
  {
    name: "collects before the lease has lapsed",
    law: "L10 leases",
    breaking: (store, { inner, options: { environment } }) =>
      withTensors(store, {
        async put(item, options) {
          const ref = await store.tensors.put(item, options);
          const { lifetime } = options ?? {};
          if (lifetime && "leaseMs" in lifetime) {
            leasesOf(inner).set(ref.id, environment.now() + lifetime.leaseMs * 0.8);
          }
          return ref;
        },
        async get(ref, options) {
          if (environment.now() < (leasesOf(inner).get(ref.id) ?? Infinity)) return store.tensors.get(ref, options);
          throw new ShoalError("Expired", "Cannot get tensor: its lease has lapsed");
        },
      }),
  },
  {
    name: "collects while pinned",
    law: "L9 pinned",
    breaking: (store) => withTensors(store, { pin() {} }),
  },
  {
    name: "lets go of all pins with the first",
    law: "L9 pinned",
    breaking: (store) =>
      withTensors(store, {
        pin: (ref) => store.tensors.pin(ref, "all"),
        unpin: (ref, _, read) => store.tensors.unpin(ref, "all", read),
      }),
  },
  {
    name: "counts a read per get",
    law: "L9 pinned",
    breaking: (store) =>
      withTensors(store, {
        async get(ref, options) {
          const tensor = await store.tensors.get(ref, options);
          store.tensors.pin(ref, "get");
          store.tensors.unpin(ref, "get", true);
          return tensor;
        },
      }),
  },
  {
    name: "tells Unavailable as Missing",
    law: "L4 outcome",
    breaking: (store) =>
      withTensors(store, {
        get: (ref, options) =>
          store.tensors.get(ref, options).catch((error) => {
            if (!isShoalError(error, "Unavailable")) throw error;
            throw new ShoalError("Missing", "Cannot get tensor: it was not found");
          }),
      }),
  },
  {
    name: "exceeds its capacity silently",
    law: "L6 room",
    breaking: (store, { options }) =>
      options.capacity === undefined
        ? store
        : memoryStore({ run: options.run, environment: options.environment, capacityBytes: 2 ** 20 }),
  },
  {
    name: "shows tensors that are partial",
    law: "L8 whole or error",
    breaking: (store, { inner }) => {
      const drafts = arraysOf(inner);
      return withTensors(store, {
        async allocate(dtype, shape, options) {
          const before = new Set<string>();
          for await (const { id } of store.tensors.list()) before.add(id);
          const draft = await store.tensors.allocate(dtype, shape, options);
          for await (const { id } of store.tensors.list()) if (!before.has(id)) drafts.set(id, draft.data);
          return draft;
        },
        get: (ref, options) =>
          store.tensors.get(ref, options).catch((error) => {
            if (!isShoalError(error, "Missing") || !drafts.has(ref.id)) throw error;
            const { dtype, shape } = ref;
            const data = arrayOver(dtype, new ArrayBuffer(ref.bytes), 0, ref.bytes);
            const tensor = { ref, dtype, shape, data, keep: () => tensor, done() {} };
            return tensor;
          }),
      });
    },
  },
  {
    name: "lets a late writer bring back what was released",
    law: "L16 gone stays gone",
    breaking: (store, { inner }) => {
      const copies = dead(inner);
      return withTensors(store, {
        async allocate(dtype, shape, options) {
          const draft = await store.tensors.allocate(dtype, shape, options);
          let first: TensorRef | undefined;
          return {
            ...draft,
            data: draft.data,
            async seal() {
              const ref = await draft.seal();
              if (first === undefined) first = ref;
              // A second seal writes it again, whatever became of it meanwhile.
              else copies.set(ref.id, await store.tensors.put({ data: draft.data, dtype, shape }));
              return ref;
            },
          };
        },
        async get(ref, options) {
          const copy = copies.get(ref.id) as typeof ref | undefined;
          return store.tensors.get(ref, options).catch((error) => {
            if (copy === undefined) throw error;
            return store.tensors.get(copy);
          });
        },
      });
    },
  },
  {
    name: "believes a reference that was made up",
    law: "L8 references cannot be made up",
    breaking: (store, { inner }) => {
      const known = dead(inner);
      return withTensors(store, {
        async put(item, options) {
          const ref = await store.tensors.put(item, options);
          known.set(ref.id, ref);
          return ref;
        },
        async get(ref, options) {
          const own = typeof ref === "object" && ref !== null ? known.get(ref.id) as typeof ref | undefined : undefined;
          return store.tensors.get(own ?? ref, options);
        },
      });
    },
  },
  {
    name: "keeps the array that was put",
    law: "L7 read your put",
    breaking: (store, { inner }) => {
      const arrays = arraysOf(inner);
      return withTensors(store, {
        async put(item, options) {
          const ref = await store.tensors.put(item, options);
          arrays.set(ref.id, item.data);
          return ref;
        },
        async get(ref, options) {
          const tensor = await store.tensors.get(ref, options);
          const data = arrays.get(ref.id) as typeof tensor.data | undefined;
          return data === undefined ? tensor : { ...tensor, data };
        },
      });
    },
  },
];
