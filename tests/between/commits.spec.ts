// Durable actors on files of this machine: what is under way together is one commit and one fsync, a long history stays
// short on the disk, and timers, states and what was told outlive the process.
import { realWorld } from "../../runtime/launch/world.ts";
import { defaultLimits } from "../../runtime/launch/launch.ts";
import { Actor, type ActorRef } from "../../runtime/mod.ts";
import { type NodeOptions, openNode, type RunningNode } from "../../runtime/nodes/node.ts";
import { defaultSupervision } from "../../runtime/supervision.ts";
import type { Disk, DiskFile } from "../../stores/file/disk.ts";
import { posixDiskAt } from "../../stores/file/posix.ts";
import type { Store } from "../../stores/store.ts";
import { filesBelow, inFolder, opened } from "../file/place.ts";
import { assert, test } from "../suite.ts";
import { classesOf, hub } from "./world.ts";

class Counter extends Actor<Counter> {
  static readonly durable = "process";
  count = 0;
  heard: number[] = [];
  ticks = 0;
  add(by: number): number {
    return this.count += by;
  }
  pass({ to, n }: { to: ActorRef<Counter>; n: number }): void {
    this.count += n;
    void to.tell("hear", n);
  }
  hear(n: number): void {
    this.heard.push(n);
  }
  list(): readonly number[] {
    return this.heard;
  }
  begin(): void {
    this.after(30, "tick", 1);
    this.every(5, "tick", 1_000);
  }
  tick(by: number): void {
    this.ticks += by;
  }
  ticked(): number {
    return this.ticks;
  }
}

/** Tells so much, and waits at every sixteenth. */
class Teller extends Actor<Teller> {
  static count = 0;
  async tell({ to, count }: { to: ActorRef<Counter>; count: number }): Promise<void> {
    for (Teller.count = 0; Teller.count < count;) {
      const told = to.tell("add", 1);
      if (++Teller.count % 16 === 0) await told;
    }
  }
}

interface Counted {
  readonly disk: Disk;
  readonly counts: { syncs: number; appends: number; frames: number; trims: number };
}

/** The machine's disk, whose calls to put logs on it for good are counted. */
async function counting(root: string): Promise<Counted> {
  const inner = await posixDiskAt(root);
  const counts = { syncs: 0, appends: 0, frames: 0, trims: 0 };
  const fileOf = (file: DiskFile, isLog: boolean): DiskFile => ({
    ...file,
    direct: file.direct,
    read: (into, position) => file.read(into, position),
    write: (bytes, position) => file.write(bytes, position),
    size: () => file.size(),
    truncate: (bytes) => file.truncate(bytes),
    close: () => file.close(),
    sync() {
      if (isLog) counts.syncs++;
      return file.sync();
    },
  });
  const disk: Disk = {
    ...inner,
    open: async (path, how) => fileOf(await inner.open(path, how), path.endsWith(".log")),
  };
  return { disk, counts };
}

/** Counts what is appended to the journals. */
function counted(store: Store, counts: Counted["counts"]): Store {
  return {
    ...store,
    logs: {
      ...store.logs,
      append(stream, epoch, frames) {
        if (stream.startsWith("journal/") && frames.length > 0) {
          counts.appends++;
          counts.frames += frames.length;
        }
        return store.logs.append(stream, epoch, frames);
      },
      trim(stream, through) {
        counts.trims++;
        return store.logs.trim(stream, through);
      },
    },
  };
}

async function node(store: Store, options: Partial<NodeOptions> = {}): Promise<RunningNode> {
  return await openNode({
    run: "r",
    name: "n",
    seed: 1,
    strict: false,
    environment: realWorld,
    store,
    link: hub().linking("n"),
    classes: classesOf(Counter),
    limits: defaultLimits,
    supervision: defaultSupervision,
    record: undefined,
    ...options,
  });
}

for (const fsync of ["always", "never"] as const) {
  test(`durable on file: with fsync=${fsync}, what is under way together is one commit, and each is one fsync`, () =>
    inFolder(async (root) => {
      const { disk, counts } = await counting(root);
      const { system } = await node(counted(await opened(root, { disk, fsync, strict: false }), counts));
      const counter = await system.spawn(Counter, undefined, { name: "c" });
      const messages = 2_000;
      const inFlight = 200;
      let next = 0;
      const lane = async (): Promise<void> => {
        while (next++ < messages) await counter.ask("add", 1);
      };
      await Promise.all(Array.from({ length: inFlight }, lane));
      assert.equal(await counter.ask("add", 0), messages);
      await system.close();
      const { appends, frames, syncs, trims } = counts;
      assert.ok(appends * 4 < messages, `${appends} commits for ${messages} messages`);
      assert.equal(frames, appends);
      // A trim makes sure of what stays, once.
      const [least, most] = fsync === "always" ? [appends, appends + trims] : [0, 0];
      assert.ok(syncs >= least && syncs <= most, `${syncs} fsyncs for ${appends} commits and ${trims} trims`);
      assert.ok(trims * 4 < appends);
    }));
}

