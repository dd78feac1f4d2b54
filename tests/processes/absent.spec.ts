// Who is not there, or cannot be, in another process: whoever asks learns it by a typed error, and waits for nobody.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { isShoalError, launch, type RunRecord, type System } from "../../runtime/mod.ts";
import { realWorld } from "../../runtime/launch/world.ts";
import { openStore } from "../../stores/open.ts";
import { assert, test } from "../suite.ts";
import { Here, Lasting } from "./actors.ts";

const patient = { timeoutMs: 120_000 };
const run = "r";

async function inSystem(
  query: string,
  call: (system: System, url: string, joined: (count: number) => Promise<void>) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "shoal-absent-"));
  const url = `${pathToFileURL(folder).href}${query}`;
  let [count, look] = [0, (): void => {}];
  try {
    const system = await launch({
      name: run,
      nodes: 2,
      threads: 0,
      store: url,
      record(one: RunRecord) {
        if (one.type !== "NodeJoined") return;
        count++;
        look();
      },
    });
    const joined = (wanted: number): Promise<void> =>
      new Promise((resolve) => {
        look = () => void (count >= wanted && resolve());
        look();
      });
    try {
      await call(system, url, joined);
    } finally {
      await system.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function fails(call: PromiseLike<unknown>, codes: readonly string[], text: RegExp): Promise<void> {
  let thrown: unknown;
  try {
    await call;
  } catch (error) {
    thrown = error;
  }
  assert.ok(isShoalError(thrown) && codes.includes(thrown.code), String(thrown));
  assert.match(thrown.message, text);
}

test(
  "system: an actor that never was, or was its dead process's own, is not waited for",
  () =>
    inSystem("", async (system, url, joined) => {
      assert.equal(await system.find(Here, "nobody"), undefined);
      const far = await system.spawn(Here, undefined, { node: "n2" });
      const child = await far.ask("child");
      assert.equal((await child.ask("where")).pid, (await far.ask("where")).pid);
      // A name is a claim in the store: these mean an address that nobody was given, and a state that nobody has left.
      const store = await openStore(url, { run, environment: realWorld, strict: true, thresholdBytes: 0 });
      try {
        for (const [name, id] of [["never", "n2/999999"], ["unborn", "n2/@unborn"]] as const) {
          const named = { id, class: "", className: "Here" };
          assert.ok((await store.claims.claim(`actor/${name}`, 1, JSON.stringify(named))).held);
        }
      } finally {
        await store.close();
      }
      const never = await system.find(Here, "never");
      assert.equal(never?.id, "n2/999999");
      await fails(never.ask("where"), ["Ended"], /it has ended, or never was/);
      await fails(never.tell("where"), ["Ended"], /it has ended, or never was/);
      assert.equal((await system.stop(never)).reason, "stopped");
      assert.equal((await system.watch(never)).reason, "stopped");
      assert.equal(await system.find(Here, "unborn"), undefined);
      // What the program did not spawn itself nobody makes again.
      await fails(far.ask("end", 3), ["Lost", "Ended"], /end/);
      await joined(2);
      await fails(child.ask("where"), ["Lost", "Ended"], /where/);
      await fails(child.ask("where"), ["Ended"], /it has ended, or never was/);
    }),
  patient,
);

test(
  "system: an actor of another process that begins a new life is waited for, and one that may not is not",
  () =>
    inSystem("", async (system) => {
      const supervision = { on: "restart", backoffMs: 50, restartsMax: 1 } as const;
      const far = await system.spawn(Here, undefined, { node: "n2", supervision });
      const failing = far.ask("fail");
      const after = far.ask("echo", 7);
      await fails(failing, ["HandlerError"], /as it was told to/);
      // What was in its mailbox may have been lost with that life; what is asked from here on is not.
      assert.equal(await after.catch((error: unknown) => isShoalError(error, "Lost") ? 7 : error), 7);
      assert.equal(await far.ask("echo", 8), 8);
      const ended = system.watch(far);
      await fails(far.ask("fail"), ["HandlerError"], /as it was told to/);
      assert.equal((await ended).reason, "crashed");
      await fails(far.ask("echo", 9), ["Ended"], /echo/);
    }),
  patient,
);

test(
  "system: a durable actor on a store that survives less than it says is refused, here and there",
  () =>
    inSystem("?fsync=never", async (system) => {
      for (const node of ["main", "n2"]) {
        const refused = system.spawn(Lasting, undefined, { name: `on ${node}`, node });
        await fails(refused, ["BadInput"], /its store survives process, not power; choose another, as --store file:/);
      }
      // Nothing of it is left.
      assert.equal(await system.find(Lasting, "on n2"), undefined);
    }),
  patient,
);

test("launch: a durable actor in a system whose store ends with it is refused, with the cure", async () => {
  const system = await launch({ threads: 0, record() {} });
  try {
    const refused = system.spawn(Lasting, undefined, { name: "a" });
    await fails(refused, ["BadInput"], /it is durable, and its store survives \w+, not power; choose another, as/);
  } finally {
    await system.close();
  }
});
