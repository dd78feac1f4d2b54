// Who is there: a process is told by its number, start and machine, one elsewhere by its beat, and a store makes itself
// known before it makes anything else, on a disk that takes it.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { realWorld } from "../../runtime/launch/world.ts";
import { isShoalError } from "../../stores/error.ts";
import type { Disk } from "../../stores/file/disk.ts";
import { posixDisk } from "../../stores/file/posix.ts";
import { openStore, type Store } from "../../stores/open.ts";
import { type Identity, identityFrom, ownIdentity, presenceOf } from "../../stores/sweep/identity.ts";
import { beatOf, claimants, ownersOf, watched } from "../../stores/sweep/owners.ts";
import { type FilePresence, filePresence, type PresenceOptions } from "../../stores/sweep/presence.ts";
import { assert, skip, test } from "../suite.ts";
import { child, filesBelow, inFolder, opened, rewriteRecord, runsAt, stands, stateAt, swept } from "./place.ts";

const timeoutMs = 60_000;
const [one, other] = ["0123456789abcdef", "fedcba9876543210"];

const presenceIn = (root: string, others: Partial<PresenceOptions> = {}): FilePresence =>
  filePresence({
    disk: posixDisk,
    folder: join(root, "r"),
    run: "r",
    writer: one,
    durable: false,
    role: "store",
    environment: realWorld,
    ...others,
  });

test(
  "A process is live while it is there, dead when another has its number, and elsewhere on another machine",
  async () => {
    const own = ownIdentity();
    if (own.began === "") skip("this system does not say when a process began");
    assert.equal(presenceOf(own), "live");
    assert.equal(presenceOf({ ...own, began: "1" }), "dead");
    assert.equal(presenceOf({ ...own, boot: "another" }), "elsewhere");
    assert.equal(presenceOf({ ...own, space: "another" }), "elsewhere");
    assert.equal(presenceOf({ ...own, boot: "" }), "elsewhere");
    assert.equal(
      presenceOf(own, { ...own, boot: "" }),
      "elsewhere",
      "who knows nothing of himself knows nothing of others",
    );
    await inFolder(async (root) => {
      const started = child("hold", root);
      await started.said();
      const [path = ""] = filesBelow(root).filter((name) => /owners\/[0-9a-f]{16}$/.test(name));
      const { identity } = JSON.parse(readFileSync(join(root, path), "utf8").split("\n")[2]!) as { identity: Identity };
      assert.equal(identity.pid, started.pid);
      assert.equal(presenceOf(identity), "live");
      started.kill("SIGKILL");
      await started.ended;
      assert.equal(presenceOf(identity), "dead");
    });
  },
  { timeoutMs },
);

test("An identity that is none is nobody's", () => {
  const own = ownIdentity();
  assert.deepEqual(identityFrom(JSON.parse(JSON.stringify(own))), own);
  const wrong = [null, 1, [], {}, { ...own, pid: 0 }, { ...own, pid: "1" }, { ...own, pid: 1.5 }, { ...own, boot: 1 }];
  for (const value of wrong) assert.equal(identityFrom(value), undefined);
});

test("Whoever is elsewhere is live while its beat changes, and dead after a lease without", () =>
  inFolder(async (root) => {
    const presence = presenceIn(root, { beatMs: 1 });
    await presence.enter();
    const silent = presenceIn(root, { writer: other });
    await silent.enter();
    const owners = ownersOf(join(root, "r"));
    for (const writer of [one, other]) rewriteRecord(join(owners, writer), { boot: "another" });
    assert.equal(await stateAt(root), "live", "nobody has watched it yet");
    const all = await claimants(posixDisk, owners);
    assert.deepEqual(all.map(({ presence }) => presence), ["elsewhere", "elsewhere"]);
    const shown = (): string => existsSync(beatOf(owners, one)) ? readFileSync(beatOf(owners, one), "utf8") : "";
    // The lease is over as soon as the one that lives has shown it.
    const environment = {
      ...realWorld,
      after(_: number, call: () => void) {
        const before = shown();
        const look = (): void => {
          if (shown() === before) setImmediate(look);
          else call();
        };
        look();
        return () => {};
      },
    };
    const seen = await watched(posixDisk, all, { environment });
    assert.deepEqual(seen.map(({ writer, presence }) => [writer, presence]), [[one, "live"], [other, "dead"]]);
    assert.deepEqual(seen.map(({ isProvenDead }) => isProvenDead), [false, false]);
    await presence.leave();
    await silent.leave();
    assert.deepEqual(filesBelow(root), ["r/layout"]);
  }));

