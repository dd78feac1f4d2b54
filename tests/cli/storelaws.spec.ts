// `shoal conformance URL` as a user meets it: what is kept, what is skipped and why, and for a law that is broken the
// smallest case and a command that brings it back.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { assert, root, runtime, test } from "../suite.ts";
import { inFolder } from "./stage.ts";

const timeoutMs = 120_000;
const source = (path: string): string =>
  pathToFileURL(join(root, runtime === "deno" ? `${path}.ts` : `dist/${path}.js`)).href;

/** A store that forgets every second name that it was told. */
const forgetful = `import { memoryStore } from ${JSON.stringify(source("stores/memory"))};
export function open(url, { run, environment, strict }) {
  const store = memoryStore({ run, environment, strict });
  let count = 0;
  const claim = async (...asked) => count++ % 2 === 0 ? store.claims.claim(...asked) : { held: true, epoch: asked[1], value: asked[2] };
  return { ...store, statistics: () => store.statistics(), claims: { ...store.claims, claim } };
}
`;

test(
  "shoal conformance shows each law that is kept with what happened, and the reason of each that is skipped",
  () =>
    inFolder(async ({ path, shoal }) => {
      const url = pathToFileURL(join(path, "laws")).href;
      const said = await shoal("conformance", url, "--runs", "2", "--seed", "5", "--quiet");
      assert.equal(said.code, 0, said.stdout);
      assert.equal(said.stderr, "");
      assert.match(said.stdout, /^kept {5}L1 logs stand in a row +2 cases {2}\S.*$/m);
      assert.match(said.stdout, /^skipped {2}L4 outcome +a URL gives no way to break what is behind its store$/m);
      assert.match(said.stdout, /\n\d+ kept, 1 skipped, 0 broken · seed 5\n$/);
      assert.deepEqual(readdirSync(path).filter((name) => !name.startsWith(".")), [], "nothing is left");
    }),
  { timeoutMs },
);

test(
  "shoal conformance of a broken store shows the smallest case; its command brings it back",
  () =>
    inFolder(async ({ shoal, write }) => {
      write("mine.mjs", forgetful);
      const said = await shoal("conformance", "module:./mine.mjs", "--law", "claims", "--clock", "virtual", "--quiet");
      assert.equal(said.code, 1, said.stdout);
      assert.match(
        said.stdout,
        /^BROKEN {3}claims have one holder +\d+ cases?: \S.*\n {9}case {4}\[\[.*\n {9}replay {2}shoal /m,
      );
      const [, replay = ""] = /replay {2}shoal (.*)\n/.exec(said.stdout) ?? [];
      const words = [...replay.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain!);
      const again = await shoal(...words, "--clock", "virtual", "--json", "--quiet");
      assert.equal(again.code, 1);
      const { broken, kept, laws } = JSON.parse(again.stdout);
      assert.deepEqual([broken, kept, laws.length, laws[0].runs], [1, 0, 1, 1]);
      const shown = /case {4}(.*)\n/.exec(said.stdout)?.[1];
      assert.equal(laws[0].failure.case, shown);
    }),
  { timeoutMs },
);

test(
  "shoal conformance gives each case of a module a place of its own, or says how to",
  () =>
    inFolder(async ({ shoal, write }) => {
      write(
        "mine.mjs",
        `import { fileStore } from ${JSON.stringify(source("stores/file"))};
export const open = ({ options }, { run, environment, strict }) =>
  fileStore({ root: options.get("folder") ?? process.cwd() + "/one", run, environment, strict });
`,
      );
      const meets = await shoal("conformance", "module:./mine.mjs", "--law", "L7");
      assert.equal(meets.code, 2);
      assert.match(meets.stderr, /its cases would meet; say where .* 'module:\.\/mine\.mjs\?folder=\{place\}'/);
      const apart = await shoal("conformance", "module:./mine.mjs?folder={place}", "--law", "L7", "--runs", "3");
      assert.equal(apart.code, 0, apart.stdout + apart.stderr);
      assert.match(apart.stdout, /1 kept, 0 skipped, 0 broken/);
    }),
  { timeoutMs },
);

const wrong: readonly (readonly [args: readonly string[], says: RegExp])[] = [
  [[], /name a store: shoal conformance file:/],
  [["memry:"], /did you mean memory:\?/],
  [["memory:?capcity=1GB"], /did you mean capacity\?/],
  [["memory:", "--law", "clams have one holder"], /there is none of that name; did you mean claims have one holder\?/],
  [["memory:", "--path", "1:2"], /it is the case of one law; name that with --law/],
  [["memory:", "--runs", "0"], /expected a whole number from 1/],
  [["memory:", "--clock", "slow"], /expected virtual, real/],
  [["module:./gone.mjs"], /there is no such file/],
  [["file:relative"], /file: wants an absolute path/],
];

for (const [args, says] of wrong) {
  test(
    `shoal conformance ${args.join(" ")}: exit code 2, and what to write instead`,
    () =>
      inFolder(async ({ shoal }) => {
        const said = await shoal("conformance", ...args);
        assert.equal(said.code, 2, said.stderr);
        assert.equal(said.stdout, "");
        assert.match(said.stderr, says);
        assert.doesNotMatch(said.stderr, /\n\s+at /);
      }),
    { timeoutMs },
  );
}
