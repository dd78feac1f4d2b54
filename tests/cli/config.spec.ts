// Configuration: what wins over what, that every value says where it comes from, and that nothing misspelt passes.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Configurable, readEnvironment, variableOf } from "../../runtime/launch/configuration.ts";
import { launch } from "../../runtime/launch/launch.ts";
import { jsonSchema, schema } from "../../runtime/launch/schema.ts";
import { configure, type Sources } from "../../runtime/launch/sources.ts";
import { isShoalError } from "../../stores/error.ts";
import { assert, fc, property, test } from "../suite.ts";
import { inFolder } from "./stage.ts";

const timeoutMs = 120_000;
const what: Configurable = {
  schema,
  programs: {
    waves: {
      "sims": { kind: "whole", default: 32, about: "" },
      "step-seconds": { kind: "number", default: 0.5, about: "" },
    },
  },
};
const key = "limits.stopTimeoutMs";

/** Every place that can say something of one key, from the one that gives way to the one that wins. */
const places = [
  "~/.config/shoal/config.toml",
  "shoal.config.toml",
  "first.json",
  "second.mjs",
  "SHOAL_LIMITS__STOP_TIMEOUT_MS",
  "--flag",
  "--set",
] as const;

test("configure: the last place that says something wins, and is named, whichever say something", async () => {
  await property([fc.uniqueArray(fc.nat({ max: places.length - 1 }), { maxLength: places.length })], async (saying) => {
    await inFolder(async ({ path: folder, write }) => {
      const says = (index: number): boolean => saying.includes(index);
      const value = (index: number): number => 1000 + index;
      mkdirSync(join(folder, ".config/shoal"), { recursive: true });
      if (says(0)) writeFileSync(join(folder, ".config/shoal/config.toml"), `[limits]\nstopTimeoutMs = ${value(0)}\n`);
      if (says(1)) write("shoal.config.toml", `limits.stopTimeoutMs = ${value(1)}\n`);
      if (says(2)) write("first.json", JSON.stringify({ limits: { stopTimeoutMs: value(2) } }));
      if (says(3)) write("second.mjs", `export default { limits: { stopTimeoutMs: ${value(3)} } };\n`);
      const sources: Sources = {
        folder,
        found: true,
        environment: { HOME: folder, ...(says(4) ? { SHOAL_LIMITS__STOP_TIMEOUT_MS: String(value(4)) } : {}) },
        files: [...(says(2) ? ["first.json"] : []), ...(says(3) ? ["second.mjs"] : [])],
        flags: says(5) ? [{ path: key, value: value(5), origin: "--flag" }] : [],
        sets: says(6) ? [`${key}=${value(6)}`] : [],
      };
      const { [key]: resolved, seed } = await configure(sources, what);
      const winner = Math.max(-1, ...saying);
      const expected = winner < 0
        ? { value: 30_000, origin: "default" }
        : { value: value(winner), origin: places[winner] };
      assert.deepEqual(resolved, expected);
      assert.equal(seed, undefined);
    });
  }, { runs: 40 });
}, { timeoutMs });

const wrong: readonly [file: string, text: string, says: RegExp][] = [
  ["shoal.config.toml", "stroe = 1\n", /Cannot read shoal.config.toml: there is no key stroe; did you mean store\?/],
  [
    "shoal.config.toml",
    "[limits]\nstopTimeout = 1\n",
    /there is no key limits.stopTimeout; did you mean limits.stopTimeoutMs\?/,
  ],
  ["shoal.config.toml", 'seed = "x"\n', /seed is "x", expected a whole number from 0/],
  ["shoal.config.toml", "store = \n", /Cannot read shoal.config.toml: line 1, column \d+: /],
  ["shoal.config.toml", "limits = 3\n", /limits is 3, expected keys and values/],
  [
    "shoal.config.toml",
    '[supervision]\non = "restrat"\n',
    /supervision.on is "restrat", expected one of restart, resume/,
  ],
  ["shoal.config.toml", "[programs.wavez]\nsims = 3\n", /there is no program wavez; did you mean programs.waves\?/],
  [
    "shoal.config.toml",
    "[programs.waves]\nsimz = 3\n",
    /no key programs.waves.simz; did you mean programs.waves.sims\?/,
  ],
  ["shoal.config.toml", "[programs.waves]\nsims = -3\n", /programs.waves.sims is -3, expected a whole number from/],
  ["shoal.config.json", "{", /Cannot read shoal.config.json: /],
  ["shoal.config.json", "[1]", /it holds a list, expected keys and values/],
  ["shoal.config.json", `{"__proto__": {"store": "x"}}`, /there is no key __proto__/],
  ["shoal.config.mjs", "export const store = 1;\n", /it has no default export; write export default/],
  ["shoal.config.mjs", "throw new Error('mine');\n", /Cannot read shoal.config.mjs: mine/],
  ["shoal.config.ts", "export default { store: 3 as unknown as string };\n", /store is 3, expected a text/],
];

