// A directory of names: the law of it catches directories and claims that are broken, its errors say what is wrong, and
// a shared dictionary with keys of one's own takes twenty lines.
import { namesLaw } from "../../stores/conformance/names.ts";
import { type Directory, directory, type Named } from "../../stores/directory.ts";
import { memoryStore } from "../../stores/memory.ts";
import { isShoalError } from "../../stores/error.ts";
import type { Store } from "../../stores/store.ts";
import { isTensorRef } from "../../stores/open.ts";
import { brokenLogs } from "../broken/logs.ts";
import { withClaims } from "../broken/breaking.ts";
import { keptSubject } from "../broken/kept.ts";
import { errorOf, isSettled, turn, type World, world } from "../stores/world.ts";
import { assert, long, test } from "../suite.ts";

const memory = (environment: World): Store => memoryStore({ run: "r", environment });

async function inStore(call: (store: Store, world: World) => Promise<void>): Promise<void> {
  const own = world();
  const store = memory(own);
  try {
    await call(store, own);
  } finally {
    await store.close();
  }
}

type Opener = NonNullable<Parameters<typeof namesLaw>[0]>;

/** A directory in which one thing is wrong. */
const changed =
  (change: (good: Directory<string>, store: Store) => Partial<Directory<string>>): Opener => (store, options) => {
    const good = directory<string>(store, options);
    return { ...good, ...change(good, store) };
  };

const broken: Readonly<Record<string, Opener>> = {
  "takes the key apart at the wrong place": (store, { environment, directory: own }) => {
    const good = directory<string>(store, { environment, directory: "all" });
    const cut = (one: Named<string>): Named<string> => ({ ...one, name: one.name.slice(`${own}/`.length) });
    return {
      ...good,
      get: async (name) => {
        const found = await good.get(`${own}/${name}`);
        return found && cut(found);
      },
      set: async (name, value) => cut(await good.set(`${own}/${name}`, value)),
      compareAndSet: async (name, was, value) => {
        const { done, now } = await good.compareAndSet(`${own}/${name}`, was, value);
        return { done, now: now && cut(now) };
      },
      delete: (name, was) => good.delete(`${own}/${name}`, was),
      list: async (start = "") => (await good.list(`${own}/${start}`)).map(cut),
      watch: async function* (name, options) {
        for await (const one of good.watch(`${own}/${name}`, options)) yield one && cut(one);
      },
    };
  },
  "compares and then sets": changed((good) => ({
    async compareAndSet(name, was, value) {
      const now = await good.get(name);
      if (now?.version !== was?.version) return { done: false, now };
      return { done: true, now: await good.set(name, value) };
    },
  })),
  "compares values and not versions": changed((good) => ({
    async compareAndSet(name, was, value) {
      const now = await good.get(name);
      if (now?.value !== was?.value) return { done: false, now };
      return good.compareAndSet(name, now, value);
    },
  })),
  "tells two who write the same that both did": (store, options) => {
    const environment = { ...options.environment, token: () => "same" };
    return directory<string>(store, { ...options, environment });
  },
  "takes two forms of a letter for one": changed((good) => ({
    get: (name) => good.get(name.normalize("NFC")),
    set: (name, value) => good.set(name.normalize("NFC"), value),
    compareAndSet: (name, was, value) => good.compareAndSet(name.normalize("NFC"), was, value),
    delete: (name, was) => good.delete(name.normalize("NFC"), was),
  })),
  "lists what was deleted": changed((good, store) => ({
    async list() {
      const all = await good.list();
      const claims = await store.claims.claims("names/a/");
      const names = claims.map((claim) => claim.slice("names/a/".length));
      const gone = names.filter((name) => !all.some((one) => one.name === name));
      return [...all, ...gone.map((name) => ({ name, version: 1, value: "x" }))].sort((a, b) =>
        a.name < b.name ? -1 : 1
      );
    },
  })),
  "reads what it remembers": (() => {
    const memo = new Map<string, Named<string> | undefined>();
    return (store, options) => {
      const good = directory<string>(store, options);
      return {
        ...good,
        async get(name) {
          const key = `${options.directory} ${name}`;
          if (!memo.has(key)) memo.set(key, await good.get(name));
          return memo.get(key);
        },
      };
    };
  })(),
  "says that a deletion was made when another made it": changed((good) => ({
    async delete(name, was) {
      const now = await good.get(name);
      if (now === undefined || (was !== undefined && was.version !== now.version)) return false;
      await good.delete(name);
      return true;
    },
  })),
  "shows each change but the last to a watch": changed((good) => ({
    async *watch(name, options) {
      let last: Named<string> | undefined;
      for await (const one of good.watch(name, options)) {
        yield last;
        last = one;
      }
    },
  })),
};

