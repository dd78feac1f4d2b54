// `shoal run waves`: the same checksum wherever the fields lay, and after a resume; it is that of another implementation.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { checksum } from "../../actors/waves/checksum.ts";
import { assert, fc, property, test } from "../suite.ts";
import { inFolder, recordsOf } from "./stage.ts";

const timeoutMs = 120_000;
const small = ["--sims", "4", "--grid", "64", "--step-seconds", "0", "--json", "--quiet"];
/** XXH64 of the 2,621,440 bytes of these four waves, computed by hand from the published algorithm. */
const expected = "b3ebf9729e24dd9f";

for (const store of ["memory:", "file:", "shm:"] as const) {
  test(
    `shoal run waves --store ${store} has the checksum that is written down, on no, 1, 2 and 4 threads`,
    async () => {
      await inFolder(async ({ shoal, path }) => {
        mkdirSync(join(path, "store"));
        const url = {
          "memory:": "memory:",
          "file:": `file://${join(path, "store")}`,
          "shm:": `shm:?dir=${join(path, "store")}`,
        }[store];
        for (const threads of ["0", "1", "2", "4"]) {
          const args = ["--store", url, "--threads", threads, "--simulate-workers", "4"];
          const said = await shoal("run", "waves", ...small, ...args);
          assert.equal(said.code, 0, said.stderr);
          const { checksum, store: where, bytes } = JSON.parse(said.stdout);
          assert.deepEqual([checksum, bytes], [expected, 2_621_440]);
          assert.ok(where.startsWith(store), where);
        }
      });
    },
    { timeoutMs },
  );
}

test("shoal run waves that was stopped goes on with the fields that are in its store", async () => {
  await inFolder(async (folder) => {
    const store = `file://${join(folder.path, "store")}`;
    // A simulation takes a second and a half; two are made before it is stopped, two after.
    const args = [
      "run",
      "waves",
      "--sims",
      "4",
      "--grid",
      "64",
      "--step-seconds",
      "0.15",
      "--store",
      store,
      "--name",
      "stopped",
    ];
    const started = folder.start([...args, "--simulate-workers", "2"]);
    const directory = join(folder.path, "runs/stopped");
    const finished = (): number => recordsOf(directory).filter(({ type }) => type === "TaskFinished").length;
    await started.says("run stopped in");
    while (finished() < 2) await new Promise((resolve) => setTimeout(resolve, 20));
    started.child.kill("SIGKILL");
    await started.ended;
    const kept = finished();
    const resumed = await folder.shoal("resume", "stopped", "--json");
    assert.equal(resumed.code, 0, resumed.stderr);
    assert.match(resumed.stderr, new RegExp(`kept: ${kept} results of simulate`));
    assert.equal(JSON.parse(resumed.stdout).checksum, expected);
  });
}, { timeoutMs });

/** XXH64 as it is published, with big integers: slow, and plainly right. */
function plainly(bytes: Uint8Array): string {
  const mask = (1n << 64n) - 1n;
  const [p1, p2, p3, p4, p5] = [
    0x9E3779B185EBCA87n,
    0xC2B2AE3D27D4EB4Fn,
    0x165667B19E3779F9n,
    0x85EBCA77C2B2AE63n,
    0x27D4EB2F165667C5n,
  ];
  const rotate = (x: bigint, by: bigint): bigint => ((x << by) | (x >> (64n - by))) & mask;
  const round = (sum: bigint, lane: bigint): bigint => rotate((sum + lane * p2) & mask, 31n) * p1 & mask;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const lanes = [(p1 + p2) & mask, p2, 0n, -p1 & mask];
  let at = 0;
  let hash = p5;
  if (bytes.length >= 32) {
    for (; at + 32 <= bytes.length; at += 32) {
      for (let i = 0; i < 4; i++) lanes[i] = round(lanes[i]!, view.getBigUint64(at + 8 * i, true));
    }
    hash = rotate(lanes[0]!, 1n) + rotate(lanes[1]!, 7n) + rotate(lanes[2]!, 12n) + rotate(lanes[3]!, 18n) & mask;
    for (const lane of lanes) hash = ((hash ^ round(0n, lane)) * p1 + p4) & mask;
  }
  hash = hash + BigInt(bytes.length) & mask;
  for (; at + 8 <= bytes.length; at += 8) {
    hash = (rotate(hash ^ round(0n, view.getBigUint64(at, true)), 27n) * p1 + p4) & mask;
  }
  if (at + 4 <= bytes.length) {
    hash = (rotate(hash ^ (BigInt(view.getUint32(at, true)) * p1 & mask), 23n) * p2 + p3) & mask;
    at += 4;
  }
  for (; at < bytes.length; at += 1) hash = rotate(hash ^ (BigInt(bytes[at]!) * p5 & mask), 11n) * p1 & mask;
  hash = (hash ^ (hash >> 33n)) * p2 & mask;
  hash = (hash ^ (hash >> 29n)) * p3 & mask;
  return (hash ^ (hash >> 32n)).toString(16).padStart(16, "0");
}

test("checksum is XXH64, however the bytes are cut", async () => {
  await property(
    [fc.uint8Array({ maxLength: 200 }), fc.array(fc.nat({ max: 200 }), { maxLength: 5 })],
    async (bytes, cuts) => {
      const sum = await checksum();
      let from = 0;
      for (const to of [...cuts.sort((a, b) => a - b), bytes.length]) {
        const end = Math.min(to, bytes.length);
        sum.update(bytes.subarray(from, end));
        from = end;
      }
      assert.equal(sum.digest(), plainly(bytes));
    },
    { runs: 100 },
  );
  const large = await checksum();
  const bytes = new Uint8Array(600_001).map((_, i) => i * 7);
  large.update(bytes);
  assert.equal(large.digest(), plainly(bytes));
});