test("A record that is damaged is somebody, of whom only the beat is known", () =>
  inFolder(async (root) => {
    const store = await opened(root);
    await store.tensors.put({ data: new Uint8Array(3) });
    const [path = ""] = filesBelow(root).filter((name) => /owners\/[0-9a-f]{16}$/.test(name));
    writeFileSync(join(root, path), "garbage");
    assert.equal(await stateAt(root), "live");
    assert.equal((await runsAt(root))[0]?.owners[0]?.presence, "elsewhere");
    assert.deepEqual(await swept(root, {}, { leaseMs: 5 }), []);
    assert.ok(existsSync(join(root, path)));
    await store.close();
  }));

test("A store does not open a run that a living sweeper has, and takes no heed of one that died", () =>
  inFolder(async (root) => {
    await (await opened(root)).close();
    const sweeper = presenceIn(root, { role: "sweep" });
    await sweeper.enter();
    const path = join(root, "r/sweepers", one);
    await assert.rejects(opened(root), (error: Error) => {
      assert.ok(isShoalError(error, "Unavailable"));
      assert.match(error.message, new RegExp(`process ${process.pid} .*is sweeping it; try again when it is done`));
      return true;
    });
    assert.equal((await runsAt(root))[0]?.owners.length, 0, "whoever was refused has left");
    rewriteRecord(path, { began: "1" });
    await (await opened(root)).close();
    await sweeper.leave();
  }));

test("What another opening of its process shares shows itself when it puts, and makes nothing in a run that is gone", () =>
  inFolder(async (root) => {
    const store = await opened(root);
    const records = (): string[] => filesBelow(root).filter((path) => /owners\/[0-9a-f]{16}$/.test(path));
    const [own = ""] = records();
    const { port } = store.share!();
    const besides = (home = store.share!().port): Promise<Store> =>
      openStore(`file://${root}`, { run: "r", environment: realWorld, strict: true, thresholdBytes: 0, home });
    const beside = await besides(port);
    await beside.logs.append("s", 1, [new Uint8Array(3)]);
    assert.deepEqual(records(), [own]);
    await stands(store, await beside.tensors.put({ data: new Uint8Array(3) }));
    assert.equal(records().length, 2);
    await beside.close();
    assert.deepEqual(records(), [own]);
    await assert.rejects(besides(port), (error) => isShoalError(error, "BadInput"));

    const late = await besides();
    rewriteRecord(join(root, own), { began: "1" });
    assert.deepEqual((await swept(root, { run: "r" })).map(({ kind }) => kind), ["run"]);
    await assert.rejects(late.claims.claim("c", 1, ""), (error) => isShoalError(error, "Fenced"));
    await assert.rejects(late.tensors.put({ data: new Uint8Array(3) }), (error) => isShoalError(error, "Fenced"));
    await late.close();
    await store.close();
    assert.deepEqual(filesBelow(root), []);
  }));

/** A disk that is full while it is told so. */
interface FullDisk {
  readonly disk: Disk;
  isFull: boolean;
}

function fullDisk(): FullDisk {
  const full = async (): Promise<never> => {
    throw Object.assign(new Error("full"), { code: "ENOSPC" });
  };
  const state: FullDisk = {
    isFull: true,
    disk: {
      ...posixDisk,
      makeFolder: (path: string) => state.isFull ? full() : posixDisk.makeFolder(path),
      open: (path: string, how: "create" | "read" | "change") =>
        state.isFull && how === "create" ? full() : posixDisk.open(path, how),
    },
  };
  return state;
}

test("On a full disk nobody is known, and nothing can be made; with the first folder that can, it is known", () =>
  inFolder(async (root) => {
    await (await opened(root)).close();
    const state = fullDisk();
    const presence = presenceIn(root, { disk: state.disk });
    assert.deepEqual(await presence.enter(), []);
    await assert.rejects(
      presence.disk.makeFolder(join(root, "r/x")),
      (error: { code?: string }) => error.code === "ENOSPC",
    );
    assert.deepEqual(filesBelow(root), ["r/layout"]);
    state.isFull = false;
    await presence.disk.makeFolder(join(root, "r/x"));
    assert.equal(await stateAt(root), "live");
    await presence.leave();
    assert.equal(await stateAt(root), "interrupted");
  }));

test("Whoever finds that it is not known any more makes nothing", () =>
  inFolder(async (root) => {
    const presence = presenceIn(root);
    await presence.enter();
    const [orphan] = await (async () => {
      rewriteRecord(join(root, "r/owners", one), { began: "1" });
      return await swept(root, { run: "r" });
    })();
    assert.equal(orphan?.kind, "run");
    for (const path of ["r/x", "r/y"]) {
      await assert.rejects(presence.disk.makeFolder(join(root, path)), (error) => isShoalError(error, "Fenced"));
    }
    assert.ok(presence.lost !== undefined);
    await presence.leave();
    assert.deepEqual(filesBelow(root), []);
    assert.equal(existsSync(join(root, "r")), false);
  }));