const seeds = long ? [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] : [1, 2];

for (const [name, open] of Object.entries(broken)) {
  test(`The law of names catches a directory that ${name}`, async () => {
    for (const seed of seeds) {
      const { failure } = await namesLaw(open).run(keptSubject(name), { runs: 200, seed, shrink: false });
      assert.ok(failure !== undefined && failure.path !== "", `survives seed ${seed}`);
    }
  });
}

test("The law of names catches claims that two hold, on which nothing stands", async () => {
  const claims = brokenLogs.filter(({ law, name }) => law === "claims have one holder" && /twice|two|both/.test(name));
  assert.ok(claims.length > 0);
  for (const { name, breaking, outside } of claims) {
    const { failure } = await namesLaw().run(keptSubject(name, breaking, outside), {
      runs: 200,
      seed: 1,
      shrink: false,
    });
    assert.ok(failure !== undefined, name);
  }
});

test("Directory.set takes what JSON gives back, and says where it would not", () =>
  inStore(async (store, environment) => {
    const names = directory<unknown>(store, { environment });
    const ref = await store.tensors.put({ data: new Float64Array(3) });
    for (const value of [ref, null, "x", [1, [2]], { a: { b: [] } }, JSON.parse(`{"__proto__":1}`), "\ud800"]) {
      const { version } = await names.set("n", value);
      assert.deepEqual(await names.get("n"), { name: "n", version, value });
    }
    await names.set("ref", ref);
    const found = await names.get("ref");
    assert.ok(isTensorRef(found?.value));
    (await store.tensors.get(found.value)).done();
    const circle: unknown[] = [];
    circle.push(circle);
    const wrong: readonly (readonly [unknown, RegExp])[] = [
      [undefined, /value is nothing/],
      [{ a: [1, NaN] }, /value\.a\[1\] is NaN/],
      [1n, /a bigint/],
      [new Date(), /no plain object/],
      [new Uint8Array(1), /no plain object/],
      [{ f() {} }, /value\.f is a function/],
      [circle, /64 deep, or in a circle/],
    ];
    for (const [value, says] of wrong) {
      assert.match((await errorOf("BadInput", () => names.set("n", value))).message, says);
    }
    await errorOf("TooLarge", () => names.set("n", "x".repeat(70_000)));
  }));

test("Directory refuses names that are none, and takes every other", () =>
  inStore(async (store, environment) => {
    const names = directory<number>(store, { environment });
    for (const name of ["", "\udfff", "x".repeat(513)]) await errorOf("BadInput", () => names.set(name, 1));
    for (const own of ["", "x".repeat(65)]) {
      assert.throws(
        () => directory(store, { environment, directory: own }),
        (error) => isShoalError(error, "BadInput"),
      );
    }
    const odd = ["..", ".", "/", "a/b", "a\0b", "\u00e9", "e\u0301", "__proto__", " ", "%2F", "x".repeat(512)];
    for (const [index, name] of odd.entries()) await names.set(name, index);
    for (const [index, name] of odd.entries()) assert.equal((await names.get(name))?.value, index);
    assert.deepEqual((await names.list()).map(({ name }) => name), odd.toSorted());
  }));

test("Directory tells of what it cannot read, and does not write over it", () =>
  inStore(async (store, environment) => {
    const names = directory(store, { environment });
    for (const [epoch, value] of ["x", "{}", '[2,"by",1]', "[1]"].entries()) {
      await store.claims.claim("names/names/n", epoch, value);
      await errorOf("Incompatible", () => names.get("n"));
      await errorOf("Incompatible", () => names.delete("n"));
    }
  }));