for (const [file, text, says] of wrong) {
  test(`shoal config refuses ${file} with ${JSON.stringify(text)}`, async () => {
    await inFolder(async ({ shoal, write }) => {
      write(file, text);
      const said = await shoal("config");
      assert.deepEqual([said.code, said.stdout], [2, ""], said.stderr);
      assert.match(said.stderr, says);
    });
  }, { timeoutMs });
}

test("shoal config shows each value with its origin, takes TypeScript, and hides secrets", async () => {
  await inFolder(async ({ shoal, write }) => {
    write(
      "shoal.config.ts",
      'type S = string;\nexport default { store: "redis://me:secret@n1:6379" as S, strict: true, seed: 7 };\n',
    );
    const said = await shoal("config", "show", "--set", "programs.waves.sims=3");
    assert.equal(said.code, 0, said.stderr);
    assert.match(said.stdout, /^store +redis:\/\/\*\*\*@n1:6379 +shoal.config.ts$/m);
    assert.match(said.stdout, /^programs.waves.sims +3 +--set$/m);
    assert.match(said.stdout, /^storeThresholdBytes +10000 +default$/m);
    assert.doesNotMatch(said.stdout + said.stderr, /secret/);
    const { seed, strict } = JSON.parse((await shoal("config", "--json")).stdout);
    assert.deepEqual([seed, strict], [{ value: 7, origin: "shoal.config.ts" }, {
      value: true,
      origin: "shoal.config.ts",
    }]);
    write("shoal.config.json", "{}");
    const both = await shoal("config");
    assert.equal(both.code, 2);
    assert.match(both.stderr, /shoal.config.ts and shoal.config.json both stand in .*; keep one/);
  });
}, { timeoutMs });

test("shoal run takes its program's settings from the configuration, and a flag over it", async () => {
  await inFolder(async ({ shoal, write }) => {
    write("shoal.config.toml", "seed = 5\n[programs.waves]\nsims = 2\ngrid = 8\nsteps = 1\nstep-seconds = 0\n");
    const said = await shoal("run", "waves", "--json", "--quiet", "--grid", "16");
    assert.equal(said.code, 0, said.stderr);
    const { sims, grid, samples, seed } = JSON.parse(said.stdout);
    assert.deepEqual({ sims, grid, samples, seed }, { sims: 2, grid: 16, samples: 2, seed: 5 });
    const dry = await shoal("run", "waves", "--dry-run");
    assert.equal(dry.code, 0);
    assert.match(dry.stdout, /^programs.waves.step-seconds +0 +shoal.config.toml$/m);
  });
}, { timeoutMs });

test("readEnvironment: every key has a variable, and it is read back", () => {
  const paths = [...Object.keys(schema), "programs.waves.sims", "programs.waves.step-seconds"];
  for (const path of paths) {
    const name = variableOf(path);
    assert.deepEqual(readEnvironment({ [name]: "1" }, what), [{ path, text: "1", origin: name }]);
  }
  const refuses = (name: string, says: RegExp): void => {
    assert.throws(
      () => readEnvironment({ [name]: "1" }, what),
      (error: Error) => isShoalError(error, "BadInput") && says.test(error.message),
    );
  };
  refuses("SHOAL_STROE", /there is no such key; did you mean SHOAL_STORE\?/);
  refuses("SHOAL_LIMITS__STOP_TIMEOUT", /did you mean SHOAL_LIMITS__STOP_TIMEOUT_MS\?/);
  refuses("SHOAL_NOTHING__LIKE__THAT_AT_ALL", /shoal config schema lists all keys/);
  assert.deepEqual(readEnvironment({ SHOAL_OF_SOMEBODY_ELSE: "1", SHOAL_STORE: "", PATH: "x" }, what), []);
});

test("jsonSchema knows every key with its default, and no other", () => {
  const whole = jsonSchema(what.programs) as {
    properties: Record<
      string,
      { properties?: Record<string, { default?: unknown }>; default?: unknown; additionalProperties?: unknown }
    >;
    additionalProperties: unknown;
  };
  assert.equal(whole.additionalProperties, false);
  for (const [path, { default: usual }] of Object.entries(schema)) {
    const [section = "", name] = path.split(".");
    const found = name === undefined ? whole.properties[section] : whole.properties[section]?.properties?.[name];
    assert.ok(found !== undefined, path);
    assert.equal(found.default, usual, path);
  }
  assert.equal(whole.properties["limits"]?.additionalProperties, false);
});

test("launch takes files of configuration, and what it is told itself over them", async () => {
  await inFolder(async ({ write }) => {
    const config = write(
      "mine.json",
      JSON.stringify({ seed: 11, store: "memory:?capacity=1MB", limits: { nameCharsMax: 3 } }),
    );
    const system = await launch({ config, seed: 12 });
    assert.equal(system.seed, 12);
    await assert.rejects(system.store.allocate("uint8", [2_000_000]), /./);
    await system.close();
    await assert.rejects(
      launch({ config: write("other.json", `{"sed": 1}`) }),
      /there is no key sed; did you mean seed\?/,
    );
  });
});
