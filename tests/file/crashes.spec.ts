// `file:` on a simulated disk: the power goes, the process dies, or a call fails, at each of its steps in turn. What
// was acknowledged stands, what was released stays away, and nothing is ever half there.
import { isShoalError } from "../../stores/error.ts";
import { fileStore } from "../../stores/file.ts";
import type { Position, Store, TensorRef } from "../../stores/store.ts";
import { assert, seed, test } from "../suite.ts";
import { world } from "../stores/world.ts";
import { type SimulatedDisk, simulatedDisk } from "./disk.ts";

/** What was acknowledged, and what was asked for without an answer. */
interface Told {
  readonly stands: { readonly ref: TensorRef; readonly fill: number }[];
  readonly gone: TensorRef[];
  readonly maybeGone: TensorRef[];
  readonly positions: Position[];
  claim: number;
}

function chanceFrom(start: number): () => number {
  let state = (start * 2_654_435_761) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state = (state ^ (state << 5)) >>> 0;
    return state / 2 ** 32;
  };
}

const tokens = world();
const opened = (disk: SimulatedDisk, fsync: "always" | "never", isNear = false): Promise<Store> => {
  const environment = { ...world(), token: tokens.token };
  return fileStore({ root: "/disk", run: "r", environment, fsync, disk: { ...disk, isNear } });
};

/** The least that has a file of its own, where that costs a metadata server's time and where not. */
const largeBytes = (isNear: boolean): number => isNear ? 2 ** 17 : 2 ** 20;

/** A bit of everything. An operation that fails is passed over, as a program would that waits for space. */
async function work(store: Store, told: Told, epoch: number, isNear: boolean): Promise<Set<string>> {
  const codes = new Set<string>();
  const attempt = async (call: () => Promise<void>): Promise<void> => {
    try {
      await call();
    } catch (error) {
      if (!isShoalError(error)) throw error;
      codes.add(error.code);
    }
  };
  for (let round = 1; round <= 2; round++) {
    for (const bytes of [50, largeBytes(isNear) + 3]) {
      await attempt(async () => {
        const fill = round * 10 + epoch;
        told.stands.push({ ref: await store.tensors.put({ data: new Uint8Array(bytes).fill(fill) }), fill });
      });
    }
    await attempt(async () => {
      const position = await store.logs.append("s", epoch, [Uint8Array.of(epoch), new Uint8Array(30).fill(epoch)]);
      told.positions.push(position);
    });
    await attempt(async () => {
      if ((await store.claims.claim("c", epoch * 10 + round, `${epoch * 10 + round}`)).held) {
        told.claim = epoch * 10 + round;
      }
    });
  }
  for (let index = told.stands.length - 1; index >= Math.max(0, told.stands.length - 2); index--) {
    const [{ ref }] = told.stands.splice(index, 1) as [Told["stands"][0]];
    told.maybeGone.push(ref);
    await attempt(async () => {
      await store.tensors.release(ref);
      told.gone.push(ref);
    });
  }
  await attempt(async () => {
    // Where files are used again, into the one of a tensor that is gone.
    const fill = 100 + epoch;
    told.stands.push({ ref: await store.tensors.put({ data: new Uint8Array(largeBytes(isNear)).fill(fill) }), fill });
  });
  return codes;
}

async function check(store: Store, told: Told): Promise<void> {
  for (const { ref, fill } of told.stands) {
    const tensor = await store.tensors.get(ref);
    assert.equal(tensor.data.length, ref.bytes);
    assert.ok(
      Buffer.alloc(ref.bytes, fill).equals(new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, ref.bytes)),
    );
    tensor.done();
  }
  for (const ref of told.gone) {
    await assert.rejects(store.tensors.get(ref), (error) => isShoalError(error, "Missing"));
  }
  const entries = await store.logs.read("s", undefined, { entriesMax: 1e6 });
  const found = new Set(entries.map(({ epoch, sequence }) => `${epoch}-${sequence}`));
  for (const { epoch, sequence } of told.positions) {
    assert.ok(found.has(`${epoch}-${sequence}`), `${epoch}-${sequence}`);
  }
  for (const [index, { epoch, sequence, frame }] of entries.entries()) {
    const before = entries[index - 1];
    assert.equal(sequence, before?.epoch === epoch ? before.sequence + 1 : 1);
    assert.ok(frame.every((value) => value === epoch) && frame.length === (sequence % 2 === 0 ? 30 : 1));
  }
  const claimed = await store.claims.claimed("c");
  assert.ok((claimed?.epoch ?? 0) >= told.claim);
  if (claimed !== undefined) assert.equal(claimed.value, `${claimed.epoch}`);
  for await (const { id, state } of store.tensors.list()) assert.ok(id !== "" && state === "sealed");
}

const nothing = (): Told => ({ stands: [], gone: [], maybeGone: [], positions: [], claim: 0 });

/** Works until the disk ends, and answers what was told by then. */
async function until(disk: SimulatedDisk, fsync: "always" | "never", isNear: boolean): Promise<Told> {
  const told = nothing();
  try {
    await work(await opened(disk, fsync, isNear), told, 1, isNear);
  } catch (error) {
    if (!isShoalError(error)) throw error;
  }
  return told;
}

for (
  const [what, fsync, isNear] of [
    ["power cut", "always", false],
    ["kill", "never", false],
    ["kill on a near disk", "never", true],
  ] as const
) {
  test(`file store: after a ${what} at any step stands what was acknowledged, and work goes on`, async () => {
    const whole = simulatedDisk({ chance: chanceFrom(seed) });
    await until(whole, fsync, isNear);
    assert.ok(whole.steps > 50);
    for (let endsAt = 0; endsAt <= whole.steps; endsAt++) {
      const disk = simulatedDisk({ chance: chanceFrom(seed + endsAt), endsAt });
      const told = await until(disk, fsync, isNear);
      const rest = fsync === "never" ? disk.afterKill() : disk.afterPowerCut();
      const store = await opened(rest, fsync, isNear);
      await check(store, told);
      assert.deepEqual([...await work(store, told, 2, isNear)], [], `after step ${endsAt}`);
      await check(store, told);
      await store.close();
    }
  });
}

for (
  const [errno, isNear, fsync, where] of [
    ["ENOSPC", false, "always", ""],
    ["EDQUOT", false, "always", ""],
    ["EIO", false, "always", ""],
    ["ENOSPC", true, "never", " on a near disk"],
    ["EIO", true, "never", " on a near disk"],
  ] as const
) {
  test(`file store: ${errno} at any call is an error of its kind, and all goes on afterwards${where}`, async () => {
    const seen = new Set<string>();
    for (let failsAt = 2;; failsAt++) {
      const disk = simulatedDisk({ chance: chanceFrom(seed + failsAt), failsAt, errno });
      let store: Store;
      try {
        store = await opened(disk, fsync, isNear);
      } catch (error) {
        if (!isShoalError(error)) throw error;
        continue;
      }
      const told = nothing();
      for (const code of await work(store, told, 1, isNear)) seen.add(code);
      if (disk.steps < failsAt) break;
      const next = fsync === "never" || failsAt % 2 === 0 ? disk.afterKill() : disk.afterPowerCut();
      const again = await opened(next, fsync, isNear);
      await check(again, told);
      assert.deepEqual([...await work(again, told, 2, isNear)], [], `after step ${failsAt}`);
      await check(again, told);
    }
    // A log's last step may have shown what it wrote: then nobody can say, whatever the disk's reason was.
    seen.delete("Unavailable");
    assert.deepEqual([...seen], errno === "EIO" ? [] : ["CapacityExceeded"]);
  });
}