test("Directory passes on that a change is unknown, and makes none that it says has failed", async () => {
  const environment = world();
  const store = memory(environment);
  const { ShoalError } = await import("../../stores/error.ts");
  const cut = withClaims(store, {
    async claim(name, epoch, value) {
      await store.claims.claim(name, epoch, value);
      throw new ShoalError("Unavailable", "cut off", { outcome: "unknown" });
    },
  });
  const error = await errorOf("Unavailable", () => directory<string>(cut, { environment }).set("n", "x"));
  assert.equal(error.outcome, "unknown");
  assert.equal((await directory<string>(store, { environment }).get("n"))?.value, "x");
  await store.close();
});

test("Directory finds out that a change stood which was overtaken before it was answered, or says that it cannot", async () => {
  const environment = world();
  const store = memory(environment);
  for (const [others, wanted] of [[1, "done"], [99, "done"], [100, "unknown"]] as const) {
    const names = directory<number>(store, { environment });
    const name = `n${others}`;
    let isFirst = true;
    const overtaken = withClaims(store, {
      async claim(key, epoch, value) {
        const answer = await store.claims.claim(key, epoch, value);
        if (!isFirst) return answer;
        isFirst = false;
        for (let count = 0; count < others; count++) await names.set(name, count);
        return { held: false, ...(await store.claims.claimed(key))! };
      },
    });
    const end = directory<number>(overtaken, { environment }).compareAndSet(name, undefined, -1);
    if (wanted === "done") assert.deepEqual(await end, { done: true, now: { name, version: 1, value: -1 } });
    else assert.equal((await errorOf("Unavailable", () => end)).outcome, "unknown");
    assert.equal((await names.get(name))?.version, others + 1);
  }
  await store.close();
});

test("Directory.watch ends with its signal, its reader and its store, and leaves no timer", () =>
  inStore(async (store, environment) => {
    const names = directory<string>(store, { environment });
    const controller = new AbortController();
    const watching = names.watch("n", { signal: controller.signal });
    assert.deepEqual(await watching.next(), { done: false, value: undefined });
    const waiting = watching.next();
    assert.equal(await isSettled(waiting), false);
    await names.set("n", "x");
    assert.equal((await waiting).value?.value, "x");
    const late = watching.next();
    late.catch(() => {});
    await turn();
    controller.abort();
    await errorOf("Cancelled", () => late);
    assert.equal(environment.timers, 0);
    for await (const one of names.watch("n")) {
      assert.equal(one?.value, "x");
      break;
    }
    assert.equal(environment.timers, 0);
    const last = names.watch("n");
    await last.next();
    const open = last.next();
    open.catch(() => {});
    await turn();
    await store.close();
    await errorOf("ShuttingDown", () => open);
    assert.equal(environment.timers, 0);
  }));

/** A dictionary that every process of a run shares, with the program's own keys. */
function dictionary<Value>(store: Store, environment: World, of: string) {
  const names = directory<Value>(store, { environment, directory: of });
  return {
    get: async (key: string): Promise<Value | undefined> => (await names.get(key))?.value,
    set: async (key: string, value: Value): Promise<void> => void await names.set(key, value),
    delete: (key: string): Promise<boolean> => names.delete(key),
    entries: async (): Promise<[string, Value][]> => (await names.list()).map(({ name, value }) => [name, value]),
    /** Changes a value by what it was, however many do so at once. */
    async update(key: string, change: (was: Value | undefined) => Value): Promise<Value> {
      for (let was = await names.get(key);;) {
        const { done, now } = await names.compareAndSet(key, was, change(was?.value));
        if (done) return now!.value;
        was = now;
      }
    },
  };
}

test("A shared dictionary is twenty lines on a directory, and loses no update", () =>
  inStore(async (store, environment) => {
    const [one, two] = [dictionary<number>(store, environment, "d"), dictionary<number>(store, environment, "d")];
    await Promise.all(
      Array.from({ length: 60 }, (_, i) => (i % 2 === 0 ? one : two).update("sum", (was = 0) => was + i)),
    );
    assert.equal(await two.get("sum"), 59 * 30);
    await one.set("a/b", 1);
    assert.deepEqual(await two.entries(), [["a/b", 1], ["sum", 59 * 30]]);
    assert.equal(await one.delete("sum"), true);
    assert.equal(await one.delete("sum"), false);
    assert.equal(await two.get("sum"), undefined);
  }));
