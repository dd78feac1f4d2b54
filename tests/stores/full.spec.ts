// `file:` on a disk that is really full: a small one of its own in memory, where mounting is permitted. What does not
// fit is CapacityExceeded, nothing of it is left, what stood stands, and all goes on when there is space again.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isShoalError, type ShoalError } from "../../stores/error.ts";
import { fileStore } from "../../stores/file.ts";
import type { Position, Store, TensorRef } from "../../stores/store.ts";
import { realWorld } from "../../runtime/launch/world.ts";
import { assert, skip, test } from "../suite.ts";

const diskBytes = 64 * 2 ** 20;

/** Runs a test on a disk of its own, or says why that cannot be had. */
async function onDisk(call: (root: string) => Promise<void>): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), "shoal-full-"));
  try {
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", `size=${diskBytes}`, "tmpfs", root], { stdio: "pipe" });
    } catch {
      skip("a disk of 64 MB cannot be mounted here: that takes root, and a container that lets it");
    }
    try {
      await call(root);
    } finally {
      execFileSync("umount", ["--lazy", root]);
    }
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

const opened = (root: string, fsync: "always" | "never"): Promise<Store> =>
  fileStore({ root, run: "r", environment: realWorld, strict: true, fsync });

const freeBytes = (root: string): number => {
  const { bavail, bsize } = statfsSync(root);
  return bavail * bsize;
};

async function refusal(call: () => Promise<unknown>): Promise<ShoalError | undefined> {
  try {
    await call();
    return undefined;
  } catch (error) {
    if (isShoalError(error)) return error;
    throw error;
  }
}

const filled = (bytes: number, fill: number): Uint8Array => new Uint8Array(bytes).fill(fill);

async function isWhole(store: Store, ref: TensorRef, fill: number): Promise<void> {
  const tensor = await store.tensors.get(ref);
  assert.equal(tensor.data.length, ref.bytes);
  assert.ok(Buffer.from(tensor.data.buffer, tensor.data.byteOffset, ref.bytes).equals(Buffer.alloc(ref.bytes, fill)));
  tensor.done();
}

for (const fsync of ["never", "always"] as const) {
  for (const [what, bytes] of [["large", 3 * 2 ** 20 + 5], ["small", 60_000]] as const) {
    test(`file store on a full disk, fsync=${fsync}: ${what} tensors are refused whole, and go on when there is space`, () =>
      onDisk(async (root) => {
        const store = await opened(root, fsync);
        const refs: TensorRef[] = [];
        let error: ShoalError | undefined;
        while (error === undefined) {
          assert.ok(refs.length * bytes < diskBytes, "more stands than the disk holds");
          error = await refusal(async () =>
            refs.push(await store.tensors.put({ data: filled(bytes, refs.length & 255) }))
          );
        }
        assert.equal(error.code, "CapacityExceeded");
        assert.equal(error.outcome, "failed");
        const full =
          /^Cannot put tensor in file:\/\/\S+: .* is full \(ENOSPC\); make room there, or name another place$/;
        assert.match(error.message, full);
        assert.ok(refs.length * bytes > diskBytes / 2);
        // Several at once, none of which fits.
        const many = await Promise.all(
          [1, 2, 3].map(() => refusal(() => store.tensors.put({ data: filled(2 ** 22, 1) }))),
        );
        for (const one of many) assert.equal(one?.code, "CapacityExceeded");
        const listed: string[] = [];
        for await (const { id, state } of store.tensors.list()) {
          assert.equal(state, "sealed");
          listed.push(id);
        }
        assert.deepEqual(listed.sort(), refs.map(({ id }) => id).sort());
        const left = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((path) => /temp[/\\]./.test(path));
        assert.deepEqual(left, [], "what did not fit is left half-made");
        for (const [index, ref] of refs.entries()) await isWhole(store, ref, index & 255);
        for (const ref of refs.splice(0, Math.ceil(refs.length / 2))) await store.tensors.release(ref);
        await store.close();
        const again = await opened(root, fsync);
        await isWhole(again, await again.tensors.put({ data: filled(100, 7) }), 7);
        if (what === "large") await isWhole(again, await again.tensors.put({ data: filled(bytes, 9) }), 9);
        await again.close();
      }));
  }

  test(`file store on a full disk, fsync=${fsync}: what was appended and claimed stands, and what was refused does not`, () =>
    onDisk(async (root) => {
      const store = await opened(root, fsync);
      const ballast: TensorRef[] = [];
      while (freeBytes(root) > 2 ** 22) ballast.push(await store.tensors.put({ data: filled(2 ** 20 + 1, 1) }));
      let last: Position = { epoch: 1, sequence: 0 };
      let error: ShoalError | undefined;
      for (let count = 1; error === undefined; count++) {
        assert.ok(count < 1_000);
        error = await refusal(async () => {
          last = await store.logs.append("s", 1, [filled(30_000, count & 255), filled(10, count & 255)]);
        });
      }
      assert.equal(error.code, "CapacityExceeded");
      assert.equal(error.outcome, "failed");
      const check = async (reader: Store): Promise<void> => {
        const entries = await reader.logs.read("s", undefined, { entriesMax: 10_000 });
        assert.equal(entries.length, last.sequence);
        for (const [index, { sequence, frame }] of entries.entries()) {
          assert.equal(sequence, index + 1);
          assert.ok(frame.every((byte) => byte === ((index >> 1) + 1 & 255)));
        }
      };
      await check(store);
      // Not a page is left: a claim is refused or held, and never in between.
      const held: string[] = [];
      for (let count = 0; count < 400; count++) {
        const refused = await refusal(async () => {
          if ((await store.claims.claim(`c${count}`, 1, "x".repeat(5_000))).held) held.push(`c${count}`);
        });
        if (refused !== undefined) assert.equal(refused.code, "CapacityExceeded");
      }
      assert.deepEqual(await store.claims.claims(""), held.sort());
      for (const name of held) assert.equal((await store.claims.claimed(name))?.value.length, 5_000);
      for (const ref of ballast) await store.tensors.release(ref);
      const reader = await opened(root, fsync);
      await check(reader);
      last = await store.logs.append("s", 1, [
        filled(30_000, (last.sequence >> 1) + 1 & 255),
        filled(10, (last.sequence >> 1) + 1 & 255),
      ]);
      await check(reader);
      assert.equal((await store.claims.claim("late", 1, "y")).held, true);
      await reader.close();
      await store.close();
    }));
}
