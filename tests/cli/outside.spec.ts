// A user's folder, outside the repository: programs and configuration in TypeScript, and the campaign that `shoal init`
// writes, on every runtime, with the package installed as npm would.
// minutes: 8
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { nodeOf, run, type Said, shown } from "../command.ts";
import { denoPath } from "../runner.ts";
import { assert, root, runtime, skip, test } from "../suite.ts";
import { type Folder, inFolder } from "./stage.ts";

const timeoutMs = 240_000;

/** What npm would put there: the package itself, compiled, and what it depends on. */
function install(folder: string): string {
  const modules = join(folder, "node_modules");
  const shoal = join(modules, "shoal");
  mkdirSync(shoal, { recursive: true });
  for (const name of ["package.json", "bin", "dist/stores", "dist/runtime", "dist/actors"]) {
    cpSync(join(root, name), join(shoal, name), { recursive: true });
  }
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
    readonly packages: { readonly [path: string]: { readonly dev?: boolean } };
  };
  const dependencies = Object.entries(lock.packages)
    .filter(([path, { dev }]) => dev !== true && path.lastIndexOf("node_modules/") === 0)
    .map(([path]) => path.slice("node_modules/".length));
  for (const name of new Set([...dependencies, "@types/node", "undici-types"])) {
    // Of what is optional some is not for this machine.
    if (!existsSync(join(root, "node_modules", name))) continue;
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(join(root, "node_modules", name), join(modules, name));
  }
  return join(shoal, "bin/shoal.mjs");
}

/** The command of the installed package, on this runtime. */
function installed(folder: string, bin: string, env: Folder["env"]): (...args: string[]) => Promise<Said> {
  const [program, first] = runtime === "deno"
    ? [denoPath() ?? "deno", ["run", "-A", "--no-lock", "--no-prompt", "--node-modules-dir=manual", bin]] as const
    : [process.execPath, [bin]] as const;
  return (...args) => run(program, [...first, ...args], { cwd: folder, env });
}

const typed = `import { Actor, type System } from "shoal";
interface Task { readonly n: number }
export class Doubler extends Actor {
  static readonly module: string = import.meta.url;
  #calls: number = 0;
  run({ n }: Task): number {
    this.#calls += 1;
    return twice(n)!;
  }
}
function twice<T extends number>(n: T): number | undefined {
  return n * 2;
}
export default async function (system: System): Promise<{ sum: number }> {
  const pool = await system.pool(Doubler, { size: 2 });
  const answers = await pool.map("run", [1, 2, 3].map((n): Task => ({ n })), { name: "double" });
  return { sum: answers.reduce((a: number, b: number): number => a + b, 0) };
}
`;

test(
  "A program and shoal.config.ts in TypeScript run in a folder that has installed shoal, in threads too",
  async () => {
    await inFolder(async ({ path, write, env }) => {
      const shoal = installed(path, install(path), env);
      write("mine.ts", typed);
      write("shoal.config.ts", "const seed: number = 9;\nexport default { seed } satisfies object;\n");
      for (const threads of ["0", "2"]) {
        const said = await shoal("run", "./mine.ts", "--json", "--quiet", "--threads", threads);
        assert.equal(said.code, 0, shown(said));
        const { sum, seed } = JSON.parse(said.stdout);
        assert.deepEqual({ sum, seed }, { sum: 12, seed: 9 });
      }
    });
  },
  { timeoutMs },
);

for (const major of [20, 22, 24]) {
  test.on(
    "node",
    `A program in TypeScript finds shoal from a folder that has not installed it, on Node ${major}`,
    "Deno is told by its own configuration",
    async () => {
      const node = await nodeOf(major);
      if ("missing" in node) skip(node.missing);
      await inFolder(async ({ path, write, env }) => {
        write("mine.ts", typed);
        const said = await run(node.path, [
          join(root, "dist/runtime/cli/main.js"),
          "run",
          "./mine.ts",
          "--json",
          "--quiet",
        ], { cwd: path, env });
        assert.equal(said.code, 0, shown(said));
        assert.equal(JSON.parse(said.stdout).sum, 12);
      });
    },
    { timeoutMs },
  );
}

test("A program in TypeScript that is none is refused with the place", async () => {
  await inFolder(async ({ path, write, env }) => {
    const shoal = installed(path, install(path), env);
    write("mine.ts", "export default async function () {\n  const x: number = ;\n}\n");
    const said = await shoal("run", "./mine.ts");
    assert.equal(said.code, 2, shown(said));
    assert.match(said.stderr, /Cannot load \.\/mine\.ts: [^]*mine\.ts/);
  });
}, { timeoutMs });

test("shoal init writes a campaign whose types hold, and which runs, is tested and resumed as it stands", async () => {
  await inFolder(async ({ path, env, shoal: own }) => {
    const written = await own("init", "My campaign", "--json");
    assert.equal(written.code, 0, shown(written));
    const folder = join(path, "My campaign");
    assert.equal((JSON.parse(written.stdout) as string[]).length, 10);
    const again = await own("init", "My campaign");
    assert.equal(again.code, 2);
    assert.match(again.stderr, /it is not empty; name a new folder/);
    const shoal = installed(folder, install(folder), env);
    const tsc = await run("node", [join(root, "node_modules/typescript/bin/tsc"), "--pretty", "false", "-p", folder]);
    assert.equal(tsc.code, 0, shown(tsc));
    const tested = await shoal("run", "./test.ts", "--quiet");
    assert.equal(tested.code, 0, shown(tested));
    assert.equal(tested.stdout, "the campaign finds the damping that settles best\n");
    const said = await shoal("run", "./campaign.ts", "--json", "--rounds", "3", "--steps", "2000");
    assert.equal(said.code, 0, shown(said));
    const { damping, simulated } = JSON.parse(said.stdout);
    assert.equal(simulated, 24);
    assert.ok(Math.abs(damping - 1) < 0.1, String(damping));
    assert.match(said.stderr, /round 3: best damping /);
  });
}, { timeoutMs });
