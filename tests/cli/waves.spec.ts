// `shoal run waves`: the same checksum however the samples went, and after a resume; every network sees every sample;
// what is wrong is refused; and a training that is killed goes on to the same weights.
// minutes: 12
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { checksum } from "../../actors/waves/checksum.ts";
import { planOf, settings, type WavesSettings } from "../../actors/waves/plan.ts";
import { errorOf } from "../stores/world.ts";
import { assert, fc, property, test } from "../suite.ts";
import { inFolder, recordsOf } from "./stage.ts";

const timeoutMs = 400_000;
const small = ["--sims", "4", "--grid", "64", "--step-seconds", "0"];
/** XXH64 of the 2,621,440 bytes of these four waves, computed by hand from the published algorithm. */
const expected = "b3ebf9729e24dd9f";

/** How the samples get from those who simulate to those who train, and on how many threads. */
const ways: readonly (readonly [store: string, transport: string, threads: number])[] = [
  ["memory:", "store", 4],
  ["memory:", "inline", 0],
  ["file:", "store", 0],
  ["shm:", "inline", 2],
];

for (const [store, transport, threads] of ways) {
  test(
    `shoal run waves has the checksum that is written down: ${store} ${transport}, ${threads} threads`,
    async () => {
      await inFolder(async ({ shoal, path }) => {
        mkdirSync(join(path, "store"));
        const url = {
          "memory:": "memory:",
          "file:": `file://${join(path, "store")}`,
          "shm:": `shm:?dir=${join(path, "store")}`,
        }[store]!;
        const args = [
          "--store",
          url,
          "--transport",
          transport,
          "--threads",
          String(threads),
          "--simulate-workers",
          "4",
        ];
        const said = await shoal("run", "waves", ...small, ...args, "--epochs", "0", "--json", "--quiet");
        assert.equal(said.code, 0, said.stderr);
        assert.equal(said.stderr, "");
        const { checksum, store: where, bytes, train, ...rest } = JSON.parse(said.stdout);
        assert.deepEqual([checksum, bytes, rest.transport], [expected, 2_621_440, transport]);
        assert.ok(where.startsWith(transport === "inline" ? "inline:" : store), where);
        assert.deepEqual(train.models.map(({ samples }: { samples: number }) => samples), [40]);
      });
    },
    { timeoutMs },
  );
}

test(
  "shoal run waves says what is to come, trains a network a kernel on every sample, and draws what one foretells",
  () =>
    inFolder(async ({ shoal, path }) => {
      const args = ["--sims", "3", "--grid", "16", "--steps", "5", "--step-seconds", "0", "--kernels", "3,5,3"];
      const more = ["--epochs", "2", "--train-workers", "2", "--seed", "7", "--backend", "wasm", "--name", "drawn"];
      const said = await shoal("run", "waves", ...args, ...more, "--json");
      assert.equal(said.code, 0, said.stderr);
      const order = [
        "15 samples, 0.1 MB",
        "3 networks of kernel 3, 5, 3, 2 epochs",
        "launched",
        "simulated",
        "trained",
      ];
      order.reduce((from, text) => {
        const at = said.stderr.indexOf(text, from);
        assert.ok(at >= 0, `${text} is not said after what comes before: ${said.stderr}`);
        return at;
      }, 0);
      const result = JSON.parse(said.stdout);
      assert.deepEqual(
        result.train.models.map(({ kernel, parameters, samples }: { [name: string]: number }) => [
          kernel,
          parameters,
          samples,
        ]),
        [[3, 2481, 15], [5, 6833, 15], [3, 2481, 15]],
      );
      const losses: number[] = result.train.models.map(({ loss }: { loss: number }) => loss);
      assert.ok(losses.every((loss) => loss > 0 && loss < 1), losses.join());
      // Two of one kernel begin with different weights.
      assert.notEqual(losses[0], losses[2]);
      assert.equal(result.train.backend, "wasm");
      assert.equal(result.forecast.error.length, 5);
      assert.deepEqual([result.samples, result.bytes, result.label], [15, 15 * 2 * 256 * 8, 15 * 256 * 8 / 2 ** 30]);
      const fields = ["launchSeconds", "simulate", "train", "read", "store", "transport", "nodes", "sims", "grid"];
      assert.deepEqual(fields.filter((field) => !(field in result)), []);
      const drawn = readFileSync(join(path, "runs/drawn/forecast.svg"), "utf8");
      assert.match(drawn, /^<svg [^]*truth[^]*predicted[^]*difference[^]*<\/svg>\n$/);
    }),
  { timeoutMs },
);