test("durable: who tells and waits now and then does not run ahead of a store that is slow", () =>
  inFolder(async (root) => {
    const store = await opened(root, { fsync: "never", strict: false });
    let release!: () => void;
    const released = new Promise<void>((resolve) => release = resolve);
    let isSlow = false;
    const slow: Store = {
      ...store,
      logs: {
        ...store.logs,
        async append(stream, epoch, frames) {
          if (isSlow && stream.startsWith("journal/")) await released;
          return await store.logs.append(stream, epoch, frames);
        },
      },
    };
    // Beyond a few mailboxes of it, tells are refused.
    const limits = { ...defaultLimits, mailboxMessagesMax: 64, overflowMessagesMax: 256 };
    const { system } = await node(slow, { limits, classes: classesOf(Counter, Teller) });
    const counter = await system.spawn(Counter, undefined, { name: "c" });
    const teller = await system.spawn(Teller);
    isSlow = true;
    const told = teller.ask("tell", { to: counter, count: 2_000 });
    told.catch(() => {});
    while (Teller.count === 0) await new Promise(setImmediate);
    for (let [before, turns] = [0, 0]; turns < 100; before = Teller.count) {
      turns = Teller.count === before ? turns + 1 : 0;
      await new Promise(setImmediate);
    }
    assert.ok(Teller.count < 256, `${Teller.count} were told while none was committed`);
    release();
    await told;
    assert.equal(await counter.ask("add", 0), 2_000);
    await system.close();
  }));

test("durable on file: states, what was told, and timers are there in the next process", () =>
  inFolder(async (root) => {
    const fsync = "never";
    const first = await node(await opened(root, { fsync }));
    const [from, to] = [
      await first.system.spawn(Counter, undefined, { name: "from" }),
      await first.system.spawn(Counter, undefined, { name: "to" }),
    ];
    await from.ask("begin");
    // What is told leaves with the commit: some of it the next process has to deliver.
    const passed = Array.from({ length: 300 }, (_, n) => from.ask("pass", { to, n: n + 1 }));
    // On a slow machine the last have not been handled when the system closes, and somebody must hear of that.
    const ends = Promise.allSettled(passed);
    await passed[100];
    await first.system.close({ now: true });
    await ends;
    const second = await node(await opened(root, { fsync }));
    assert.equal(second.epoch, 2);
    const again = await second.system.find(Counter, "from");
    const other = await second.system.find(Counter, "to");
    assert.ok(again !== undefined && other !== undefined);
    const sum = await again.ask("add", 0);
    const expected: number[] = [];
    for (let n = 1, total = 0; total < sum; total += n++) expected.push(n);
    assert.equal(expected.reduce((a, b) => a + b, 0), sum, "the steps that were committed are the first ones");
    assert.ok(expected.length >= 101);
    let heard = await other.ask("list");
    while (heard.length < expected.length) heard = await other.ask("list");
    assert.deepEqual(heard, expected, "each told message is there, once, in order");
    const ticked = await again.ask("ticked");
    let now = ticked;
    while (now < ticked + 2_000 || now % 1_000 !== 1) now = await again.ask("ticked");
    assert.equal(now % 1_000, 1, "the timer that fires once has fired once");
    await second.system.close();
  }));

test("durable on file: a long history is trimmed on the disk, and a new process begins at its last snapshot", () =>
  inFolder(async (root) => {
    const sizes: number[] = [];
    const { disk } = await counting(root);
    const delivery = { replayMessagesMax: 64 };
    let store = await opened(root, { disk, fsync: "never", strict: false });
    const { system } = await node(store, { delivery });
    const counter = await system.spawn(Counter, undefined, { name: "c" });
    const rounds = 40;
    for (let round = 0; round < rounds; round++) {
      await Promise.all(Array.from({ length: 100 }, () => counter.ask("add", 1)));
      const entries = await store.logs.read("journal/n", undefined, { entriesMax: 10_000 }).catch(() => []);
      sizes.push(entries.length);
    }
    assert.ok(Math.max(...sizes) <= 256, `the journal held ${Math.max(...sizes)} commits`);
    await system.close();
    store = await opened(root, { fsync: "never", strict: false });
    const second = await node(store, { delivery });
    const again = await second.system.find(Counter, "c");
    assert.equal(await again!.ask("add", 0), rounds * 100);
    await second.system.close();
    assert.ok(filesBelow(root).length < 200);
  }));
