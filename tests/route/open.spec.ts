// `route:` by its URL: what it takes and refuses, where its tensors go and are found again, and how kinds of tasks get
// stores of their own.
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { launch } from "../../runtime/mod.ts";
import type { RunRecord } from "../../runtime/run/records.ts";
import { openStore, redactUrl, withTopics } from "../../stores/open.ts";
import type { OpenOptions, Store, TensorRef } from "../../stores/store.ts";
import { environment } from "../redis/subjects.ts";
import { errorOf } from "../stores/world.ts";
import { assert, test } from "../suite.ts";
import { Keeper } from "./keeper.ts";
import { routeUrl } from "./subjects.ts";

const opened = (url: string, more: Partial<OpenOptions> = {}): Promise<Store> =>
  openStore(url, { run: "r", environment, strict: true, thresholdBytes: 0, ...more });

async function inFolder(work: (folder: string, urlOf: (name: string) => string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "route-"));
  try {
    await work(folder, (name) => pathToFileURL(join(folder, name)).href);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const put = (store: Store, bytes: number): Promise<TensorRef> => store.tensors.put({ data: new Uint8Array(bytes) });

test("openStore refuses a route that cannot be, and says what is wanted", async () => {
  for (
    const [url, says] of [
      ["route:", /lacks its first store, small=URL, as in route:\?small=/],
      ["route:?large=memory:", /lacks its first store/],
      ["route://n1?small=memory:", /has no address of its own/],
      ["route:?small=memory:&from=1MB", /has a size, from, and no store for it/],
      ["route:?small=memory:&larg=memory:", /did you mean large/],
      ["route:?small=memory:&large=memry:", /did you mean memory:/],
      ["route:?small=memory:&trainThreshold=5", /a threshold for train, and no store for it/],
      ["route:?small=memory:&large=route%3A%3Fsmall%3Dmemory%3A", /a route: stands within a route:/],
      ["route:?small=memory:&large=memory:&from=1XB", /unit of from/],
    ] as const
  ) {
    const error = await errorOf("BadInput", () => opened(url));
    assert.match(error.message, says);
  }
});

test("redactUrl leaves no secret in the URLs of a route", () => {
  for (
    const [url, shown] of [
      ["route:?small=redis://u:hunter2@n1&large=file:///x", "route:?small=redis://***@n1&large=file:///x"],
      ["route:?small=redis://u:hun&ter2@n1&from=1MB", "route:?small=redis://***@n1&from=1MB"],
      ["route:?small=memory:&large=redis%3A%2F%2Fu%3Ahunter2%40n1", "route:?small=memory:&large=redis%3A%2F%2F***@n1"],
      [
        "route:?small=kafka%3A%2F%2Fb1%2Fr%3Fpassword%3Dhunter2%26x%3D1&large=memory:",
        "route:?small=kafka%3A%2F%2Fb1%2Fr%3Fpassword%3D***%26x%3D1&large=memory:",
      ],
      [
        "route:?small=a:&large=route%3A%3Fsmall%3Dredis%253A%252F%252Fu%253Ahunter2%2540n1",
        "route:?small=a:&large=route%3A%3Fsmall%3Dredis%253A%252F%252F***@n1",
      ],
    ] as const
  ) assert.equal(redactUrl(url), shown);
});

test("route: sends tensors by their size, and their references lead back", () =>
  inFolder(async (folder, urlOf) => {
    const url = routeUrl({ small: urlOf("a"), large: urlOf("b"), from: "1kB" });
    const store = await opened(url);
    const [small, large] = [await put(store, 999), await put(store, 1_000)];
    assert.deepEqual([small.where, large.where], [urlOf("a"), urlOf("b")]);
    const both = await store.tensors.putMany([{ data: new Uint8Array(2_000).fill(1) }, { data: new Uint8Array(5) }]);
    assert.deepEqual(both.map(({ bytes, where }) => [bytes, where]), [[2_000, urlOf("b")], [5, urlOf("a")]]);
    await store.logs.append("s", 1, [Uint8Array.of(1)]);
    await store.claims.claim("n", 1, "x");
    assert.ok(existsSync(join(folder, "a/r/logs")) && !existsSync(join(folder, "b/r/logs")));
    const parts = store.statistics().parts?.map(({ putBytes }) => putBytes);
    assert.deepEqual(parts, [999 + 5, 1_000 + 2_000]);

    // Another that knows the same folder under another name: what the reference says is no part's.
    const other = await opened(routeUrl({ small: `file:///${folder}/a`.replace("////", "///"), large: urlOf("b") }));
    for (const ref of [small, large, ...both]) {
      const view = await other.tensors.get({ ...ref, where: "file:///elsewhere" });
      assert.equal(view.data.byteLength, ref.bytes);
      view.done();
    }
    await other.tensors.release({ ...large, where: "file:///elsewhere" });
    await errorOf("Missing", () => store.tensors.get(large));
    await other.close();
    await store.close();
  }));

test("route: can do what the weakest of its parts can", () =>
  inFolder(async (_, urlOf) => {
    const { abilities, close } = await opened(routeUrl({ small: urlOf("a"), large: "memory:?capacity=1MB" }));
    const { survives, shared, zeroCopy, tensorBytesMax } = abilities;
    assert.deepEqual([survives, shared, zeroCopy, tensorBytesMax], ["nothing", "threads", false, 1_000_000]);
    await close();
  }));

test("route: of which one part cannot be opened leaves none open", () =>
  inFolder(async (folder, urlOf) => {
    await errorOf("BadInput", () => opened(routeUrl({ small: urlOf("a"), large: "redis://n1:70000" })));
    assert.deepEqual(
      readdirSync(join(folder, "a/r"), { recursive: true }).filter((name) => /owners\//.test(String(name))),
      [],
    );
  }));

test("withTopics names a store for each kind of task, and its threshold", async () => {
  assert.equal(withTopics("memory:", {}), "memory:");
  assert.equal(
    withTopics("memory:", { train: "file:///a?x=1&y=2", trainThresholdBytes: 5 }),
    "route:?small=memory%3A&train=file%3A%2F%2F%2Fa%3Fx%3D1%26y%3D2&trainThreshold=5",
  );
  assert.equal(
    withTopics("route:?small=memory:", { infer: "shm:" }),
    "route:?small=memory:&infer=shm%3A",
  );
  await inFolder(async (_, urlOf) => {
    const url = withTopics(urlOf("home"), { train: urlOf("train"), trainThresholdBytes: 0, inferThresholdBytes: 20 });
    const store = await opened(url, { thresholdBytes: 10 });
    const wheres = async (task: string): Promise<string[]> => {
      const tensors = store.topic?.(task) ?? store.tensors;
      return await Promise.all(
        [5, 15, 25].map(async (bytes) => (await tensors.put({ data: new Uint8Array(bytes) })).where),
      );
    };
    assert.deepEqual(await wheres("train"), [urlOf("train"), urlOf("train"), urlOf("train")]);
    assert.deepEqual(await wheres("infer"), ["inline:", "inline:", urlOf("home")]);
    assert.deepEqual(await wheres("simulate"), ["inline:", urlOf("home"), urlOf("home")]);
    await store.close();
  });
});

for (const threads of [0, 2]) {
  test(`launch: tensors of each kind of task go to its store, ${threads} threads`, () =>
    inFolder(async (_, urlOf) => {
      const said: string[] = [];
      const record = (one: RunRecord): void => void (one.type === "MessageLogged" && said.push(one.text));
      const system = await launch({
        store: "memory:",
        storeThresholdBytes: 0,
        stores: { simulate: "memory:?capacity=1GB", train: urlOf("train"), infer: urlOf("infer") },
        threads,
        record,
        strict: true,
      });
      const wheres: string[] = [];
      for (const task of ["simulate", "train", undefined] as const) {
        const pool = await system.pool(Keeper, { size: 2, ...(task === undefined ? {} : { task }) });
        for (const ref of await pool.map("keep", [7, 8])) {
          const view = await system.store.get(ref);
          const [fill] = view.data;
          assert.ok(fill === 7 || fill === 8);
          view.done();
          // Others find it, whatever their own task is.
          assert.equal(await pool.ask("look", ref), fill);
          wheres.push(ref.where);
        }
      }
      assert.deepEqual(wheres, ["memory:", "memory:", urlOf("train"), urlOf("train"), "memory:", "memory:"]);
      await errorOf("BadInput", () => system.pool(Keeper, { size: 1, task: "tain" as "train" }));
      await system.close();
      assert.deepEqual(said.filter((text) => /never used/.test(text)), [
        `the store ${urlOf("infer")} was never used: no tensor of 0 bytes or more came there`,
      ]);
    }));
}