test(
  "shoal run waves whose trainer is killed in an epoch goes on to the very same weights, also in memory",
  () =>
    inFolder(async (folder) => {
      const args = ["run", "waves", "--sims", "2", "--grid", "40", "--step-seconds", "0", "--kernels", "3"];
      const all = (
        epochs: number,
      ): string[] => [...args, "--epochs", String(epochs), "--seed", "7", "--backend", "wasm"];
      // As many epochs as it takes to be killed in the middle.
      let epochs = 10;
      for (;; epochs *= 4) {
        const started = folder.start([...all(epochs), "--name", `killed-${epochs}`]);
        await started.says("epoch 3 of");
        started.child.kill("SIGKILL");
        const { stderr } = await started.ended;
        if (!stderr.includes(`epoch ${epochs} of`)) break;
        assert.ok(epochs < 10_000, "it was over each time before it was killed");
      }
      const resumed = await folder.shoal("resume", `killed-${epochs}`, "--json");
      assert.equal(resumed.code, 0, resumed.stderr);
      assert.match(resumed.stderr, /runs again: 2 tasks of simulate/);
      assert.match(resumed.stderr, /goes on after epoch [1-9]/);
      const undisturbed = await folder.shoal(...all(epochs), "--json");
      assert.equal(undisturbed.code, 0, undisturbed.stderr);
      const [one, other] = [JSON.parse(resumed.stdout), JSON.parse(undisturbed.stdout)];
      assert.equal(one.train.models[0].loss, other.train.models[0].loss);
      // What a network foretells depends on all of its weights.
      assert.deepEqual(one.forecast, other.forecast);
    }),
  { timeoutMs },
);

test(
  "shoal run waves that goes on with another network begins to train it anew: a checkpoint is none of another's",
  () =>
    inFolder(async (folder) => {
      const args = ["--sims", "1", "--grid", "40", "--step-seconds", "0", "--kernels", "3", "--backend", "wasm"];
      const started = folder.start(["run", "waves", ...args, "--epochs", "100000", "--name", "killed"]);
      await started.says("epoch 3 of");
      started.child.kill("SIGKILL");
      await started.ended;
      const changes = ["kernels=5", "epochs=1"].flatMap((change) => ["--set", `programs.waves.${change}`]);
      const resumed = await folder.shoal("resume", "killed", ...changes, "--json");
      assert.equal(resumed.code, 0, resumed.stderr);
      assert.ok(!resumed.stderr.includes("goes on after epoch"), resumed.stderr);
      assert.deepEqual(JSON.parse(resumed.stdout).train.models.map(({ kernel }: { kernel: number }) => kernel), [5]);
    }),
  { timeoutMs },
);

test(
  "shoal run waves whose store runs full in the middle says so, and goes on where it stopped, with more room",
  () =>
    inFolder(async ({ shoal, path }) => {
      const store = `file://${join(path, "store")}`;
      const args = ["run", "waves", ...small, "--name", "full", "--simulate-workers", "1", "--epochs", "0"];
      const full = await shoal(...args, "--store", `${store}?capacity=1500kB&full=reject`);
      assert.equal(full.code, 1);
      assert.match(full.stderr, /capacity|full/i);
      const resumed = await shoal("resume", "full", "--set", `store=${store}?capacity=1GB`, "--json");
      assert.equal(resumed.code, 0, resumed.stderr);
      assert.match(resumed.stderr, /kept: 2 results of simulate/);
      assert.equal(JSON.parse(resumed.stdout).checksum, expected);
    }),
  { timeoutMs },
);

for (const [store, threads] of [["memory:", 2], ["file:", 0]] as const) {
  test(
    `shoal run waves --online learns from every sample while simulations run: ${store}, ${threads} threads`,
    () =>
      inFolder(async ({ shoal, path }) => {
        const url = store === "memory:" ? store : `file://${join(path, "store")}`;
        const args = [
          "--online",
          "--store",
          url,
          "--threads",
          String(threads),
          "--kernels",
          "3,5",
          "--backend",
          "wasm",
        ];
        const said = await shoal("run", "waves", ...small, ...args, "--epochs", threads === 0 ? "2" : "1", "--json");
        assert.equal(said.code, 0, said.stderr);
        const { checksum, online, train, samples } = JSON.parse(said.stdout);
        assert.deepEqual([checksum, online, samples], [expected, true, 40]);
        assert.deepEqual(train.models.map(({ kernel, samples }: { [name: string]: number }) => [kernel, samples]), [
          [3, 40],
          [5, 40],
        ]);
      }),
    { timeoutMs },
  );
}

test(
  "shoal run waves --online --replay: networks that begin late read all from the start, also in a second epoch",
  () =>
    inFolder(async ({ shoal }) => {
      const args = ["--online", "--replay", "--train-workers", "1", "--kernels", "3,5", "--backend", "wasm"];
      for (const epochs of ["1", "2"]) {
        const said = await shoal("run", "waves", ...small, ...args, "--epochs", epochs, "--threads", "2", "--json");
        assert.equal(said.code, 0, said.stderr);
        assert.match(said.stderr, /keeps all 2.6 MB/);
        const { checksum, train } = JSON.parse(said.stdout);
        assert.equal(checksum, expected);
        assert.deepEqual(train.models.map(({ samples }: { samples: number }) => samples), [40, 40]);
      }
    }),
  { timeoutMs },
);

