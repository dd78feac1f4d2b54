// Checkpoints: the latest that is whole is what a reader gets, under any name, whatever became of the files.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCheckpoints } from "../../runtime/run/checkpoints.ts";
import { type RunLayout, runLayout } from "../../runtime/run/layout.ts";
import { assert, fc, property, test } from "../suite.ts";

function emptyRun(): RunLayout {
  const layout = runLayout(mkdtempSync(join(tmpdir(), "run-")));
  mkdirSync(layout.checkpoints);
  return layout;
}

test("runCheckpoints: the last value that was saved under a name is loaded, also by another process's eyes", async () => {
  const names = fc.constantFrom(
    "a",
    "aa",
    "a/b",
    "..",
    "../x",
    "\u00e9",
    "e\u0301",
    "name",
    "000001.json",
    "x".repeat(200),
  );
  const saves = fc.array(
    fc.tuple(names, fc.oneof(fc.string(), fc.float64Array({ maxLength: 3 }), fc.constantFrom(null, NaN))),
  );
  await property([saves], (plan) => {
    const layout = emptyRun();
    const model = new Map<string, { number: number; value: unknown }>();
    for (const [name, value] of plan) {
      const number = runCheckpoints(layout).save(name, value);
      assert.ok(number > (model.get(name)?.number ?? 0));
      model.set(name, { number, value });
      for (const [known, kept] of model) assert.deepEqual(runCheckpoints(layout).load(known), kept);
    }
    assert.equal(runCheckpoints(layout).load("never"), undefined);
    assert.deepEqual(readdirSync(layout.checkpoints).length, model.size, "nothing lies beside the folders of names");
  }, { runs: 20 });
});

test("runCheckpoints: where the last one cannot be read, the one before is taken", () => {
  const layout = emptyRun();
  const checkpoints = runCheckpoints(layout);
  for (const value of ["first", "second", "third"]) checkpoints.save("model", value);
  const [folder = ""] = readdirSync(layout.checkpoints);
  const files = readdirSync(join(layout.checkpoints, folder)).filter((name) => name.endsWith(".json")).sort();
  assert.deepEqual(files, ["000002.json", "000003.json"]);
  const last = join(layout.checkpoints, folder, "000003.json");
  const text = readFileSync(last, "utf8");
  const damages = [
    text.slice(0, 20),
    "",
    text.replace(/"frame":"(.)/, (_, sign) => `"frame":"${sign === "A" ? "B" : "A"}`),
    "{}",
  ];
  for (const damaged of damages) {
    writeFileSync(last, damaged);
    assert.deepEqual(checkpoints.load("model"), { number: 2, value: "second" });
  }
  // The next one takes neither the number nor the place of the one that cannot be read.
  assert.equal(checkpoints.save("model", "fourth"), 4);
  assert.deepEqual(checkpoints.load("model"), { number: 4, value: "fourth" });
});

test("runCheckpoints refuses names that are none, and a folder that cannot be written", () => {
  const layout = emptyRun();
  assert.throws(() => runCheckpoints(layout).save("", 1), /a name has 1 to 200 characters/);
  const blocked = { ...layout, checkpoints: join(layout.directory, "file", "checkpoints") };
  writeFileSync(join(layout.directory, "file"), "");
  assert.throws(
    () => runCheckpoints(blocked).save("x", 1),
    /Cannot checkpoint x: .*a file stands where a folder is wanted/,
  );
});
