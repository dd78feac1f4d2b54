// What the seed of a launch decides.
import { Actor, type ActorRef, launch } from "../../runtime/mod.ts";
import { assert, fc, property, test } from "../suite.ts";
import { leave, stage } from "./stage.ts";

// Seeds

class Gambler extends Actor {
  draw(count: number): number[] {
    return Array.from({ length: count }, () => this.random.next());
  }
  fail(): void {
    throw new Error("wrong");
  }
}

/** What each of these actors draws in a run with this seed. */
async function draws(seed: number, names: readonly (string | undefined)[]): Promise<number[][]> {
  const at = stage({ seed });
  const found: number[][] = [];
  const all: ActorRef<Gambler>[] = [];
  for (const name of names) all.push(await at.system.spawn(Gambler, undefined, name === undefined ? {} : { name }));
  for (const one of all) found.push(await one.ask("draw", 4));
  await leave(at);
  return found;
}

const namesOfGamblers = fc.uniqueArray(
  fc.constantFrom("a", "aa", "1", "2", "3", "1/2", "#1", "#2", "e"),
  {
    maxLength: 6,
  },
).chain((names) =>
  fc.array(fc.constant(undefined), { maxLength: 4 }).chain((nameless) =>
    fc.shuffledSubarray([...names, ...nameless], { minLength: names.length + nameless.length })
  )
);

test("this.random is the same for the same seed and actor, and another for every other seed and actor", async () => {
  await property([fc.integer({ min: 0, max: 2 ** 32 - 1 }), namesOfGamblers], async (seed, names) => {
    const first = await draws(seed, names);
    assert.deepEqual(await draws(seed, names), first);
    const all = first.map((numbers) => numbers.join(" "));
    assert.equal(new Set(all).size, names.length, `${JSON.stringify(names)} draw alike`);
    const others = (await draws(seed + 1, names)).map((numbers) => numbers.join(" "));
    assert.ok(!others.some((numbers) => all.includes(numbers)), "another seed draws alike");
  }, { runs: 40 });
});

test("this.random of one actor does not depend on what others draw, nor when they do", async () => {
  const alone = await draws(5, ["a", "b"]);
  const at = stage({ seed: 5 });
  const [a, b] = [
    await at.system.spawn(Gambler, undefined, { name: "a" }),
    await at.system.spawn(Gambler, undefined, { name: "b" }),
  ];
  const found: [number[], number[]] = [[], []];
  for (const turn of [0, 1, 1, 0, 1, 0, 0, 1]) found[turn]!.push(...await [a, b][turn]!.ask("draw", 1));
  assert.deepEqual(found, alone);
  await leave(at);
});

test("A seed is drawn where none is given, and a launch with it repeats the run", async () => {
  // The tests' own seed stands in the environment, where a launch would take its seed from.
  const said = process.env["SHOAL_SEED"];
  delete process.env["SHOAL_SEED"];
  const first = await launch();
  const second = await launch();
  if (said !== undefined) process.env["SHOAL_SEED"] = said;
  assert.notEqual(first.seed, second.seed);
  const one = await (await first.spawn(Gambler)).ask("draw", 4);
  const two = await (await second.spawn(Gambler)).ask("draw", 4);
  assert.notDeepEqual(one, two);
  const again = await launch({ seed: first.seed });
  assert.deepEqual(await (await again.spawn(Gambler)).ask("draw", 4), one);
  await Promise.all([first.close(), second.close(), again.close()]);
});
