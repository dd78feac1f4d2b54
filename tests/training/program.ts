// A process beside the tests of trainers: makes the pairs that they learn from, or trains until it is killed, and says
// what it has done, a line of JSON each.
import { writeSync } from "node:fs";
import { launch } from "../../runtime/mod.ts";
import { Wave } from "../../actors/waves/wave.ts";
import { Trainer, type TrainerTask } from "../../actors/training/trainer.ts";
import { exampleInput } from "./data.ts";

const [, , what = "", store = "", name = "", given = "{}"] = process.argv;
const say = (value: unknown): void => void writeSync(1, `${JSON.stringify(value)}\n`);

const system = await launch({ store, name });
if (what === "make") {
  const waves = await system.pool(Wave, { size: 2 });
  say(await waves.map("run", [40, 55, 70].map((period) => ({ period, grid: 12, steps: 6 }))));
} else {
  const trainer = await system.spawn(Trainer, exampleInput);
  for await (const progress of trainer.stream("train", JSON.parse(given) as TrainerTask)) say(progress);
}
// The memory of a process goes with it: it stays until its reader has read.
process.stdin.resume().on("end", () => void system.close());
