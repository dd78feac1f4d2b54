// A route that is opened for some kinds of task: what lies in the stores of others is reached when it is wanted, and need
// not be there before; mail may have a store of its own.
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { endRun, openStore, resumeRun, withTopics } from "../../stores/open.ts";
import type { OpenOptions, Store, TensorRef } from "../../stores/store.ts";
import { environment } from "../redis/subjects.ts";
import { freePort } from "../services/server.ts";
import { errorOf } from "../stores/world.ts";
import { assert, test } from "../suite.ts";

const opened = (url: string, more: Partial<OpenOptions> = {}): Promise<Store> =>
  openStore(url, { run: "r", environment, strict: true, thresholdBytes: 0, ...more });
const partFor = (...topics: string[]): Partial<OpenOptions> => ({ only: { topics, who: "group g on h" } });

async function inFolder(work: (folder: string, urlOf: (name: string) => string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "route-"));
  try {
    await work(folder, (name) => pathToFileURL(join(folder, name)).href);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function listed(store: Store): Promise<string[]> {
  const ids: string[] = [];
  for await (const { id, state } of store.tensors.list()) if (state === "sealed") ids.push(id);
  return ids;
}

test("openStore for some kinds opens the stores of others when something in them is wanted", () =>
  inFolder(async (folder, urlOf) => {
    const url = withTopics(urlOf("a"), { train: urlOf("b"), infer: urlOf("c") });
    const part = await opened(url, partFor("infer"));
    assert.deepEqual(["a", "b", "c"].map((name) => existsSync(join(folder, name))), [true, false, true]);
    const whole = await opened(url);
    const put = (): Promise<TensorRef> => whole.topic!("train")!.put({ data: Uint8Array.of(1, 2, 3) });
    const [ref, other] = [await put(), await put()];
    // What a message pinned stays pinned when the store is there; what was given up before that does not.
    part.tensors.pin(ref, "one");
    part.tensors.pin(other, "two");
    part.tensors.unpin(other, "two", false);
    assert.equal(part.statistics().getBytes, 0);
    assert.deepEqual([...(await part.tensors.get(ref)).data as Uint8Array], [1, 2, 3]);
    assert.equal(part.statistics().getBytes, 3);
    assert.equal((await part.topic!("train")!.put({ data: Uint8Array.of(4) })).where, urlOf("b"));
    part.tensors.unpin(ref, "one", false);
    await part.tensors.release(other);
    assert.deepEqual((await listed(part)).includes(other.id), false);
    for (const store of [part, whole]) await store.close();
    await errorOf("ShuttingDown", () => part.tensors.get(ref));
  }));

test("openStore for some kinds does without a store of others that cannot be reached, and says so when it is wanted", () =>
  inFolder(async (_, urlOf) => {
    const away = `redis://127.0.0.1:${await freePort()}`;
    const url = withTopics(away, { mail: urlOf("mail"), train: urlOf("train") });
    await errorOf("Unavailable", () => opened(url, partFor("infer")));
    const store = await opened(url, partFor("train"));
    const ref = await store.topic!("train")!.put({ data: new Uint8Array(5) });
    assert.equal(ref.where, urlOf("train"));
    await store.logs.append("s", 1, [Uint8Array.of(1)]);
    const error = await errorOf("Unavailable", () => store.tensors.get({ ...ref, where: away }));
    assert.match(error.message, /group g on h cannot open it: .*cannot be reached.*; name one that it reaches/);
    await store.close();
  }));

test("that a run has ended, and that it goes on, is said in every store that a route is made of", () =>
  inFolder(async (_, urlOf) => {
    const names = ["a", "mail", "b"];
    const store = await opened(withTopics(urlOf("a"), { mail: urlOf("mail"), train: urlOf("b") }));
    const states = async (): Promise<unknown[]> => {
      const all = [];
      for (const name of names) {
        const one = await opened(urlOf(name));
        all.push((await one.claims.claimed("shoal/run"))?.value);
        await one.close();
      }
      return all;
    };
    await endRun(store);
    assert.deepEqual(await states(), ["ended", "ended", "ended"]);
    await resumeRun(store);
    assert.deepEqual(await states(), ["resumed", "resumed", "resumed"]);
    await store.close();
  }));

test("a store for mail has logs and claims, and no tensors", () =>
  inFolder(async (folder, urlOf) => {
    const store = await opened(withTopics(urlOf("a"), { mail: urlOf("mail") }));
    assert.equal((await store.tensors.put({ data: new Uint8Array(9) })).where, urlOf("a"));
    await store.logs.append("s", 1, [Uint8Array.of(1)]);
    await store.claims.claim("n", 1, "x");
    assert.ok(existsSync(join(folder, "mail/r/logs")) && !existsSync(join(folder, "a/r/logs")));
    assert.deepEqual(store.statistics().parts?.map(({ putBytes }) => putBytes), [0, 9]);
    assert.equal(withTopics("file:///x", { mail: "file:///x" }), "file:///x");
    await store.close();
  }));