test(
  "shoal run waves --online needs a store for what is not learnt from yet, and not for all",
  () =>
    inFolder(async ({ shoal }) => {
      // 63 MB of samples; those of four simulations lie in the store, and what is learnt from at the time.
      const args = ["run", "waves", "--sims", "24", "--grid", "128", "--step-seconds", "0", "--epochs", "0", "--json"];
      const bounded = await shoal(...args, "--online", "--store", "memory:?capacity=40MB");
      assert.equal(bounded.code, 0, bounded.stderr);
      const { bytes, checksum } = JSON.parse(bounded.stdout);
      assert.deepEqual([bytes, checksum], [62_914_560, "ba9520b2683942ee"]);
    }),
  { timeoutMs },
);

test("shoal run waves says what launch and I/O took above the emulated compute", () =>
  inFolder(async ({ shoal }) => {
    const args = ["--sims", "2", "--grid", "16", "--steps", "3", "--step-seconds", "0.02", "--epochs", "0", "--json"];
    const said = await shoal("run", "waves", ...args, "--simulate-workers", "1");
    assert.equal(said.code, 0, said.stderr);
    const { overheadSeconds, launchSeconds, simulate } = JSON.parse(said.stdout);
    assert.ok(Math.abs(simulate.floorSeconds - 0.12) < 1e-9);
    assert.ok(overheadSeconds >= launchSeconds + simulate.seconds - simulate.floorSeconds);
    assert.match(said.stderr, /overhead +\d+\.\d+ s for launch and I\/O/);
  }), { timeoutMs });

test("shoal run waves --nodes 2 gives processes the same samples", () =>
  inFolder(async ({ shoal, path }) => {
    mkdirSync(join(path, "store"));
    const args = ["--nodes", "2", "--threads", "1", "--store", `shm:?dir=${join(path, "store")}`, "--kernels", "3,3"];
    const said = await shoal("run", "waves", ...small, ...args, "--epochs", "0", "--json");
    assert.equal(said.code, 0, said.stderr);
    const { checksum, nodes, train, overheadSeconds } = JSON.parse(said.stdout);
    assert.equal(overheadSeconds, null);
    assert.deepEqual([checksum, nodes, train.models.length], [expected, 2, 2]);
  }), { timeoutMs });

test(
  "shoal run waves --trainer pytorch without Python says what to do, before anything is simulated",
  () =>
    inFolder(async ({ shoal, path }) => {
      const said = await shoal("run", "waves", "--sims", "2", "--grid", "16", "--trainer", "pytorch");
      assert.equal(said.code, 1);
      assert.match(
        said.stderr,
        /Cannot train with pytorch: .*; install torch for the python3 on the PATH, or take --trainer/,
      );
      const records = recordsOf(join(path, "runs", readdirSync(join(path, "runs"))[0]!));
      assert.ok(records.every(({ type }) => type !== "TaskFinished"));
    }, { PATH: "/nowhere" }),
  { timeoutMs },
);

const usual: WavesSettings = {
  ...Object.fromEntries(Object.entries(settings).map(([name, flag]) => [name, flag.default])) as WavesSettings,
  sims: 2,
  grid: 16,
};
const wrong: { readonly [what: string]: readonly [Partial<WavesSettings>, RegExp] } = {
  "an even kernel": [{ kernels: "3,4" }, /kernels is 3,4; expected odd numbers/],
  "a kernel that is no number": [{ kernels: "three" }, /kernels is three/],
  "no kernel between commas": [{ kernels: "3,,5" }, /kernels is 3,,5/],
  "a learning rate of zero": [{ "learning-rate": 0 }, /learning-rate is 0; take one above 0/],
  "online by value": [{ online: true, transport: "inline" }, /leave out --transport inline/],
  "a replay of what is not online": [{ replay: true }, /take --online as well/],
  "online by pytorch": [{ online: true, trainer: "pytorch" }, /leave out --online/],
  "more than a head can hold": [{ transport: "inline", sims: 1_000_000, grid: 512 }, /take --transport store/],
};
for (const [what, [change, expected]] of Object.entries(wrong)) {
  test(`waves: ${what} is refused before anything starts`, async () => {
    const error = await errorOf("BadInput", () => planOf({ ...usual, ...change }));
    assert.match(error.message, expected);
  });
}

test(
  "shoal run waves with no simulation, or a grid of one point, is refused with 2",
  () =>
    inFolder(async ({ shoal }) => {
      for (
        const [flag, value, least] of [["--sims", "0", 1], ["--grid", "1", 2]] as const
      ) {
        const said = await shoal("run", "waves", "--grid", "16", flag, value, "--json");
        assert.equal(said.code, 2, said.stderr);
        assert.equal(said.stdout, "");
        assert.match(said.stderr, new RegExp(`whole number from ${least}`));
      }
    }),
  { timeoutMs },
);

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
      "--epochs",
      "0",
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
