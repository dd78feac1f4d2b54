// The node's cache by itself, without a store behind it: what is believed of what lies there, and what is not.
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { nodeCache } from "../../stores/cache.ts";
import { type Opened, openGround } from "../../stores/cache/ground.ts";
import { shmRoot } from "../../stores/shm.ts";
import type { Landed, Landing } from "../../stores/copied/landing.ts";
import { ShoalError } from "../../stores/error.ts";
import { inMemory } from "../shm/place.ts";
import { assert, test } from "../suite.ts";

const run = "cache-0123456789abcdef";
const bytes = 5_000;

async function withTwo(work: (one: Opened, other: Opened, shelf: string) => Promise<void>): Promise<void> {
  await inMemory(async (dir) => {
    const open = (): Promise<Opened> => openGround({ run, bytesMax: 2 ** 20, dir, strict: true, say() {} });
    const both = [await open(), await open()] as const;
    try {
      await work(...both, join(shmRoot(dir), run, "shelf"));
    } finally {
      for (const one of both) await one.close();
    }
  });
}

/** Asks for a tensor, filled with a number where it is not there yet; answers what it holds, and who filled it. */
async function asked(from: Opened, id: string, sum: string, fill: number): Promise<readonly [number, boolean]> {
  let isFilled = false;
  const landed = await from.land({ id, bytes, sum }, (into) => {
    isFilled = true;
    into.fill(fill);
    return Promise.resolve();
  });
  assert.ok(landed !== undefined, `nothing lands for ${id}`);
  const found = firstOf(landed);
  landed.done(true);
  return [found, isFilled];
}

function firstOf({ buffer, offset }: Landed): number {
  const all = new Uint8Array(buffer, offset, bytes);
  return all.every((byte) => byte === all[0]) ? all[0]! : -1;
}

test("cache: what lies under an id with another sum is not what is meant", () =>
  withTwo(async (one, other) => {
    assert.deepEqual(await asked(one, "t", "aa", 1), [1, true]);
    assert.deepEqual(await asked(other, "t", "aa", 9), [1, false]);
    assert.deepEqual(await asked(other, "t", "bb", 2), [2, true]);
    assert.deepEqual(await asked(one, "t", "bb", 9), [2, false]);
  }));

test("cache: what was written to is not shown again", () =>
  withTwo(async (one, other) => {
    assert.deepEqual(await asked(one, "t", "aa", 1), [1, true]);
    const landed = await other.land({ id: "t", bytes, sum: "aa" }, () => Promise.reject(new Error("fetched again")));
    landed?.done(false);
    assert.deepEqual(await asked(one, "t", "aa", 2), [2, true]);
  }));

test("cache: a fetch that fails is told to who asked, and the next one fetches anew", () =>
  withTwo(async (one, other) => {
    const broken = new ShoalError("Unavailable", "Cannot get tensor: its server is away");
    const [first, second] = await Promise.allSettled([
      one.land({ id: "t", bytes, sum: "aa" }, async () => {
        await new Promise((resolve) => setTimeout(resolve, 1));
        throw broken;
      }),
      // It waits for the first, and then takes its place.
      asked(other, "t", "aa", 3),
    ]);
    assert.ok(first.status === "rejected" && first.reason === broken);
    assert.deepEqual(second, { status: "fulfilled", value: [3, true] });
  }));

test("cache: what somebody else put on the shelf is not believed", () =>
  withTwo(async (one, _, shelf) => {
    const writer = "0123456789abcdef";
    const made = { nothing: "x", nobody: `ready aa ${writer} 1: ${bytes} ${writer}-0.1`, path: "../../../etc/passwd" };
    for (const [id, target] of Object.entries(made)) symlinkSync(target, join(shelf, id));
    assert.deepEqual(await asked(one, "nobody", "aa", 4), [4, true]);
    writeFileSync(join(shelf, "file"), "x");
    mkdirSync(join(shelf, "folder"));
    // In the way of everybody: each fetches for himself, and nothing is broken by it.
    for (const id of ["nothing", "path", "file", "folder"]) {
      const landed = await one.land({ id, bytes, sum: "aa" }, () => Promise.reject(new Error("fetched into it")));
      assert.equal(landed, undefined, id);
    }
  }));

test("cache: what is wrong with it is nobody's trouble", () =>
  inMemory(async (dir) => {
    let fetched = 0;
    const otherwise: Landing = {
      async land({ bytes }, fill) {
        const buffer = new ArrayBuffer(bytes);
        await fill(new Uint8Array(buffer));
        return { buffer, offset: 0, isThere: () => true, done() {} };
      },
    };
    writeFileSync(join(dir, "in-the-way"), "");
    const cache = nodeCache({
      identity: ["x"],
      bytesMax: 2 ** 20,
      bytesMin: 1,
      dir: join(dir, "in-the-way"),
      strict: true,
      otherwise,
    });
    for (let count = 0; count < 2; count++) {
      const landed = await cache.land({ id: "t", bytes, sum: "aa" }, async (into) => {
        fetched += 1;
        into.fill(6);
      });
      assert.equal(firstOf(landed), 6);
    }
    assert.equal(fetched, 2);
    await cache.close();
  }));
